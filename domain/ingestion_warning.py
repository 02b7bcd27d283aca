"""What a sender should be told about a captured event (semantics 15)."""

from typing import NamedTuple

from .json_values import JsonObject


class IngestionWarning(NamedTuple):
    """A warning as it is found: its type, and details the sender can act on."""

    type: str
    details: JsonObject
