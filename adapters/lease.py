"""A lease per project on PostgreSQL: one writer at a time, so that no work is done in vain.

It is a session's advisory lock on the writing connection itself; a transaction pooler would
break it. Correctness does not depend on it: the compare-and-set of the heads does.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b

import sqlalchemy as sa


class Lease:
    """The projects that this connection may write.

    ``on_wait`` is told the project's name when another writer has it.
    """

    def __init__(self, connection: sa.Connection, on_wait: Callable[[str], None]) -> None:
        self._connection = connection
        self._on_wait = on_wait
        self._held: set[str] = set()

    def hold(self, names: Iterable[str]) -> None:
        """Wait until this connection has the lease of every project named."""
        missing = sorted(set(names) - self._held)
        if not missing:
            return
        for name in missing:
            if not self._call("pg_try_advisory_lock", name):
                break
            self._held.add(name)
        else:
            return
        # Never wait while holding: two writers that want each other's projects would wait forever.
        wanted = sorted(self._held | set(missing))
        self.release()
        self._on_wait(name)
        for name in wanted:
            self._call("pg_advisory_lock", name)
            self._held.add(name)

    def release(self) -> None:
        """Give every lease back; those of a lost connection went with it."""
        held, self._held = sorted(self._held), set()
        if not self._connection.invalidated:
            for name in held:
                self._call("pg_advisory_unlock", name)

    def _call(self, function: str, name: str) -> object:
        with self._connection.begin():
            lock = getattr(sa.func, function)(lease_key(name))
            return self._connection.execute(sa.select(lock)).scalar()


def lease_key(name: str) -> int:
    """Give the number of a project's advisory lock."""
    digest = blake2b(name.encode(), digest_size=8, person=b"personlog lease").digest()
    return int.from_bytes(digest, "big", signed=True)
