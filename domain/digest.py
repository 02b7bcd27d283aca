"""Digests: one number for all persons, one for the whole log, equal wherever they were made.

A digest is the SHA-256 of lines of canonical JSON (:func:`~.json_values.canonical`), each ended
by a newline: persons by their id, absorbed ones too; domain events by position. Nothing enters
that depends on the machine, the database or the wall clock.
"""

from hashlib import sha256
from typing import Any

import msgspec

from .events import ForeignEvent, RecordedEvent
from .json_values import JsonObject, canonical
from .person import Person
from .uuids import uuid_text


class Digest:
    """A digest in the making."""

    def __init__(self) -> None:
        self._hash = sha256()

    def add_person(self, person: Person) -> None:
        """Add the next person, in order of ids."""
        self._add(person_line(person))

    def add_event(self, recorded: RecordedEvent) -> None:
        """Add the next domain event, in order of the log."""
        self._add(event_line(recorded))

    def _add(self, line: JsonObject) -> None:
        self._hash.update(canonical(line))
        self._hash.update(b"\n")

    def hexdigest(self) -> str:
        """Give the digest of all that was added."""
        return self._hash.hexdigest()


def person_line(person: Person) -> JsonObject:
    """Give everything a person is, as JSON; distinct IDs sorted."""
    return {
        "person_id": uuid_text(person.person_id),
        "version": person.version,
        "created_at": person.created_at,
        "is_identified": person.is_identified,
        "distinct_ids": sorted(person.distinct_ids),
        "properties": person.properties,
        "merged_into": person.merged_into,
    }


def event_line(recorded: RecordedEvent) -> JsonObject:
    """Give everything a domain event says, as JSON."""
    event = recorded.event
    fields: dict[str, Any] = msgspec.to_builtins(event)
    if isinstance(event, ForeignEvent):
        fields = {"hex": event.state.hex()}
    return {
        "position": recorded.position,
        "stream": uuid_text(recorded.stream),
        "version": recorded.version,
        "type": event.topic if isinstance(event, ForeignEvent) else event.TOPIC,
        "state": fields,
    }
