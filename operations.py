"""Operating lookup tables: rebuild them from the log, prove them equal to it, digest, replay.

Every operation folds the log through the one :class:`~personlog.domain.fold.Fold` and the
projections' own ``apply``; a proof does so into temporary tables and compares all rows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa

from .adapters.event_log import read_log
from .adapters.heads import Head
from .adapters.input_log import read_in_order_of_processing, stamp_inputs
from .adapters.schema import metadata, tables_of
from .adapters.statements import statements_on
from .domain.digest import Digest, person_line
from .domain.errors import BrokenLog
from .domain.fold import Fold
from .domain.inputs import Input
from .domain.json_values import JsonObject
from .domain.person import Person
from .domain.person_state import encode_state
from .domain.ports import Projection
from .domain.recorded import Recorded
from .domain.stamping import Stamp, fold_stamps
from .domain.uuids import uuid_text
from .projections import registry
from .projections.persons import all_persons

STAMPS = "stamps"
STAMPS_VERSION = 1
"""The projection whose rows are columns of the inputs: status and person."""

OnProgress = Callable[[int, int], None]
"""Told how many domain events of how many have been folded."""

TABLES = tables_of(metadata, *registry.METADATA)
_UUID_BYTES = 16


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
    """Compare tables with a fold of the log; give the first difference, None if there is none."""
    names = [name for projection in projections for name in projection.tables]
    with _shadow_tables(connection, names) as shadows:
        statements = statements_on(connection, shadows)
        try:
            for recorded in _folded(connection, Fold(head.id), head, on_progress):
                for projection in projections:
                    projection.apply(statements, recorded)
        except BrokenLog as error:
            return _broken(head, error)
        for projection in projections:
            for name in projection.tables:
                found = _first_difference(connection, head.id, TABLES[name], shadows[name])
                if found is not None:
                    return {"projection": projection.name, "project": head.name, **found}
    return None


def _folded(
    connection: sa.Connection, fold: Fold, head: Head, on_progress: OnProgress
) -> Iterator[Recorded]:
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


def verify_stamps(connection: sa.Connection, head: Head) -> JsonObject | None:
    """Compare the stamps with those that inputs and log tell; give the first difference."""
    inputs = 0
    for stored, stamp in _folded_stamps(connection, head):
        inputs += 1
        if (stored.status, stored.person) != (stamp.status, stamp.person):
            return {
                "projection": STAMPS,
                "project": head.name,
                "table": "inputs",
                "key": {"position": stamp.position},
                "stored": _shown_stamp(stored),
                "replayed": _shown_stamp(stamp),
            }
    if inputs != head.input_head:
        return {
            "what": "inputs",
            "project": head.name,
            "message": f"There are {inputs} inputs, and their head is {head.input_head}.",
        }
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
        return Replayed(fold.position, len(fold.persons), _broken(head, error))
    folded = len(fold.persons)
    for stored in all_persons(connection, head.id):
        replayed = fold.persons.pop(stored.person_id, None)
        if replayed is None or not same_person(stored, replayed):
            difference = _person_difference(head, stored, replayed)
            break
    if difference is None and fold.persons:
        difference = _person_difference(head, None, fold.persons[min(fold.persons)])
    return Replayed(fold.position, folded, difference)


def same_person(one: Person, other: Person) -> bool:
    """Tell whether two persons are the same in every field."""
    return encode_state(one) == encode_state(other) and one.version == other.version


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


@contextmanager
def _shadow_tables(
    connection: sa.Connection, names: Sequence[str]
) -> Iterator[dict[str, sa.Table]]:
    """Make an empty temporary twin of each table, gone when the block ends."""
    shadows: dict[str, sa.Table] = {}
    try:
        for name in names:
            table = TABLES[name]
            shadow = table.to_metadata(sa.MetaData(), name=f"{name}__replayed")
            connection.exec_driver_sql(
                f'CREATE TEMPORARY TABLE "{shadow.name}" AS SELECT * FROM "{name}" WHERE 1 = 0'  # noqa: S608
            )
            shadows[name] = shadow
            key = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
            connection.exec_driver_sql(
                f'CREATE UNIQUE INDEX "{shadow.name}_key" ON "{shadow.name}" ({key})'
                if connection.dialect.name != "sqlite"
                else f'CREATE UNIQUE INDEX temp."{shadow.name}_key" ON "{shadow.name}" ({key})'
            )
        yield shadows
    finally:
        for shadow in shadows.values():
            connection.exec_driver_sql(f'DROP TABLE "{shadow.name}"')


def _first_difference(
    connection: sa.Connection, project: int, table: sa.Table, shadow: sa.Table
) -> JsonObject | None:
    """Find the row with the smallest key that is not the same in both tables."""
    key = [str(column.name) for column in table.primary_key.columns]
    live = sa.select(*table.c).where(table.c.project == project)
    replayed = sa.select(*shadow.c)
    different: list[tuple[Any, ...]] = []
    for one, other in ((live, replayed), (replayed, live)):
        rows = sa.except_(one, other).subquery()
        row = connection.execute(
            sa.select(*(rows.c[name] for name in key))
            .order_by(*(rows.c[name] for name in key))
            .limit(1)
        ).first()
        if row is not None:
            different.append(tuple(row))
    if not different:
        return None
    values = min(different)
    return {
        "table": str(table.name),
        "key": {name: _shown(value) for name, value in zip(key, values, strict=True)},
        "stored": _row(connection, table, key, values),
        "replayed": _row(connection, shadow, key, values),
    }


def _row(
    connection: sa.Connection, table: sa.Table, key: Sequence[str], values: tuple[Any, ...]
) -> JsonObject | None:
    same = [table.c[name] == value for name, value in zip(key, values, strict=True)]
    row = connection.execute(sa.select(*table.c).where(*same)).first()
    if row is None:
        return None
    return {str(name): _shown(value) for name, value in row._mapping.items()}  # noqa: SLF001


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return uuid_text(value) if len(value) == _UUID_BYTES else value.decode(errors="replace")
    return value
