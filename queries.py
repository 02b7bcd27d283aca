"""What is stored, as other programs read it: one JSON object for each thing.

Times are ISO 8601 in UTC. Every function reads inside the caller's snapshot.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
import sqlalchemy as sa

from .adapters.event_buffer import SqlEventBuffer
from .adapters.event_log import read_streams
from .adapters.heads import Head
from .adapters.input_log import arrivals_of
from .adapters.rejected import select_rejected
from .captured_queries import CapturedQueries
from .domain.distinct_id import normalise
from .domain.errors import UnknownPerson
from .domain.events import PersonAbsorbed, RecordedEvent
from .domain.json_values import JsonObject
from .domain.person import Person
from .domain.rules import Rules
from .domain.times import format_time
from .domain.uuids import PersonId, parse_uuid, uuid_text
from .person_search import PersonSearch
from .projections.distinct_ids import holder_of
from .projections.ingestion_warnings import select_warnings
from .projections.merges import select_merges
from .projections.persons import all_persons, one_person, persons_ending
from .projections.rule_sets import all_rules, rules_in_force

_PAGE = 2_000
_PERSON_PREFIX = "person:"
_SHORT_ID = re.compile("[0-9a-f]{12}")


class Queries:
    """Reads one project."""

    def __init__(self, connection: sa.Connection, head: Head) -> None:
        self._connection = connection
        self._head = head
        self._project = head.id

    def find_person(self, wanted: str) -> Person:
        """Find a person by a distinct ID, else by a person id; ``person:UUID`` means the latter.

        The last 12 digits do for a person id if they are no other's.

        Raises :class:`UnknownPerson`.
        """
        wanted = normalise(wanted)
        uuid = parse_uuid(wanted.removeprefix(_PERSON_PREFIX))
        person_id = None if uuid is None else PersonId(uuid)
        if uuid is None or not wanted.startswith(_PERSON_PREFIX):
            person_id = holder_of(self._connection, self._project, wanted) or person_id
        found = person_id and one_person(self._connection, self._project, person_id)
        if not found:
            found = self._by_short_id(wanted)
        if not found:
            raise UnknownPerson(
                f"Nobody in project {self._head.name!r} has the ID {wanted!r}; it may be held"
                " ('personlog buffer list') or be another project's ('personlog project list')."
            )
        return found

    def _by_short_id(self, wanted: str) -> Person | None:
        """Find the one person whose id ends in these 12 digits, as tables show them."""
        tail = wanted.removeprefix(_PERSON_PREFIX)
        if not _SHORT_ID.fullmatch(tail):
            return None
        found = persons_ending(self._connection, self._project, bytes.fromhex(tail))
        if len(found) > 1:
            several = ", ".join(uuid_text(person.person_id) for person in found)
            raise UnknownPerson(f"The ids of several persons end in {tail}: {several}.")
        return found[0] if found else None

    def person(self, wanted: str) -> JsonObject:
        """Give one person with its version, and whom it was merged into if it was."""
        return self.versioned(self.find_person(wanted))

    @staticmethod
    def versioned(person: Person) -> JsonObject:
        """Give a person with its version, and whom it was merged into if it was."""
        found = {**person_json(person), "version": person.version}
        if person.merged_into is not None:
            found["merged_into"] = person.merged_into
        return found

    def find_persons(self, search: PersonSearch) -> Iterator[Person]:
        """Find persons, absorbed ones left out."""
        persons = all_persons(self._connection, self._project)
        return search.among(person for person in persons if person.merged_into is None)

    def persons(self, search: PersonSearch = PersonSearch()) -> Iterator[JsonObject]:  # noqa: B008
        """Give persons, absorbed ones left out: those searched for, or all by their ids."""
        return map(person_json, self.find_persons(search))

    def resolve(self, distinct_id: str) -> str | None:
        """Give the id of the person that holds a distinct ID now; None if nobody does."""
        person = holder_of(self._connection, self._project, normalise(distinct_id))
        return None if person is None else uuid_text(person)

    def streams(self, person: Person) -> list[RecordedEvent]:
        """Give the domain events of a person and of all it absorbed, by position."""
        seen: set[bytes] = set()
        found: list[RecordedEvent] = []
        new: set[bytes] = {person.person_id}
        while new:
            events = read_streams(self._connection, self._project, sorted(new))
            seen |= new
            found += events
            absorbed = {
                parse_uuid(each.event.absorbed) or b""
                for each in events
                if isinstance(each.event, PersonAbsorbed)
            }
            new = absorbed - seen
        return sorted(found, key=lambda each: each.position)

    def history(self, wanted: str) -> Iterator[JsonObject]:
        """Give a person's domain events by position, those of the persons it absorbed included."""
        rules = all_rules(self._connection, self._project)
        for recorded in self.streams(self.find_person(wanted)):
            yield _event_json(recorded, rules)

    def merges(self, *, refused_only: bool = False) -> Iterator[JsonObject]:
        """Give every merge and refusal, or the refusals alone, by log position."""
        rules = all_rules(self._connection, self._project)
        for row in select_merges(self._connection, self._project, refused_only=refused_only):
            yield {
                "position": row.position,
                "outcome": row.outcome,
                "reason": row.reason,
                "own_id": row.own_id,
                "other_id": row.other_id,
                "survivor": None if row.survivor is None else uuid_text(row.survivor),
                "absorbed": None if row.absorbed is None else uuid_text(row.absorbed),
                "uuid": row.uuid,
                "at": format_time(row.at),
                "rules": _rules_json(rules, row.rules),
            }

    def warnings(self) -> Iterator[JsonObject]:
        """Give every ingestion warning, by position of its input."""
        rows = select_warnings(self._connection, self._project)
        while page := list(islice(rows, _PAGE)):
            positions = sorted({row.position for row in page})
            received = arrivals_of(self._connection, self._project, positions)
            for row in page:
                yield {
                    "type": row.type,
                    "details": row.details,
                    "event_uuid": row.event_uuid,
                    "position": row.position,
                    "received_at": format_time(received[row.position]),
                }

    def held(self) -> Iterator[JsonObject]:
        """Give the events being held, by due time."""
        for held in SqlEventBuffer(self._connection, self._project).held():
            yield {
                "position": held.position,
                "uuid": uuid_text(held.uuid),
                "distinct_id": held.distinct_id,
                "due_at": format_time(held.due_at),
            }

    def buffer_status(self) -> JsonObject:
        """Give how many events are held, when the first and the last fall due, and the window."""
        buffer = SqlEventBuffer(self._connection, self._project)
        first, last = buffer.first_due(), buffer.last_due()
        return {
            "held": buffer.count(),
            "first_due": None if first is None else format_time(first),
            "last_due": None if last is None else format_time(last),
            "clock": format_time(self._head.clock) if self._head.clock else None,
            "buffer_seconds": rules_in_force(self._connection, self._project).buffer_seconds,
        }

    def rules(self) -> JsonObject:
        """Give the rules in force, as JSON."""
        return self.rules_in_force().model_dump(mode="json")

    def rules_in_force(self) -> Rules:
        """Give the rules in force."""
        return rules_in_force(self._connection, self._project)

    def events(self, *, exclude_internal: bool = False) -> Iterator[JsonObject]:
        """Give every captured event by position, tied to the person it belongs to now.

        ``exclude_internal`` leaves out those that the rules' internal-user filters do not let
        pass, judged by the persons' current properties.
        """
        captured = CapturedQueries(self._connection, self._head)
        return captured.all(exclude_internal=exclude_internal)

    def events_of(self, wanted: str) -> Iterator[JsonObject]:
        """Give the captured events of a person by position, those of its absorbed ones included.

        An ID that nobody holds yet may have events that are held, dropped or personless.
        """
        captured = CapturedQueries(self._connection, self._head)
        try:
            person = self.find_person(wanted)
        except UnknownPerson:
            found = list(captured.of((), {normalise(wanted)}))
            if not found:
                raise
            return iter(found)
        streams = {each.stream for each in self.streams(person)}
        return captured.of(streams, set(person.distinct_ids))


def rejected_json(connection: sa.Connection, project: str) -> Iterator[JsonObject]:
    """Give every rejected line of the project, and those that told no project."""
    for row in select_rejected(connection, project):
        yield {
            "source": row.source,
            "line": row.line,
            "reason": row.reason,
            "raw": row.raw.decode(errors="replace"),
            "received_at": None if row.received_at is None else format_time(row.received_at),
        }


def person_json(person: Person) -> JsonObject:
    """Give a person as ``export persons`` shows it."""
    return {
        "person_id": uuid_text(person.person_id),
        "distinct_ids": sorted(person.distinct_ids),
        "properties": person.properties,
        "is_identified": person.is_identified,
        "created_at": format_time(person.created_at),
    }


def _event_json(recorded: RecordedEvent, rules: dict[int, Rules]) -> JsonObject:
    event = recorded.event
    fields: dict[str, Any] = msgspec.to_builtins(event)
    fields.update(
        position=recorded.position,
        person_id=uuid_text(recorded.stream),
        version=recorded.version,
        type=event.TOPIC,
        recorded_at=format_time(event.recorded_at),
        rules=_rules_json(rules, event.rules),
    )
    if "created_at" in fields:
        fields["created_at"] = format_time(fields["created_at"])
    first = ("position", "person_id", "version", "type", "recorded_at", "cause", "rules")
    return {key: fields.pop(key) for key in first} | fields


def _rules_json(rules: dict[int, Rules], version: int) -> JsonObject:
    return {"name": rules[version].name, "version": version}
