"""The errors personlog raises on purpose: one tree, each message naming the thing and its value."""


class PersonlogError(Exception):
    """Base of every error a caller is expected to handle; the message is one sentence."""


class StoreError(PersonlogError):
    """The database is missing, locked, full, read-only, unreachable or of another schema."""


class ConcurrentWrite(PersonlogError):
    """Other writers moved a project's heads at every attempt to commit a unit of work."""


class BrokenLog(StoreError):
    """The log is not what an append-only one can be: a gap, or an event that is none."""


class UnknownProject(PersonlogError):
    """No project of this name exists in the database."""


class UnknownPerson(PersonlogError):
    """No person holds this distinct ID, and none has it as its person id."""


class UnknownProjection(PersonlogError):
    """No projection has this name."""


class InvalidRules(PersonlogError):
    """A rule has an unknown name or a value it cannot take."""


class UnreadableSource(PersonlogError):
    """A file of captured events cannot be opened, unpacked or read to its end."""


class RejectedLine(PersonlogError):
    """A line cannot be read as a captured event (raised only when the import is strict)."""
