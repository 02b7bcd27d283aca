"""Projection commands over projects: status, rebuild, verify, replay, digest."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from . import operations
from .adapters.database import Database
from .adapters.heads import Head, find_head, list_heads, read_heads
from .adapters.schema import record_versions, stored_versions
from .domain.errors import UnknownProject
from .domain.json_values import JsonObject
from .domain.ports import Projection
from .domain.project_names import DEFAULT_PROJECT
from .projections import registry


def _ignore(*_: object) -> None:
    """Take progress that nobody wants to see."""


def catalogue() -> list[JsonObject]:
    """Give each projection's name, version, mode and tables."""
    rows = [(each.name, each.version, each.tables) for each in registry.INLINE]
    rows.append((operations.STAMPS, operations.STAMPS_VERSION, ("inputs",)))
    return [
        {"name": name, "version": version, "mode": "inline", "tables": ", ".join(tables)}
        for name, version, tables in rows
    ]


class ProjectionOperations:
    """What an operator does with lookup tables; without a project, those of all projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def versions(self) -> list[JsonObject]:
        """Compare the versions that tables were made by with those of the code."""
        with self._database.read() as connection:
            stored = stored_versions(connection)
        return [
            {
                "name": each["name"],
                "version": each["version"],
                "stored_version": (made := stored.get(each["name"], each["version"])),
                "state": "current" if made == each["version"] else "outdated",
            }
            for each in catalogue()
        ]

    def status(self, project: str | None) -> list[JsonObject]:
        """Give each projection's place in the log; inline ones are never behind."""
        with self._database.read() as connection:
            head = find_project(connection, project)
        states = {each["name"]: each["state"] for each in self.versions()}
        return [
            {
                "name": each["name"],
                "version": each["version"],
                "mode": each["mode"],
                "position": head.log_head,
                "head": head.log_head,
                "lag": 0,
                "state": states[each["name"]],
                "last_error": None,
            }
            for each in catalogue()
        ]

    def rebuild(
        self,
        project: str | None,
        names: Sequence[str],
        on_progress: operations.OnProgress = _ignore,
    ) -> list[JsonObject]:
        """Fold logs into emptied tables: of one project or of all, by names or every projection."""
        chosen, with_stamps = _chosen(names)
        with paused_collector(), self._database.write() as connection:
            rebuilt = []
            names_of = [head.name for head in _heads(connection, project)]
            # The heads' locks keep writers out on PostgreSQL, as the beginning does on SQLite.
            locked = read_heads(connection, names_of, lock=not self._database.is_sqlite)
            for head in locked.values():
                events = operations.rebuild(connection, head, chosen, on_progress)
                if with_stamps:
                    operations.rebuild_stamps(connection, head)
                head.count_rebuild(connection)
                rebuilt.append(
                    {
                        "project": head.name,
                        "projections": _names(chosen, with_stamps),
                        "domain_events": events,
                    }
                )
            if project is None:  # every row was written anew
                record_versions(connection, {each.name: each.version for each in chosen})
            return rebuilt

    def verify(
        self,
        project: str | None,
        names: Sequence[str],
        on_progress: operations.OnProgress = _ignore,
    ) -> JsonObject:
        """Prove that tables equal a fold of the log; name the first difference if they do not."""
        chosen, with_stamps = _chosen(names)
        difference = None
        with paused_collector(), self._database.read() as connection:
            for head in _heads(connection, project):
                difference = operations.verify(connection, head, chosen, on_progress)
                if difference is None and with_stamps:
                    difference = operations.verify_inputs(connection, head)
                if difference is not None:
                    break
            if difference is None and project is None and not names:
                difference = operations.foreign_difference(connection)
        return {"equal": difference is None, "first_difference": difference}

    def replay(
        self, project: str | None, on_progress: operations.OnProgress = _ignore
    ) -> JsonObject:
        """Fold logs in memory and compare with the stored persons; write nothing."""
        difference = None
        with paused_collector(), self._database.read() as connection:
            for head in _heads(connection, project):
                found = operations.replay(connection, head, on_progress)
                difference = difference or found.first_difference
        return {"equal": difference is None, "first_difference": difference}


def find_project(connection: sa.Connection, name: str | None) -> Head:
    """Find a project; without a name the default one, else the only one there is.

    Where there is none at all, the default one is empty. Raises :class:`UnknownProject`.
    """
    wanted = DEFAULT_PROJECT if name is None else name
    found = find_head(connection, wanted)
    if found is not None:
        return found
    heads = list_heads(connection)
    if name is None and len(heads) == 1:
        return heads[0]
    if name is None and not heads:
        return Head(0, DEFAULT_PROJECT, 0, 0, 0, 0, 0, 0)
    known = ", ".join(repr(head.name) for head in heads[:10]) or "none, it is empty"
    if name is None:
        raise UnknownProject(
            f"This database has {len(heads)} projects, and none is called {DEFAULT_PROJECT!r};"
            f" choose one with --project: {known}."
        )
    raise UnknownProject(f"There is no project {wanted!r}; those of this database: {known}.")


def _heads(connection: sa.Connection, project: str | None) -> list[Head]:
    return list_heads(connection) if project is None else [find_project(connection, project)]


def _chosen(names: Sequence[str]) -> tuple[tuple[Projection, ...], bool]:
    """Split names into projections of the log and the stamps; no name means all of them."""
    of_log = tuple(name for name in names if name != operations.STAMPS)
    chosen = () if names and not of_log else registry.named(of_log, (operations.STAMPS,))
    return chosen, len(of_log) < len(names) or not names


def _names(chosen: Sequence[Projection], with_stamps: bool) -> list[str]:  # noqa: FBT001
    return [each.name for each in chosen] + [operations.STAMPS] * with_stamps


@contextmanager
def paused_collector() -> Iterator[None]:
    """Pause Python's cyclic garbage collector: in long folds it costs as much as the fold.

    What a fold leaves behind is freed by reference counting.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
