"""Lines of another format, brought into order of arrival: exports are not in it."""

from ...domain.event_time import read_times
from ...domain.json_values import JsonObject
from ..arrivals import Untranslatable
from ..captured_json import Unreadable, decode_object
from ..json_lines import Line
from ..sorting import SortedSource, SortKey
from ..sources import Source
from .recognition import Format, translation
from .segment import SegmentOptions


def in_order_of_arrival(source: Source, format_: Format) -> Source:
    """Give a source whose lines come in order; our own formats are left as they are."""
    translate = translation(format_, SegmentOptions())
    if translate is None or format_ == "personlog-export":
        return source

    def key(line: Line) -> SortKey:
        sent = decoded(line)
        try:
            sent = translate(sent)[0].sent
        except (Untranslatable, IndexError):
            sent = {}
        times = read_times(sent, None)
        return times.arrival or 0, times.timestamp or 0, str(sent.get("uuid")).encode()

    return SortedSource(source, key)


def decoded(line: Line) -> JsonObject:
    """Read a line; an unreadable one is an empty object."""
    try:
        return decode_object(line.raw)
    except Unreadable:
        return {}
