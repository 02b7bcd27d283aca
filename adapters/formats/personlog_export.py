"""What ``export events`` writes: captured events as they were sent, with uuid and arrival.

So the log of one database can be decided anew in another one: lines come in their old order, and
what a line itself does not tell is taken from where it was stored.
"""

from ...domain.json_values import JsonObject
from ...domain.times import parse_time
from ...domain.uuids import parse_uuid
from ..arrivals import Translated, Untranslatable

_COLUMNS = frozenset({"position", "uuid", "received_at", "arrived_at", "stamped_person_id"})


def is_exported(row: JsonObject) -> bool:
    """Tell a row of ``export events`` from what senders send."""
    return isinstance(row.get("input"), dict) and row.keys() >= _COLUMNS


def translate(row: JsonObject) -> list[Translated]:
    """Give the captured event of a row."""
    if not is_exported(row):
        raise Untranslatable("not_an_export")
    uuid, arrival = parse_uuid(str(row["uuid"])), parse_time(row["received_at"])
    if uuid is None or arrival is None:
        raise Untranslatable("not_an_export")
    return [Translated(row["input"], uuid, arrival)]
