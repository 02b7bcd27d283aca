"""PostHog's exports: a row of a batch export, or a page of the events API.

A row is a captured event already. Its times are corrected, so nothing but ``timestamp`` and
``created_at``, its arrival, is read; its person is what PostHog made of it at the time, which
decides nothing here and is kept for comparing. Columns without a meaning here stay in the input.
"""

from ...domain.event_time import read_times
from ...domain.json_values import JsonObject
from ...domain.project_names import DEFAULT_PROJECT
from ..arrivals import Translated, Untranslatable
from ..captured_json import Unreadable, decode_object


def translate(sent: JsonObject) -> list[Translated]:
    """Read a row, or the rows of a page of the events API, which has the newest first."""
    if "event" not in sent and isinstance(rows := sent.get("results"), list):
        if not all(isinstance(row, dict) for row in rows):
            raise Untranslatable("not_an_object")
        return [Translated(each) for each in sorted(map(_event, rows), key=_moment)]
    return [Translated(_event(sent))]


def _event(row: JsonObject) -> JsonObject:
    found = dict(row)
    for gone in ("sent_at", "offset"):
        found.pop(gone, None)
    # A project that is named keeps the token among the properties from being taken for ours.
    found["project"] = row.get("project") or DEFAULT_PROJECT
    if not found.get("uuid"):
        found["uuid"] = row.get("id")
    for column in ("properties", "person_properties", "set", "set_once"):
        if isinstance(value := row.get(column), str):
            found[column] = _unpacked(value)
    for column in ("set", "set_once"):
        if isinstance(value := found.pop(column, None), dict):
            found[f"${column}"] = value
    arrival = row.get("created_at")
    found["received_at"] = row.get("timestamp") if arrival is None else arrival
    return found


def _moment(event: JsonObject) -> tuple[int, int, str]:
    times = read_times(event, None)
    return times.arrival or 0, times.timestamp or 0, str(event["uuid"])


def _unpacked(text: str) -> JsonObject:
    """Read a column that holds JSON as text, as exports by way of Parquet do."""
    try:
        return decode_object(text.encode()) if text else {}
    except Unreadable:
        raise Untranslatable("invalid_properties") from None


def expected_person(sent: JsonObject) -> str | None:
    """Give the person that the export itself tied an event to."""
    person = sent.get("person")
    if isinstance(person, dict):
        person = person.get("uuid") or person.get("id") or _first(person.get("distinct_ids"))
    found = sent.get("person_id") or person
    return None if found is None else str(found)


def _first(values: object) -> object:
    return values[0] if isinstance(values, list) and values else None
