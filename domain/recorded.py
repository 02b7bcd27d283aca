"""What a projection is given: a stretch of the log, and the persons as they are after it."""

from collections.abc import Mapping, Sequence

from .events import DistinctIdAdded, DomainEvent, PersonAbsorbed, RecordedEvent
from .person import Person
from .uuids import PersonId


class Recorded:
    """Consecutive domain events of one project, with the state of every person they touch.

    The states come from the same :func:`~personlog.domain.person.evolve`, live or replayed.
    """

    def __init__(
        self, project: int, events: Sequence[RecordedEvent], persons: Mapping[PersonId, Person]
    ) -> None:
        self.project = project
        self.events = events
        self.persons = persons
        self._by_type: dict[type[DomainEvent], list[RecordedEvent]] = {}
        for entry in events:
            kind = type(entry.event)
            found = self._by_type.get(kind)
            if found is None:
                self._by_type[kind] = [entry]
            else:
                found.append(entry)

    def of(self, *kinds: type[DomainEvent]) -> list[RecordedEvent]:
        """Give the events of some types, in order of the log."""
        found = [self._by_type[kind] for kind in kinds if kind in self._by_type]
        if len(found) == 1:
            return found[0]
        return sorted((entry for each in found for entry in each), key=_position)

    def moves(self) -> list[RecordedEvent]:
        """Give the events that take distinct IDs to the person on whose stream they are."""
        return self.of(DistinctIdAdded, PersonAbsorbed)

    def count(self, kind: type[DomainEvent]) -> int:
        """Give how many events there are of a type."""
        return len(self._by_type.get(kind, ()))


def _position(entry: RecordedEvent) -> int:
    return entry.position
