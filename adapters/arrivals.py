"""Lines to arrivals: what is handed to the unit of work, and what is refused at the door."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from ..domain.captured_event import (
    CapturedEvent,
    NotACapturedEvent,
    read_captured_event,
)
from ..domain.event_time import read_times
from ..domain.inputs import Command
from ..domain.json_values import JsonObject, compact
from ..domain.project_names import DEFAULT_PROJECT, is_project_name
from ..domain.uuids import derive_line_uuid
from .captured_json import Unreadable, decode_object
from .clock import Clock
from .json_lines import Line, line_digest

FUTURE_TOLERANCE_MS = 24 * 3_600_000
"""How far ahead of the machine's clock an arrival may lie; further would stop a project's clock."""


class Arrival(msgspec.Struct, array_like=True):
    """A captured event at the door: the raw bytes of line ``line`` of ``source``, and as read."""

    project: str
    raw: bytes
    event: CapturedEvent
    source: str
    line: int


class Order(msgspec.Struct):
    """A command for a project."""

    project: str
    command: Command


class Rejection(msgspec.Struct, kw_only=True):
    """A line that is no input. ``project`` is None if the line does not tell it."""

    project: str | None
    source: str
    line: int
    reason: str
    raw: bytes
    digest: bytes
    received_at: int | None = None


class Translated(NamedTuple):
    """A captured event that an object of another format stands for.

    ``uuid`` stands in for one that it does not carry; ``arrival``, in milliseconds, overrides
    what it tells.
    """

    sent: JsonObject
    uuid: bytes | None = None
    arrival: int | None = None


Translate = Callable[[JsonObject], list[Translated]]
"""Reads an object of another format as the captured events it stands for.

Raises :class:`Untranslatable` with the reason if it stands for none.
"""


class Untranslatable(Exception):
    """An object of another format stands for no captured event."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Refused(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Door:
    """Reads the lines of one source in order.

    ``project`` overrides what lines say; ``tokens`` maps tokens to project names; with
    ``live`` the arrival is the clock's and a line's own ``received_at`` is ignored. Lines of
    another format go through ``translate`` first, and are stored as what it makes of them.
    """

    def __init__(
        self,
        source: str,
        clock: Clock,
        tokens: Mapping[str, str],
        *,
        project: str | None = None,
        live: bool = False,
        translate: Translate | None = None,
    ) -> None:
        self._source = source
        self._clock = clock
        self._tokens = tokens
        self._project = project
        self._live = live
        self._translate = translate
        self._latest = clock.now() + FUTURE_TOLERANCE_MS
        self._names: dict[int | str, str] = {}
        self._seen: dict[bytes, int] = {}

    def admit(self, line: Line) -> Sequence[Arrival | Rejection]:
        """Read one line: what comes of it, in order."""
        if line.digest is not None:
            return (self._reject(line, "too_large", self._project),)
        try:
            sent = decode_object(line.raw)
            if self._translate is None:
                return (self._admit(line, line.raw, sent),)
            translated = self._translate(sent)
        except (Unreadable, Untranslatable) as error:
            return (self._reject(line, error.reason, self._project),)
        return [
            self._admit(line, msgspec.json.encode(sent), sent, uuid, arrival)
            for sent, uuid, arrival in translated
        ]

    def _admit(
        self,
        line: Line,
        raw: bytes,
        sent: JsonObject,
        uuid: bytes | None = None,
        arrived_at: int | None = None,
    ) -> Arrival | Rejection:
        try:
            project = self._project or self._named_project(sent)
        except _Refused as error:
            return self._reject(line, error.reason, None)
        if self._live:
            arrived_at = self._clock.now()
            sent = {name: value for name, value in sent.items() if name != "received_at"}
        try:
            event = read_captured_event(
                sent,
                lambda: uuid or derive_line_uuid(project, raw, self._occurrence(raw)),
                arrived_at,
            )
        except NotACapturedEvent as error:
            return self._reject(line, error.reason, project, read_times(sent, arrived_at).arrival)
        arrival = event.arrival
        if arrival is not None and arrival > self._latest:
            self._latest = self._clock.now() + FUTURE_TOLERANCE_MS
            if arrival > self._latest:
                return self._reject(line, "arrival_in_future", project, arrival)
        return Arrival(project, raw, event, self._source, line.number)

    def skip(self, line: Line) -> None:
        """Count a line that an interrupted import has stored already."""
        if line.digest is None:
            self.admit(line)

    def _named_project(self, sent: JsonObject) -> str:
        named = sent.get("project")
        if type(named) is int or type(named) is str:
            known = self._names.get(named)
            if known is None:
                known = self._names[named] = _named_project(sent, self._tokens)
            return known
        return _named_project(sent, self._tokens)

    def _occurrence(self, raw: bytes) -> int:
        key = blake2b(raw, digest_size=16).digest()
        count = self._seen.get(key, 0)
        self._seen[key] = count + 1
        return count

    def _reject(
        self, line: Line, reason: str, project: str | None, received_at: int | None = None
    ) -> Rejection:
        return Rejection(
            project=project,
            source=self._source,
            line=line.number,
            reason=reason,
            raw=line.raw,
            digest=line.digest or line_digest(line.raw),
            received_at=received_at,
        )


def _named_project(sent: JsonObject, tokens: Mapping[str, str]) -> str:
    """Read which project a line is for: ``project``, else its token's, else the default one."""
    named = sent.get("project")
    if named is not None:
        if isinstance(named, bool | dict | list):
            raise _Refused("invalid_project")
        text = named if isinstance(named, str) else compact(named)
        if not is_project_name(text):
            raise _Refused("invalid_project")
        return text
    token = sent.get("api_key") or sent.get("token")
    if token is None and isinstance(properties := sent.get("properties"), dict):
        token = properties.get("token")
    if not token:
        return DEFAULT_PROJECT
    project = tokens.get(token) if isinstance(token, str) else None
    if project is None:
        raise _Refused("unknown_token")
    return project
