"""Operating lookup tables: rebuild them from the log, prove them equal to it, digest, replay.

Every operation folds the log through the one :class:`~personlog.domain.fold.Fold` and the
projections' own ``apply``; a proof does so into temporary tables and compares all rows.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from .adapters.database import is_conflict
from .adapters.event_log import read_log
from .adapters.heads import Head
from .adapters.input_log import UnreadableInput, read_in_order_of_processing, stamp_inputs
from .adapters.invariants import broken_inputs, broken_key, check_streams, foreign_rows
from .adapters.schema import metadata, tables_of
from .adapters.shadow_tables import first_difference, shadow_tables
from .adapters.statements import statements_on
from .domain.digest import Digest, person_line
from .domain.errors import BrokenLog
from .domain.fold import Fold
from .domain.inputs import Input
from .domain.json_values import JsonObject
from .domain.person import Person
from .domain.person_state import decode_state
from .domain.ports import Projection, Statements
from .domain.recorded import Recorded
from .domain.stamping import Stamp, fold_stamps
from .domain.uuids import uuid_text
from .projections import registry
from .projections.persons import all_persons, stored_states

STAMPS = "stamps"
STAMPS_VERSION = 1
"""The projection whose rows are columns of the inputs: status and person."""

OnProgress = Callable[[int, int], None]
"""Told how many domain events of how many have been folded."""

TABLES = tables_of(metadata, *registry.METADATA)


def rebuild(
    connection: sa.Connection,
    head: Head,
    projections: Sequence[Projection],
    on_progress: OnProgress,
) -> int:
    """Fold a project's log into emptied tables; give the number of domain events folded.

    The caller's transaction holds the write lock, so readers see the tables before or after.
    """
    statements = statements_on(connection, TABLES)
    for projection in projections:
        for name in projection.tables:
            table = TABLES[name]
            connection.execute(sa.delete(table).where(table.c.project == head.id))
    fold = Fold(head.id)
    for recorded in _folded(connection, fold, head, on_progress):
        for projection in projections:
            projection.apply(statements, recorded)
    return fold.position


def rebuild_stamps(connection: sa.Connection, head: Head) -> None:
    """Fill in the status and person of every input anew."""
    wrong = [
        stamp
        for stored, stamp in _folded_stamps(connection, head)
        if (stored.status, stored.person) != (stamp.status, stamp.person)
    ]
    stamp_inputs(statements_on(connection, TABLES), head.id, wrong)


def verify(
    connection: sa.Connection,
    head: Head,
    projections: Sequence[Projection],
    on_progress: OnProgress,
) -> JsonObject | None:
    """Compare tables with a fold of the log; give the first difference, None if there is none.

    A log that cannot be folded is one.
    """
    names = [name for projection in projections for name in projection.tables]
    try:
        check_streams(connection, head)
        with (
            connection.begin_nested(),
            shadow_tables(connection, [TABLES[name] for name in names]) as shadows,
        ):
            statements = statements_on(connection, shadows)
            with closing(_folded(connection, Fold(head.id), head, on_progress)) as folded:
                for recorded in folded:
                    for projection in projections:
                        _apply(projection, statements, recorded)
            for projection in projections:
                for name in projection.tables:
                    found = first_difference(connection, head.id, TABLES[name], shadows[name])
                    if found is not None:
                        return {"projection": projection.name, "project": head.name, **found}
    except BrokenLog as error:
        return _broken(head, error)
    return None


def _apply(projection: Projection, statements: Statements, recorded: Recorded) -> None:
    """Fold a page; what a projection can make nothing of is a broken log."""
    try:
        projection.apply(statements, recorded)
    except Exception as error:
        if not is_conflict(error) and not isinstance(error, LookupError | TypeError | ValueError):
            raise
        first, last = recorded.events[0].position, recorded.events[-1].position
        raise BrokenLog(
            f"Projection {projection.name} cannot fold the domain events from position {first} to"
            f" {last}: {type(error).__name__}: {error}."
        ) from error


def _folded(
    connection: sa.Connection, fold: Fold, head: Head, on_progress: OnProgress
) -> Generator[Recorded, None, None]:
    """Fold the whole log; raise :class:`BrokenLog` where it is not whole."""
    for page in read_log(connection, head.id):
        yield fold.add(page)
        on_progress(fold.position, head.log_head)
    if fold.position != head.log_head:
        raise BrokenLog(
            f"The log ends at position {fold.position}, and its head is {head.log_head}."
        )


def _broken(head: Head, error: BrokenLog) -> JsonObject:
    return {"what": "log", "project": head.name, "message": str(error)}


def verify_inputs(connection: sa.Connection, head: Head) -> JsonObject | None:
    """Prove what inputs promise of themselves, and their stamps; give the first difference."""
    message = broken_inputs(connection, head)
    if message is not None:
        return {"what": "inputs", "project": head.name, "message": message}
    try:
        for stored, stamp in _folded_stamps(connection, head):
            message = broken_key(stored)
            if message is not None:
                return {"what": "inputs", "project": head.name, "message": message}
            if (stored.status, stored.person) != (stamp.status, stamp.person):
                return {
                    "projection": STAMPS,
                    "project": head.name,
                    "table": "inputs",
                    "key": {"position": stamp.position},
                    "stored": _shown_stamp(stored),
                    "replayed": _shown_stamp(stamp),
                }
    except BrokenLog as error:
        return _broken(head, error)
    except UnreadableInput as error:
        return {"what": "inputs", "project": head.name, "message": str(error)}
    return None


def foreign_difference(connection: sa.Connection) -> JsonObject | None:
    """Give the first table with rows of a project that does not exist, None if there is none."""
    for name, table in TABLES.items():
        found = foreign_rows(connection, table)
        if found is not None:
            message = f"It has rows of project number {found}, which does not exist."
            return {"what": name, "project": None, "message": message}
    return None


def _folded_stamps(connection: sa.Connection, head: Head) -> Iterator[tuple[Input, Stamp]]:
    log = (each for page in read_log(connection, head.id) for each in page)
    return fold_stamps(read_in_order_of_processing(connection, head.id), log, head.clock)


def _shown_stamp(stamp: Input | Stamp) -> JsonObject:
    person = None if stamp.person is None else uuid_text(stamp.person)
    return {"status": stamp.status.text, "person": person}


class Replayed(NamedTuple):
    """What a replay found: how much it folded, and the first difference, if there is one."""

    domain_events: int
    persons: int
    first_difference: JsonObject | None


def replay(connection: sa.Connection, head: Head, on_progress: OnProgress) -> Replayed:
    """Fold the log in memory and compare with the ``persons`` table, writing nothing."""
    fold = Fold(head.id)
    difference: JsonObject | None = None
    try:
        for _ in _folded(connection, fold, head, on_progress):
            pass
    except BrokenLog as error:
        return Replayed(fold.position, len(fold.person_ids()), _broken(head, error))
    missing = set(fold.person_ids())
    try:
        for person_id, version, state in stored_states(connection, head.id):
            missing.discard(person_id)
            if not fold.has(person_id, version, state):
                stored = decode_state(person_id, version, state)
                difference = _person_difference(head, stored, fold.person(person_id))
                break
    except msgspec.MsgspecError as error:
        message = f"The state of a person cannot be read: {error}."
        difference = {"what": "persons", "project": head.name, "message": message}
    if difference is None and missing:
        difference = _person_difference(head, None, fold.person(min(missing)))
    return Replayed(fold.position, len(fold.person_ids()), difference)


def _person_difference(head: Head, stored: Person | None, replayed: Person | None) -> JsonObject:
    shown = [None if each is None else person_line(each) for each in (stored, replayed)]
    return {
        "project": head.name,
        "table": "persons",
        "key": {"person": (shown[0] or shown[1] or {})["person_id"]},
        "stored": shown[0],
        "replayed": shown[1],
    }


def digest(connection: sa.Connection, head: Head) -> JsonObject:
    """Give the digests of a project's persons and of its log."""
    state, log = Digest(), Digest()
    for person in all_persons(connection, head.id):
        state.add_person(person)
    for page in read_log(connection, head.id):
        for recorded in page:
            log.add_event(recorded)
    return {"state": state.hexdigest(), "log": log.hexdigest()}
