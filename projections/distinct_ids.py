"""``distinct_ids``: which person holds a distinct ID now. The lookup that every decision reads."""

from collections.abc import Collection
from typing import ClassVar

import sqlalchemy as sa

from ..domain.events import moved_ids
from ..domain.person import Person
from ..domain.person_state import decode_state
from ..domain.ports import Statements
from ..domain.recorded import Recorded
from ..domain.uuids import PersonId
from .columns import Text, Uuid, project_column

metadata = sa.MetaData()

distinct_ids = sa.Table(
    "distinct_ids",
    metadata,
    project_column(),
    sa.Column("distinct_id", Text, primary_key=True, comment="as senders send it"),
    sa.Column("person", Uuid, nullable=False, comment="who holds it"),
    sqlite_with_rowid=False,
    comment="Who holds a distinct ID now. The lookup of every decision.",
)


class DistinctIds:
    """One row for each distinct ID: a primary key is the last guard against two holders."""

    name: ClassVar[str] = "distinct_ids"
    version: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ("distinct_ids",)

    def apply(self, statements: Statements, recorded: Recorded) -> None:
        """Take each ID to the last person that got it."""
        holders: dict[str, bytes] = {}
        for entry in recorded.moves():
            for moved in moved_ids(entry.event):
                holders[moved] = entry.stream
        project = recorded.project
        statements.upsert(
            "distinct_ids", [(project, held, person) for held, person in sorted(holders.items())]
        )


def find_holders(
    statements: Statements,
    project: int,
    wanted: Collection[str],
    persons: dict[PersonId, Person],
) -> dict[str, Person]:
    """Give the persons that hold ``wanted`` IDs: one query for the IDs, one for the persons.

    ``persons`` are known already; those that had to be loaded are added to it.
    """
    held = statements.lookup(
        "distinct_ids", project, ["distinct_id"], ["distinct_id", "person"], [(i,) for i in wanted]
    )
    unknown = [(person,) for person in {person for _, person in held} - persons.keys()]
    for person_id, version, state in statements.lookup(
        "persons", project, ["person"], ["person", "version", "state"], unknown
    ):
        persons[person_id] = decode_state(PersonId(person_id), version, state)
    return {distinct_id: persons[person] for distinct_id, person in held}


def holder_of(connection: sa.Connection, project: int, distinct_id: str) -> PersonId | None:
    """Give the person that holds one ID."""
    held = connection.execute(
        sa.select(distinct_ids.c.person).where(
            distinct_ids.c.project == project, distinct_ids.c.distinct_id == distinct_id
        )
    ).scalar()
    return None if held is None else PersonId(held)
