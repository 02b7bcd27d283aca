"""The decision: one captured event, the persons involved and the rules, to domain events.

Pure: whatever it needs to know is in its arguments, so the same inputs give the same log.
"""

import msgspec

from .captured_event import CapturedEvent
from .distinct_id import is_illegal
from .events import (
    Cause,
    DistinctIdAdded,
    DomainEvent,
    MergedInto,
    MergeRefused,
    PersonAbsorbed,
    PersonCreated,
    PersonIdentified,
    PropertiesSet,
)
from .json_values import JsonObject, same_value
from .person import Person
from .properties import ALWAYS_COUNTED_NAMES, NO_UPDATE_NAMES, changes, lift, only_volatile
from .rules import Rules
from .uuids import PersonId, derive_person_id, uuid_text


class Occasion(msgspec.Struct):
    """When and under which rules an input is processed; times in milliseconds since 1970.

    ``properties`` are the captured event's own ones; only lifting reads them.
    """

    project: str
    position: int
    arrived_at: int
    processed_at: int
    rules: Rules
    properties: JsonObject = {}


Decided = tuple[PersonId, DomainEvent]
"""A domain event, and before it the person whose stream it belongs to."""

_Header = tuple[int, Cause, int]
"""What all domain events say, in the order of their fields."""


def decide(
    event: CapturedEvent, own: Person | None, other: Person | None, occasion: Occasion
) -> list[Decided]:
    """Decide what a captured event means.

    ``own`` and ``other`` are the persons that hold its own and its other ID, if any. The events
    come in the order of the log: linking first, then the properties of the resulting person.
    """
    rules = occasion.rules
    if own is not None and event.plain and not rules.auto_person_properties:
        return []
    set_, set_once = event.set_, event.set_once
    if rules.auto_person_properties:
        set_, set_once = lift(event, occasion.properties)
    header = (occasion.processed_at, Cause(occasion.position, event.uuid_text), rules.version)
    decided, person_id, properties = _link(event, own, other, occasion, header)
    is_new = properties is None
    if event.name in NO_UPDATE_NAMES and not is_new:
        return decided
    found = changes(properties or {}, set_, set_once, event.unset)
    if found is None or (
        rules.ignore_volatile_properties
        and not is_new
        and event.name not in ALWAYS_COUNTED_NAMES
        and only_volatile(found)
    ):
        return decided
    new, old, unset = found
    decided.append((person_id, PropertiesSet(*header, new, old, unset)))
    return decided


def _link(
    event: CapturedEvent,
    own: Person | None,
    other: Person | None,
    occasion: Occasion,
    header: _Header,
) -> tuple[list[Decided], PersonId, JsonObject | None]:
    """Decide the linking alone: events, the person the event ends up with, its properties.

    The properties are None for a person that this event creates. The four cases of semantics 2.
    """
    if event.link is None:
        return _own_person(event, own, occasion, header)
    refusal = _illegal(event, header)
    if refusal is not None:
        decided, person_id, properties = _own_person(event, own, occasion, header)
        decided.append((person_id, refusal))
        return decided, person_id, properties
    if own is None and other is None:
        decided, person_id, properties = _own_person(event, own, occasion, header)
        decided.append(_id_added(person_id, event.other_id, header))
        decided.append(_identified(person_id, header))
        return decided, person_id, properties
    if own is not None and other is not None and own is not other:
        return _merge(event, own, other, header)
    decided = []
    if own is None and other is not None:
        decided.append(_id_added(other.person_id, event.distinct_id, header))
    elif other is None and own is not None:
        decided.append(_id_added(own.person_id, event.other_id, header))
    person = own or other
    assert person is not None  # noqa: S101 - the case of two unknown IDs was taken above
    if not person.is_identified:
        decided.append(_identified(person.person_id, header))
    return decided, person.person_id, person.properties


def _own_person(
    event: CapturedEvent, own: Person | None, occasion: Occasion, header: _Header
) -> tuple[list[Decided], PersonId, JsonObject | None]:
    """Take the own ID's person, creating it if need be, dated by the event (semantics 6.2)."""
    if own is not None:
        return [], own.person_id, own.properties
    person_id = derive_person_id(
        occasion.project, occasion.arrived_at, event.uuid, event.distinct_id
    )
    created = PersonCreated(*header, event.time)
    added = _id_added(person_id, event.distinct_id, header)
    return [(person_id, created), added], person_id, None


def _illegal(event: CapturedEvent, header: _Header) -> MergeRefused | None:
    """Refuse to link an ID that may never be linked, the own ID judged first (semantics 1.5)."""
    if is_illegal(event.distinct_id):
        illegal_id = event.distinct_id
    elif is_illegal(event.other_id):
        illegal_id = event.other_id
    else:
        return None
    return _refused(event, header, illegal_id=illegal_id, other_person=None)


def _merge(
    event: CapturedEvent, own: Person, other: Person, header: _Header
) -> tuple[list[Decided], PersonId, JsonObject]:
    """Merge the other person into the own one (semantics 3), or refuse it (semantics 4)."""
    own_id = own.person_id
    identified = [] if own.is_identified else [_identified(own_id, header)]
    if other.is_identified and event.link != "merge_dangerously":
        refused = _refused(event, header, illegal_id=None, other_person=other.person_id)
        return [(own_id, refused), *identified], own_id, own.properties
    taken = {key: value for key, value in other.properties.items() if key not in own.properties}
    lost = {
        key: value
        for key, value in other.properties.items()
        if key in own.properties and not same_value(value, own.properties[key])
    }
    absorbed = PersonAbsorbed(
        *header,
        absorbed=uuid_text(other.person_id),
        link=event.link or "identify",
        own_id=event.distinct_id,
        other_id=event.other_id,
        distinct_ids=list(other.distinct_ids),
        taken=taken,
        lost=lost,
        created_at=min(own.created_at, other.created_at),
    )
    merged_into = MergedInto(*header, survivor=uuid_text(own_id))
    decided = [(other.person_id, merged_into), (own_id, absorbed), *identified]
    return decided, own_id, {**own.properties, **taken}


def _refused(
    event: CapturedEvent, header: _Header, illegal_id: str | None, other_person: PersonId | None
) -> MergeRefused:
    return MergeRefused(
        *header,
        reason="already_identified" if illegal_id is None else "illegal_distinct_id",
        link=event.link or "identify",
        own_id=event.distinct_id,
        other_id=event.other_id,
        illegal_id=illegal_id,
        other_person=None if other_person is None else uuid_text(other_person),
    )


def _id_added(person_id: PersonId, distinct_id: str, header: _Header) -> Decided:
    return person_id, DistinctIdAdded(*header, distinct_id)


def _identified(person_id: PersonId, header: _Header) -> Decided:
    return person_id, PersonIdentified(*header)
