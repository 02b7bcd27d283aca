"""The fold: domain events, in order of the log, to persons. For replay, rebuild and proof."""

from collections.abc import Collection, Iterable

from .errors import BrokenLog
from .events import RecordedEvent
from .person import Person, evolve
from .person_state import decode_state, encode_state
from .recorded import Recorded
from .uuids import PersonId, uuid_text

_PERSON_TOPIC = "person."
_VERSION_BYTES = 8


class Fold:
    """Persons of one project as its log tells them; pages of the log go in, in order.

    Between pages a person is kept as its stored state: that takes a third of the memory.
    """

    def __init__(self, project: int) -> None:
        self.project = project
        self.position = 0
        self._packed: dict[PersonId, bytes] = {}

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
                person = touched.get(person_id)
                if person is None:
                    person = touched[person_id] = self.person(person_id) or Person(person_id)
                evolve(person, recorded.event)
                if person.version != recorded.version:
                    raise BrokenLog(
                        f"Person {uuid_text(person_id)} jumps to version {recorded.version}"
                        f" at position {recorded.position}; version {person.version} is missing."
                    )
        for person_id, person in touched.items():
            version = person.version.to_bytes(_VERSION_BYTES, "big")
            self._packed[person_id] = version + encode_state(person)
        return Recorded(self.project, events, touched)

    def person(self, person_id: PersonId) -> Person | None:
        """Give a person as it is after the pages so far; None if there is none."""
        packed = self._packed.get(person_id)
        if packed is None:
            return None
        version = int.from_bytes(packed[:_VERSION_BYTES], "big")
        return decode_state(person_id, version, packed[_VERSION_BYTES:])

    def person_ids(self) -> Collection[PersonId]:
        """Give the ids of all persons, in the order in which they were created."""
        return self._packed.keys()

    def has(self, person_id: PersonId, version: int, state: bytes) -> bool:
        """Tell whether a person has this version and stored state."""
        expected = version.to_bytes(_VERSION_BYTES, "big") + state
        return self._packed.get(person_id) == expected
