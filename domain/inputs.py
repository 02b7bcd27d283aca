"""Inputs: captured events and operator commands, one sequence per project without gaps."""

from enum import IntEnum

import msgspec

from .captured_event import CapturedEvent
from .json_values import JsonObject
from .uuids import PersonId


class Status(IntEnum):
    """What became of an input; stored as its number."""

    ATTRIBUTED = 0
    HELD = 1
    PERSONLESS = 2
    DROPPED = 3
    COMMAND = 4

    @property
    def text(self) -> str:
        """The name as programs read it."""
        return self.name.lower()


class SetRules(msgspec.Struct, frozen=True, tag_field="command", tag="rules set"):
    """The operator's order to change rules; ``changes`` maps rule names to their new values."""

    changes: JsonObject


class ReleaseBuffer(msgspec.Struct, frozen=True, tag_field="command", tag="buffer release"):
    """The operator's order to let time pass up to ``until`` (milliseconds since 1970)."""

    until: int


Command = SetRules | ReleaseBuffer


class Input(msgspec.Struct):
    """One input at its place.

    ``received_at`` is the arrival as it was, ``arrived_at`` the same but never before the
    project's clock, ``due_at`` the end of the buffer window of an event that was held. Exactly
    one of ``event`` and ``command`` is there. ``status`` and ``person`` (the stamp) are filled
    in when the input is processed.
    """

    position: int
    uuid: bytes
    sent_timestamp: int
    received_at: int
    arrived_at: int
    body: bytes
    event: CapturedEvent | None = None
    command: Command | None = None
    due_at: int | None = None
    status: Status = Status.ATTRIBUTED
    person: PersonId | None = None
