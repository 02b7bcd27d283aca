"""The fold: domain events, in order of the log, to persons. For replay, rebuild and proof."""

from collections.abc import Iterable

from .errors import BrokenLog
from .events import RecordedEvent
from .person import Person, evolve
from .recorded import Recorded
from .uuids import PersonId, uuid_text

_PERSON_TOPIC = "person."


class Fold:
    """Persons of one project as its log tells them; pages of the log go in, in order."""

    def __init__(self, project: int) -> None:
        self.project = project
        self.position = 0
        self.persons: dict[PersonId, Person] = {}

    def add(self, page: Iterable[RecordedEvent]) -> Recorded:
        """Fold the next page and give it with the state of the persons it touches.

        Raises :class:`BrokenLog` where the log has a gap: positions and versions have none.
        """
        events = list(page)
        touched: dict[PersonId, Person] = {}
        for recorded in events:
            if recorded.position != self.position + 1:
                raise BrokenLog(
                    f"The log jumps from position {self.position} to {recorded.position}."
                )
            self.position = recorded.position
            if recorded.event.TOPIC.startswith(_PERSON_TOPIC):
                person_id = PersonId(recorded.stream)
                person = self.persons.get(person_id)
                if person is None:
                    person = self.persons[person_id] = Person(person_id)
                evolve(person, recorded.event)
                if person.version != recorded.version:
                    raise BrokenLog(
                        f"Person {uuid_text(person_id)} jumps to version {recorded.version}"
                        f" at position {recorded.position}; version {person.version} is missing."
                    )
                touched[person_id] = person
        return Recorded(self.project, events, touched)
