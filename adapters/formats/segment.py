"""Segment's and RudderStack's calls, from ``identify`` to ``track``, as captured events.

A call is dated by its ``timestamp``, which their servers have corrected, and arrived at
``receivedAt``.
"""

from typing import Any, Literal
from uuid import UUID, uuid5

import msgspec

from ...domain.json_values import JsonObject, js_text
from ...domain.project_names import DEFAULT_PROJECT
from ..arrivals import Translated, Untranslatable

AliasDirection = Literal["segment", "rudderstack"]

_NAMESPACE = UUID("6e2f2a7c-5d0b-5f57-9c3a-0f6f3c3b2d11")
"""Of the uuids made of ``messageId``, which is often none; the input's key holds the project."""

_KEPT = ("messageId", "anonymousId", "userId", "integrations", "version", "channel")
"""What has no meaning here and stays in the input."""
_CONTEXT = {
    ("ip",): "$ip",
    ("page", "url"): "$current_url",
    ("page", "path"): "$pathname",
    ("page", "referrer"): "$referrer",
    ("device", "id"): "$device_id",
    ("library", "name"): "$lib",
    ("library", "version"): "$lib_version",
}


class SegmentOptions(msgspec.Struct, frozen=True):
    """What a call leaves open.

    ``alias_direction``: Segment's ``alias`` merges ``previousId`` into ``userId``; RudderStack's
    own PostHog destination sends the reverse. ``link_on_track``: an event that names both IDs
    links them once; server-side sources often never call ``identify``.
    """

    alias_direction: AliasDirection = "segment"
    link_on_track: bool = False


class SegmentTranslator:
    """Reads calls of one source, in order."""

    def __init__(self, options: SegmentOptions) -> None:
        self._options = options
        self._linked: set[tuple[str, str]] = set()

    def __call__(self, sent: JsonObject) -> list[Translated]:
        """Read a call, or the calls of a ``batch``."""
        if "type" not in sent and isinstance(calls := sent.get("batch"), list):
            if not all(isinstance(call, dict) for call in calls):
                raise Untranslatable("not_an_object")
            shared = {name: sent[name] for name in ("sentAt", "receivedAt") if name in sent}
            return [Translated(event) for call in calls for event in self._call(shared | call)]
        return [Translated(event) for event in self._call(sent)]

    def _call(self, sent: JsonObject) -> list[JsonObject]:
        user, anonymous = _id(sent.get("userId")), _id(sent.get("anonymousId"))
        own = user or anonymous
        if own is None:
            raise Untranslatable("missing_distinct_id")
        event: JsonObject = {"uuid": _uuid(sent, ""), "event": None, "distinct_id": own}
        event["properties"] = _properties(sent)
        event |= _times(sent)
        # A project that is named keeps a token among the properties from being taken for ours.
        event["project"] = sent.get("project") or DEFAULT_PROJECT
        event |= {name: sent[name] for name in _KEPT if name in sent}
        match sent.get("type"):
            case "identify":
                return [_identify(sent, event, user, anonymous)]
            case "alias":
                return [self._alias(sent, event)]
            case "track":
                event["event"] = sent.get("event")
                return [*self._link(sent, event, user, anonymous), event]
            case "page":
                event["event"] = "$pageview"
            case "screen":
                event["event"] = "$screen"
                if isinstance(name := sent.get("name"), str):
                    event["properties"].setdefault("$screen_name", name)
            case "group":
                event["event"] = "$groupidentify"
                event["properties"] |= _group(sent)
            case _:
                raise Untranslatable("unknown_type")
        return [event]

    def _alias(self, sent: JsonObject, event: JsonObject) -> JsonObject:
        previous = _id(sent.get("previousId"))
        if previous is None:
            raise Untranslatable("missing_previous_id")
        event["event"] = "$create_alias"
        own = event["distinct_id"]
        if self._options.alias_direction == "rudderstack":
            own, previous = previous, own
        event["distinct_id"], event["properties"]["alias"] = own, previous
        return event

    def _link(
        self, sent: JsonObject, event: JsonObject, user: str | None, anonymous: str | None
    ) -> list[JsonObject]:
        """Link the two IDs of an event, the first time that they come together."""
        if not self._options.link_on_track or user is None or anonymous is None:
            return []
        if user == anonymous or (user, anonymous) in self._linked:
            return []
        self._linked.add((user, anonymous))
        properties = {
            name: value for name, value in event["properties"].items() if name in ("$lib", "$ip")
        }
        return [
            {
                **event,
                "uuid": _uuid(sent, "link_on_track"),
                "event": "$identify",
                "properties": {**properties, "$anon_distinct_id": anonymous},
            }
        ]


def _identify(
    sent: JsonObject, event: JsonObject, user: str | None, anonymous: str | None
) -> JsonObject:
    event["event"] = "$set" if user is None else "$identify"
    event["$set"] = {**_object(_object(sent.get("context")).get("traits")), **_traits(sent)}
    if user is not None and anonymous is not None:
        event["properties"]["$anon_distinct_id"] = anonymous
    return event


def _group(sent: JsonObject) -> JsonObject:
    traits = _traits(sent)
    group = {"$group_type": traits.get("groupType") or "company", "$group_set": traits}
    return {**group, "$group_key": _id(sent.get("groupId"))}


def _properties(sent: JsonObject) -> JsonObject:
    """Give the call's own properties, and what its context says that we have names for."""
    context = _object(sent.get("context"))
    found = dict(_object(sent.get("properties")))
    found.pop("distinct_id", None)
    for path, name in _CONTEXT.items():
        value: Any = context
        for key in path:
            value = _object(value).get(key)
        if value is not None:
            found.setdefault(name, value)
    for name, value in _object(context.get("campaign")).items():
        found.setdefault(f"utm_{'campaign' if name == 'name' else name}", value)
    if isinstance(url := found.get("url"), str) and sent.get("type") == "page":
        found["$current_url"] = url
    if context:
        found.setdefault("$context", context)
    return found


def _times(sent: JsonObject) -> JsonObject:
    received, timestamp = sent.get("receivedAt"), sent.get("timestamp")
    if timestamp is not None:
        return {"timestamp": timestamp, "received_at": timestamp if received is None else received}
    found = {"received_at": received}
    if (original := sent.get("originalTimestamp")) is not None:
        found |= {"timestamp": original, "sent_at": sent.get("sentAt")}
    return {name: value for name, value in found.items() if value is not None}


def _uuid(sent: JsonObject, purpose: str) -> str | None:
    message_id = _id(sent.get("messageId"))
    return None if message_id is None else str(uuid5(_NAMESPACE, f"{purpose}\0{message_id}"))


def _id(value: object) -> str | None:
    """Read an ID; numbers become their text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return js_text(value) or None


def _traits(sent: JsonObject) -> JsonObject:
    return _object(sent.get("traits"))


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
