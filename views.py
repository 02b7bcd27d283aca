"""What the Python API gives: typed and frozen, field for field what the commands print as JSON.

Moments are aware :class:`~datetime.datetime` in UTC; person ids and uuids are texts.
"""

from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec

from .domain.json_values import JsonObject

T = TypeVar("T")


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person as it is now. ``version`` counts its domain events.

    ``merged_into`` is the survivor's id if the person was absorbed; it holds no distinct IDs
    then.
    """

    person_id: str
    distinct_ids: list[str]
    properties: JsonObject
    is_identified: bool
    created_at: datetime
    version: int
    merged_into: str | None = None


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What a domain event was decided for: the captured event ``uuid``, or a ``command``.

    ``position`` is that of the input.
    """

    position: int
    uuid: str | None = None
    command: str | None = None


class RuleSet(msgspec.Struct, frozen=True, kw_only=True):
    """The rule set that decided."""

    name: str
    version: int


class DomainEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One domain event: its place in the log, its cause, and the ``fields`` of its type."""

    position: int
    person_id: str
    version: int
    type: str
    recorded_at: datetime
    cause: Cause
    rules: RuleSet
    fields: JsonObject


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """One merge or refusal.

    The reason of a merge is the kind of link that made it, that of a refusal the rule.
    ``position`` is that in the log, ``uuid`` that of the captured event.
    """

    position: int
    outcome: Literal["merged", "refused"]
    reason: str
    own_id: str
    other_id: str
    survivor: str | None
    absorbed: str | None
    uuid: str | None
    at: datetime
    rules: RuleSet


class IngestionWarning(msgspec.Struct, frozen=True, kw_only=True):
    """What a sender should be told about the captured event at ``position``."""

    type: str
    details: JsonObject
    event_uuid: str | None
    position: int
    received_at: datetime


class CapturedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One captured event, with the person it belongs to now and the one it was stamped with.

    ``timestamp`` is the resolved time, ``input`` the line as it was sent.
    """

    position: int
    uuid: str
    event: str
    distinct_id: str
    timestamp: datetime
    received_at: datetime
    arrived_at: datetime
    status: Literal["attributed", "held", "personless", "dropped"]
    person_id: str | None
    stamped_person_id: str | None
    properties: JsonObject
    input: JsonObject


class HeldEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A captured event that is being held until ``due_at``."""

    position: int
    uuid: str
    distinct_id: str
    due_at: datetime


class BufferStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How many captured events are held, and until when by the project's clock."""

    held: int
    first_due: datetime | None
    last_due: datetime | None
    clock: datetime | None
    buffer_seconds: int


class RejectedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that is not a captured event; ``raw`` is at most its first mebibyte."""

    source: str
    line: int
    reason: str
    raw: str
    received_at: datetime | None


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did, in counts; ``notes`` are sentences for a person to read."""

    read: int
    stored: int
    duplicates: int
    rejected: int
    dropped: int
    held: int
    persons_created: int
    merges: int
    refusals: int
    warnings: int
    seconds: float
    notes: list[str]


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project: its token, and how far it has come."""

    name: str
    token: str | None
    inputs: int
    domain_events: int
    clock: datetime | None


class ProjectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a projection has come: its ``position`` in a log that ends at ``head``."""

    name: str
    version: int
    mode: str
    position: int
    head: int
    lag: int
    state: str
    last_error: str | None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether tables equal a fold of the log; if not, where they differ first."""

    equal: bool
    first_difference: JsonObject | None

    def __bool__(self) -> bool:
        return self.equal


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """Two SHA-256 sums: of all persons, and of the whole log."""

    state: str
    log: str


_EVENT_FIELDS = frozenset(DomainEvent.__struct_fields__)


def view(found: Any, kind: type[T]) -> T:
    """Read what a query gave, of which no field is unknown, as a view."""
    return msgspec.convert(found, kind)


def domain_event(found: JsonObject) -> DomainEvent:
    """Read a domain event: what only its type has goes to ``fields``."""
    own = {name: value for name, value in found.items() if name not in _EVENT_FIELDS}
    shared = {name: value for name, value in found.items() if name in _EVENT_FIELDS}
    return view({**shared, "fields": own}, DomainEvent)
