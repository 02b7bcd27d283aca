"""What a projection is given: a stretch of the log, and the persons as they are after it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .events import RecordedEvent
from .person import Person
from .uuids import PersonId


class Recorded(NamedTuple):
    """Consecutive domain events of one project, with the state of every person they touch.

    The states come from the same :func:`~personlog.domain.person.evolve`, live or replayed.
    """

    project: int
    events: Sequence[RecordedEvent]
    persons: Mapping[PersonId, Person]
