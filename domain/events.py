"""The domain events: every decision personlog takes, as it is stored.

Topics are stable names and part of the stored data. An event class that changes its fields
raises ``class_version`` and adds a static method ``upcast_vN_vM(state)``, as the
``eventsourcing`` library does it. Personal values stand only in the fields ``distinct_id``,
``own_id``, ``other_id``, ``illegal_id``, ``distinct_ids``, ``old``, ``new``, ``unset``,
``taken``, ``lost`` and ``details``.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import msgspec

from .captured_event import LinkKind
from .json_values import JsonObject

RESERVED_TOPICS = ("person.", "input.", "project.")
"""How the topics of our own domain events begin, those of later versions included."""

RefusalReason = Literal["already_identified", "illegal_distinct_id"]


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an event was decided for: a captured event (``uuid``) or an operator's ``command``."""

    position: int
    uuid: str | None = None
    command: str | None = None


class DomainEvent(msgspec.Struct, frozen=True):
    """What all domain events say.

    ``recorded_at`` is the moment of processing in milliseconds since 1970 (never wall time),
    ``rules`` the version of the rule set that decided.
    """

    TOPIC: ClassVar[str]
    class_version: ClassVar[int] = 1

    recorded_at: int
    cause: Cause
    rules: int


class PersonCreated(DomainEvent, frozen=True):
    """A person came into being; ``created_at`` is the time of the creating event."""

    TOPIC: ClassVar[str] = "person.created"

    created_at: int


class DistinctIdAdded(DomainEvent, frozen=True):
    """A distinct ID that nobody held now belongs to this person."""

    TOPIC: ClassVar[str] = "person.distinct_id_added"

    distinct_id: str


class PersonIdentified(DomainEvent, frozen=True):
    """A link of two different legal IDs made the person identified, for good."""

    TOPIC: ClassVar[str] = "person.identified"


class PropertiesSet(DomainEvent, frozen=True):
    """Properties changed: ``new`` values, ``old`` ones where there were any, keys ``unset``."""

    TOPIC: ClassVar[str] = "person.properties_set"

    new: JsonObject
    old: JsonObject
    unset: list[str]


class MergeRefused(DomainEvent, frozen=True):
    """A link that the rules forbid; on the stream of the own person.

    ``other_person`` is for readers: no decision reads it.
    """

    TOPIC: ClassVar[str] = "person.merge_refused"

    reason: RefusalReason
    link: LinkKind
    own_id: str
    other_id: str
    illegal_id: str | None = None
    other_person: str | None = None


class PersonAbsorbed(DomainEvent, frozen=True):
    """This person, the survivor, took another one's IDs and those properties it had none of.

    ``lost`` holds the absorbed person's values that the survivor's won over.
    """

    TOPIC: ClassVar[str] = "person.absorbed"

    absorbed: str
    link: LinkKind
    own_id: str
    other_id: str
    distinct_ids: list[str]
    taken: JsonObject
    lost: JsonObject
    created_at: int


class MergedInto(DomainEvent, frozen=True):
    """This person's IDs went to ``survivor``; stored before its :class:`PersonAbsorbed`."""

    TOPIC: ClassVar[str] = "person.merged_into"

    survivor: str


class IngestionWarningRaised(DomainEvent, frozen=True):
    """A warning that concerns an input rather than a person; on a stream of the input's own."""

    TOPIC: ClassVar[str] = "input.warning_raised"

    type: str
    details: JsonObject


class RulesSet(DomainEvent, frozen=True):
    """A command changed the rules; ``rule_set`` is the whole set in force from here on."""

    TOPIC: ClassVar[str] = "project.rules_set"

    rule_set: dict[str, Any]


class ForeignEvent(DomainEvent, frozen=True):
    """What an application stored in the same log under a topic of its own; nothing here reads it.

    The log counts its position, no person its version.
    """

    TOPIC: ClassVar[str] = "foreign"

    topic: str
    state: bytes


PersonEvent = (
    PersonCreated
    | DistinctIdAdded
    | PersonIdentified
    | PropertiesSet
    | MergeRefused
    | PersonAbsorbed
    | MergedInto
)

EVENT_TYPES: tuple[type[DomainEvent], ...] = (
    PersonCreated,
    DistinctIdAdded,
    PersonIdentified,
    PropertiesSet,
    MergeRefused,
    PersonAbsorbed,
    MergedInto,
    IngestionWarningRaised,
    RulesSet,
)


def moved_ids(event: DomainEvent) -> Sequence[str]:
    """Give the distinct IDs that an event takes to the person on whose stream it is."""
    if isinstance(event, DistinctIdAdded):
        return (event.distinct_id,)
    return event.distinct_ids if isinstance(event, PersonAbsorbed) else ()


class RecordedEvent(msgspec.Struct, frozen=True):
    """A domain event at its place: in the project's log and in its stream."""

    position: int
    stream: bytes
    version: int
    event: DomainEvent
