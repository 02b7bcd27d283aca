"""Comparing an export's own grouping of distinct IDs into persons with ours."""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec
import sqlalchemy as sa

from .adapters.arrivals import Untranslatable
from .adapters.captured_json import Unreadable, decode_object
from .adapters.formats import posthog_export
from .adapters.heads import Head
from .adapters.sources import FileSource
from .adapters.statements import statements_on
from .domain.errors import PersonlogError
from .domain.event_time import read_times
from .domain.json_values import JsonObject
from .domain.uuids import uuid_text
from .operations import TABLES
from .projections.distinct_ids import find_holders

_PAGE = 5_000
_EXAMPLES = 10


class Grouping(msgspec.Struct):
    """Which of their persons hold a distinct ID, by the last row of an export that tells."""

    person_of: dict[str, str] = {}
    moments: dict[str, int] = {}

    def add(self, sent: JsonObject) -> None:
        """Take one row of events, a page of them, or one row of a persons export."""
        if "event" not in sent and "distinct_id" in sent:
            if sent.get("is_deleted") in (True, 1):
                return
            rows = [sent]
        else:
            rows = [each.sent for each in posthog_export.translate(sent)]
        for row in rows:
            person = posthog_export.expected_person(row)
            distinct_id = row.get("distinct_id")
            if person is None or not isinstance(distinct_id, str) or not distinct_id:
                continue
            times = read_times(row, None)
            moment = times.arrival or 0
            if moment >= self.moments.get(distinct_id, 0):
                self.moments[distinct_id] = moment
                self.person_of[distinct_id] = person


def read_grouping(sources: Sequence[FileSource]) -> Grouping:
    """Read exports of events or of persons; rows that tell no person say nothing.

    Raises :class:`PersonlogError` if none does.
    """
    found = Grouping()
    for source in sources:
        with source.open() as opened:
            for line in opened.lines():
                try:
                    found.add(decode_object(line.raw))
                except (Unreadable, Untranslatable):
                    continue
    if not found.person_of:
        names = ", ".join(source.name for source in sources)
        raise PersonlogError(f"{names} names no persons: there is nothing to compare.")
    return found


def compare(connection: sa.Connection, head: Head, theirs: Grouping) -> JsonObject:
    """Compare with the persons there are now.

    ``joined`` are our persons that hold IDs of several of theirs, ``split`` their persons whose
    IDs several of ours hold, each with a few examples. IDs that we never saw are ``unknown``.
    """
    ours = dict(_holders(connection, head, theirs))
    known = {each: person for each, person in theirs.person_of.items() if each in ours}
    our_groups, their_groups = _groups(ours), _groups(known)
    joined = {
        person: sorted({known[each] for each in ids})
        for person, ids in our_groups.items()
        if len({known[each] for each in ids}) > 1
    }
    split = {
        person: sorted({ours[each] for each in ids})
        for person, ids in their_groups.items()
        if len({ours[each] for each in ids}) > 1
    }
    return {
        "equal": not joined and not split and len(known) == len(theirs.person_of),
        "distinct_ids": len(theirs.person_of),
        "unknown": len(theirs.person_of) - len(known),
        "their_persons": len(their_groups),
        "our_persons": len(our_groups),
        "joined": len(joined),
        "split": len(split),
        "examples": {
            "joined": _examples(joined, our_groups, "theirs"),
            "split": _examples(split, their_groups, "ours"),
        },
    }


def _holders(connection: sa.Connection, head: Head, theirs: Grouping) -> Iterator[tuple[str, str]]:
    statements = statements_on(connection, TABLES)
    wanted = iter(theirs.person_of)
    while page := list(islice(wanted, _PAGE)):
        for distinct_id, person in find_holders(statements, head.id, page, {}).items():
            yield distinct_id, uuid_text(person.person_id)


def _groups(person_of: dict[str, str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for distinct_id, person in person_of.items():
        found.setdefault(person, []).append(distinct_id)
    return found


def _examples(
    differing: dict[str, list[str]], groups: dict[str, list[str]], others: str
) -> list[JsonObject]:
    return [
        {
            "person": person,
            others: differing[person][:_EXAMPLES],
            "distinct_ids": sorted(groups[person])[:_EXAMPLES],
        }
        for person in sorted(differing)[:_EXAMPLES]
    ]
