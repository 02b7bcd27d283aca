"""Captured events as other programs read them, each tied to the person it belongs to now."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

import sqlalchemy as sa

from .adapters.captured_json import decode_object
from .adapters.heads import Head
from .adapters.input_log import read_inputs, read_inputs_of
from .adapters.statements import statements_on
from .domain.inputs import Input, Status
from .domain.internal_users import is_visible
from .domain.json_values import JsonObject
from .domain.person import Person
from .domain.times import format_time
from .domain.uuids import uuid_text
from .operations import TABLES
from .projections.distinct_ids import find_holders
from .projections.merges import survivors
from .projections.rule_sets import rules_in_force

_PAGE = 200


class CapturedQueries:
    """Reads one project's captured events."""

    def __init__(self, connection: sa.Connection, head: Head) -> None:
        self._connection = connection
        self._project = head.id
        self._statements = statements_on(connection, TABLES)
        self._survivor_of = survivors(connection, head.id)

    def all(self, *, exclude_internal: bool) -> Iterator[JsonObject]:
        """Give every captured event by position.

        ``exclude_internal`` leaves out those that the rules' internal-user filters do not let
        pass, judged by the persons' current properties.
        """
        rules = rules_in_force(self._connection, self._project)
        filters = rules.internal_user_filters if exclude_internal else ()
        needs_persons = any(each.type == "person" for each in filters)
        for each, sent, holder in self._read(
            read_inputs(self._connection, self._project), needs_persons=needs_persons
        ):
            properties = {} if holder is None else holder.properties
            if is_visible(filters, sent.get("properties") or {}, properties):
                yield self._shown(each, sent, holder)

    def of(self, persons: Collection[bytes], distinct_ids: Collection[str]) -> Iterator[JsonObject]:
        """Give the captured events that were tied to ``persons`` when they were processed.

        Those that are tied to nobody, being held, dropped or personless, are given if they carry
        one of ``distinct_ids``.
        """
        rows = read_inputs_of(self._connection, self._project, persons)
        for each, sent, holder in self._read(rows, needs_persons=False):
            if each.person is not None or (
                each.event is not None and each.event.distinct_id in distinct_ids
            ):
                yield self._shown(each, sent, holder)

    def _read(
        self, rows: Iterator[Input], *, needs_persons: bool
    ) -> Iterator[tuple[Input, JsonObject, Person | None]]:
        """Decode captured events; find who holds the IDs of those that need it."""
        while page := list(islice(rows, _PAGE)):
            holders = self._holders(page, needs_persons=needs_persons)
            for each in page:
                if each.event is not None:
                    yield each, decode_object(each.body), holders.get(each.event.distinct_id)

    def _holders(self, page: Iterable[Input], *, needs_persons: bool) -> dict[str, Person]:
        ids = {
            each.event.distinct_id
            for each in page
            if each.event is not None and (needs_persons or each.status is Status.PERSONLESS)
        }
        return find_holders(self._statements, self._project, ids, {})

    def _shown(self, each: Input, sent: JsonObject, holder: Person | None) -> JsonObject:
        event = each.event
        assert event is not None  # noqa: S101 - commands were left out
        now: bytes | None = each.person
        while now is not None and now in self._survivor_of:
            now = self._survivor_of[now]
        if each.status is Status.PERSONLESS and holder is not None:
            now = holder.person_id
        return {
            "position": each.position,
            "uuid": uuid_text(each.uuid),
            "event": event.name,
            "distinct_id": event.distinct_id,
            "timestamp": format_time(event.time),
            "received_at": format_time(each.received_at),
            "arrived_at": format_time(each.arrived_at),
            "status": each.status.text,
            "person_id": None if now is None else uuid_text(now),
            "stamped_person_id": None if each.person is None else uuid_text(each.person),
            "properties": sent.get("properties") or {},
            "input": sent,
        }
