"""What projections and adapters expect of each other; neither imports the other."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, ClassVar, Protocol

from .person import Person
from .recorded import Recorded
from .uuids import PersonId

Row = tuple[Any, ...]


class Statements(Protocol):
    """Set-based reading and writing of named tables, inside the caller's transaction.

    Rows are tuples in the order of the table's columns unless columns are named.
    """

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that are not there yet."""

    def upsert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows, or replace those with the same primary key."""

    def update(
        self,
        table: str,
        key: Sequence[str],
        change: Sequence[str],
        rows: Sequence[Row],
        *,
        where_null: str | None = None,
    ) -> None:
        """Set the ``change`` columns of the rows whose ``key`` columns match.

        Each row holds the key's values, then the new ones. Rows whose column ``where_null`` is
        filled are left alone.
        """

    def lookup(
        self,
        table: str,
        project: int,
        key: Sequence[str],
        columns: Sequence[str],
        keys: Iterable[Row],
    ) -> list[Row]:
        """Select ``columns`` of a project's rows whose ``key`` columns are among ``keys``."""


class Projection(Protocol):
    """A lookup table, or several, that are a fold of the domain log.

    ``version`` is raised when the fold or its tables change; ``tables`` names them.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    tables: ClassVar[tuple[str, ...]]

    def apply(self, statements: Statements, recorded: Recorded) -> None:
        """Fold the next stretch of the log: inline, catching up and rebuilding alike."""


class FindHolders(Protocol):
    """Finds the persons that hold distinct IDs, one object for each person."""

    def __call__(
        self,
        statements: Statements,
        project: int,
        wanted: Collection[str],
        persons: dict[PersonId, Person],
    ) -> dict[str, Person]:
        """Give the holders of those IDs that have one.

        ``persons`` are known already; those that had to be loaded are added to it.
        """
