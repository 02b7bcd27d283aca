"""Which format a file is in, by its first lines."""

from collections.abc import Iterable
from typing import Literal, get_args

from ...domain.json_values import JsonObject
from ..arrivals import Translate
from . import personlog_export, posthog_export
from .segment import SegmentOptions, SegmentTranslator

Format = Literal["personlog", "personlog-export", "posthog-export", "segment"]
FORMATS: tuple[Format, ...] = get_args(Format)

_CALLS = frozenset({"identify", "track", "page", "screen", "group", "alias"})
_EXPORTED = "person_id person elements_chain _inserted_at team_id person_properties".split()
"""Columns that an export has beside an event's own, and senders do not send."""


def recognise(objects: Iterable[JsonObject]) -> Format:
    """Tell the format of a source from the first of its objects that says so."""
    for sent in objects:
        if personlog_export.is_exported(sent):
            return "personlog-export"
        if _is_call(sent):
            return "segment"
        if "event" not in sent and any(map(_is_exported, _listed(sent.get("results")))):
            return "posthog-export"
        if any(map(_is_call, _listed(sent.get("batch")))):
            return "segment"
        if _is_exported(sent):
            return "posthog-export"
    return "personlog"


def translation(format_: Format, options: SegmentOptions) -> Translate | None:
    """Give a fresh translation of one source's objects; None for our own format."""
    match format_:
        case "segment":
            return SegmentTranslator(options)
        case "posthog-export":
            return posthog_export.translate
        case "personlog-export":
            return personlog_export.translate
        case "personlog":
            return None


def _is_call(sent: JsonObject) -> bool:
    names = ("messageId", "anonymousId", "userId")
    is_ours = "distinct_id" in sent or sent.get("type") not in _CALLS
    return not is_ours and any(name in sent for name in names)


def _is_exported(sent: JsonObject) -> bool:
    is_event = "event" in sent and "distinct_id" in sent and "received_at" not in sent
    return is_event and any(name in sent for name in _EXPORTED)


def _listed(value: object) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
