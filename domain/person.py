"""The Person aggregate: who we believe one human is, as a fold of domain events."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from .events import (
    DistinctIdAdded,
    DomainEvent,
    MergedInto,
    PersonAbsorbed,
    PersonCreated,
    PersonIdentified,
    PropertiesSet,
)
from .json_values import JsonObject
from .uuids import PersonId


class Person(msgspec.Struct):
    """A person's state after its first ``version`` domain events.

    ``distinct_ids`` stand in the order they were added; ``merged_into`` is the survivor when
    the person was absorbed, and its own properties stay as they were then.
    """

    person_id: PersonId
    version: int = 0
    created_at: int = 0
    is_identified: bool = False
    distinct_ids: list[str] = []
    properties: JsonObject = {}
    merged_into: str | None = None

    @property
    def id(self) -> UUID:
        """The person id as the ``eventsourcing`` library wants it."""
        return UUID(bytes=self.person_id)


def evolve(person: Person, event: DomainEvent) -> None:
    """Fold the next domain event of the person's stream into its state.

    It never fails and never validates: what has happened has happened.
    """
    handler = _HANDLERS.get(type(event))
    if handler is not None:
        handler(person, event)
    person.version += 1


def _on_person_created(person: Person, event: PersonCreated) -> None:
    person.created_at = event.created_at


def _on_distinct_id_added(person: Person, event: DistinctIdAdded) -> None:
    person.distinct_ids.append(event.distinct_id)


def _on_person_identified(person: Person, _event: PersonIdentified) -> None:
    person.is_identified = True


def _on_properties_set(person: Person, event: PropertiesSet) -> None:
    person.properties.update(event.new)
    for key in event.unset:
        person.properties.pop(key, None)


def _on_person_absorbed(person: Person, event: PersonAbsorbed) -> None:
    person.distinct_ids.extend(event.distinct_ids)
    person.properties.update(event.taken)
    person.created_at = event.created_at


def _on_merged_into(person: Person, event: MergedInto) -> None:
    person.distinct_ids.clear()
    person.merged_into = event.survivor


_HANDLERS: dict[type[DomainEvent], Callable[[Person, Any], None]] = {
    PersonCreated: _on_person_created,
    DistinctIdAdded: _on_distinct_id_added,
    PersonIdentified: _on_person_identified,
    PropertiesSet: _on_properties_set,
    PersonAbsorbed: _on_person_absorbed,
    MergedInto: _on_merged_into,
}
