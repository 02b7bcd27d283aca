"""``persons``: every person's state and version. What is shown, and the snapshot decisions load."""

from collections.abc import Iterator
from typing import ClassVar

import sqlalchemy as sa

from ..domain.person import Person
from ..domain.person_state import decode_state, encode_state
from ..domain.ports import Statements
from ..domain.recorded import Recorded
from ..domain.uuids import PersonId
from .columns import Position, Uuid, project_column

metadata = sa.MetaData()

persons = sa.Table(
    "persons",
    metadata,
    project_column(),
    sa.Column("person", Uuid, primary_key=True, comment="person id"),
    sa.Column("version", Position, nullable=False, comment="domain events in its stream"),
    sa.Column(
        "state",
        sa.LargeBinary,
        nullable=False,
        comment="canonical JSON: distinct_ids, properties, is_identified, created_at, merged_into",
    ),
    sqlite_with_rowid=False,
    comment="Every person there ever was, with its state, which is also the snapshot.",
)

_PAGE = 500
_UUID_BYTES = 16


class Persons:
    """One row for each person that ever was; an absorbed one says whom it was merged into."""

    name: ClassVar[str] = "persons"
    version: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ("persons",)

    def apply(self, statements: Statements, recorded: Recorded) -> None:
        """Store the state of each person that the events touch."""
        statements.upsert(
            "persons",
            [
                (recorded.project, person_id, person.version, encode_state(person))
                for person_id, person in sorted(recorded.persons.items())
            ],
        )


def one_person(connection: sa.Connection, project: int, person_id: PersonId) -> Person | None:
    """Give one person, or None if there is none of this id."""
    row = connection.execute(
        sa.select(persons.c.version, persons.c.state).where(
            persons.c.project == project, persons.c.person == person_id
        )
    ).first()
    return None if row is None else decode_state(person_id, row.version, row.state)


def persons_ending(connection: sa.Connection, project: int, tail: bytes) -> list[Person]:
    """Give the persons whose ids end in these bytes; it looks through all of them."""
    rows = connection.execute(
        sa.select(persons.c.person, persons.c.version, persons.c.state)
        .where(
            persons.c.project == project,
            sa.func.substr(persons.c.person, _UUID_BYTES - len(tail) + 1) == tail,
        )
        .order_by(persons.c.person)
    )
    return [decode_state(PersonId(person_id), version, state) for person_id, version, state in rows]


def all_persons(connection: sa.Connection, project: int) -> Iterator[Person]:
    """Give every person in order of its id, absorbed ones too."""
    for person_id, version, state in stored_states(connection, project):
        yield decode_state(person_id, version, state)


def stored_states(connection: sa.Connection, project: int) -> Iterator[tuple[PersonId, int, bytes]]:
    """Give every person's id, version and state as stored, in order of the ids."""
    query = (
        sa.select(persons.c.person, persons.c.version, persons.c.state)
        .where(persons.c.project == project)
        .order_by(persons.c.person)
    )
    with connection.execute(query, execution_options={"yield_per": _PAGE}) as rows:
        for person_id, version, state in rows:
            yield PersonId(person_id), version, state
