"""The ``eventsourcing`` application over personlog's tables: load any person at any version.

For debugging, tests and extensions: it is slow beside the ``persons`` table, which is the
snapshot, and it only reads, since our recorder refuses domain events from outside the unit of
work.

    application = PersonApplication(database, "default")
    person = application.repository.get(person.id, version=3)
"""

from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    InfrastructureFactory,
    JSONTranscoder,
    Mapper,
    StoredEvent,
    Transcoder,
)
from eventsourcing.utils import Environment

from ..domain.events import DomainEvent
from ..domain.person import Person, evolve
from ..domain.uuids import PersonId
from .database import Database
from .event_codec import decode_event, encode_event
from .recorder import (
    PersonlogAggregateRecorder,
    PersonlogApplicationRecorder,
    PersonlogProcessRecorder,
    PersonlogTrackingRecorder,
)


class PersonEvent:
    """A domain event of one person's stream, as the library handles events."""

    def __init__(self, originator_id: UUID, originator_version: int, event: DomainEvent) -> None:
        self.originator_id = originator_id
        self.originator_version = originator_version
        self.event = event

    def mutate(self, aggregate: Person | None) -> Person:
        """Fold the event into the person, who comes into being with the first one."""
        person = aggregate or Person(PersonId(self.originator_id.bytes))
        evolve(person, self.event)
        return person


class PersonMapper(Mapper[UUID]):
    """Maps stored events through personlog's own codec, upcasters included."""

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """Write an event as the log holds it."""
        assert isinstance(domain_event, PersonEvent)  # noqa: S101 - the only events there are
        return StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=domain_event.event.TOPIC,
            state=encode_event(domain_event.event),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> PersonEvent:
        """Read an event from the log."""
        originator_id = stored_event.originator_id
        return PersonEvent(
            originator_id if isinstance(originator_id, UUID) else UUID(originator_id),
            stored_event.originator_version,
            decode_event(stored_event.topic, stored_event.state),
        )


class PersonlogFactory(InfrastructureFactory[Any]):
    """Makes the recorders of one project, and our mapper."""

    def __init__(self, env: Environment, database: Database, project: str) -> None:
        super().__init__(env)
        self._database = database
        self._project = project

    def mapper(
        self,
        transcoder: Transcoder | None = None,
        mapper_class: type[Mapper[Any]] | None = None,  # noqa: ARG002 - ours is the only one
    ) -> Mapper[Any]:
        """Give the mapper of personlog's domain events."""
        return PersonMapper(transcoder or JSONTranscoder())

    def aggregate_recorder(self, purpose: str = "events") -> PersonlogAggregateRecorder:  # noqa: ARG002
        """Give the recorder of streams; snapshots have no place in it."""
        return PersonlogAggregateRecorder(self._database, self._project)

    def application_recorder(self) -> PersonlogApplicationRecorder:
        """Give the recorder of the log."""
        return PersonlogApplicationRecorder(self._database, self._project)

    def tracking_recorder(
        self,
        tracking_recorder_class: type[PersonlogTrackingRecorder] | None = None,
    ) -> PersonlogTrackingRecorder:
        """Give the recorder of checkpoints."""
        return (tracking_recorder_class or PersonlogTrackingRecorder)(self._database, self._project)

    def process_recorder(self) -> PersonlogProcessRecorder:
        """Give the recorder of the log and of checkpoints together."""
        return PersonlogProcessRecorder(self._database, self._project)


class PersonApplication(Application[UUID]):
    """Reads one project's persons and log with the library's own tools."""

    def __init__(self, database: Database, project: str) -> None:
        self._database = database
        self._project = project
        super().__init__()

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        """Take personlog's recorders, whatever the environment says."""
        return PersonlogFactory(env, self._database, self._project)
