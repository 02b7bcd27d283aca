"""What stored things say in words, for people who read a table rather than JSON."""

from collections.abc import Mapping
from typing import Any

from ..domain.json_values import compact

Facts = Mapping[str, Any]


def short_id(person_id: object) -> str:
    """Shorten a person id to its last group: the first ones are a time, and look alike."""
    return "" if person_id is None else str(person_id)[-12:]


def joined(values: object) -> str:
    """Put a list of texts on one line."""
    return ", ".join(str(value) for value in values) if isinstance(values, list) else ""


def listed(facts: object, leave_out: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Put an object's members one a line."""
    if not isinstance(facts, dict):
        return ("" if facts is None else compact(facts),)
    return tuple(f"{key}: {plain(value)}" for key, value in facts.items() if key not in leave_out)


def plain(value: object) -> str:
    """Write a value, texts without quotes."""
    return value if isinstance(value, str) else compact(value)


def what_happened(event: Facts) -> str:
    """Say what a domain event of a person means."""
    match event["type"]:
        case "person.created":
            return f"created, dated {event['created_at']}"
        case "person.distinct_id_added":
            return f"+ {event['distinct_id']}"
        case "person.identified":
            return "identified"
        case "person.properties_set":
            return ", ".join(_property_changes(event))
        case "person.merge_refused":
            return (
                f"refused {event['link']} of {event['own_id']} with {event['other_id']}:"
                f" {event['reason']}"
            )
        case "person.absorbed":
            return _absorption(event)
        case "person.merged_into":
            return f"merged into {short_id(event['survivor'])}"
        case other:
            return str(other)


def _property_changes(event: Facts) -> list[str]:
    old = event["old"]
    changes = [
        f"{key}: {plain(old[key])} → {plain(value)}" if key in old else f"{key}: {plain(value)}"
        for key, value in event["new"].items()
    ]
    return changes + [f"- {key} (was {plain(old[key])})" for key in event["unset"]]


def _absorption(event: Facts) -> str:
    link = f"{event['link']} of {event['own_id']} with {event['other_id']}"
    absorbed, moved = short_id(event["absorbed"]), joined(event["distinct_ids"])
    said = [f"{link}: absorbed {absorbed}, + {moved}"]
    if event["taken"]:
        said.append("took " + ", ".join(f"{k}: {plain(v)}" for k, v in event["taken"].items()))
    if event["lost"]:
        said.append("dropped " + ", ".join(f"{k}: {plain(v)}" for k, v in event["lost"].items()))
    return "; ".join(said)
