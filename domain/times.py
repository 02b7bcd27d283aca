"""Moments as whole milliseconds since 1970 in UTC: the resolution of the capture protocol.

Finer fractions are cut off when read; the captured event itself is kept as it was sent.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

DAY_MS = 86_400_000
EARLIEST = -62_135_596_800_000
"""0001-01-01T00:00:00Z, the first moment a calendar date can name."""
LATEST = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LONGEST = 64
"""Characters of a time in any spelling."""
_USUAL_LENGTH = len("2026-01-01T00:00:00.000Z")
_ISO = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2}|\d{4}/\d{2}/\d{2}|\d{4}-W\d{2}-\d|\d{4}-\d{3})"
    r"(?:[Tt ](?P<clock>\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)"
    r"\s?(?P<zone>[Zz]|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII,
)
_EPOCH_NUMBER = re.compile(
    r"(?P<seconds>\d{9,10})(?:\.(?P<fraction>\d+))?|(?P<milliseconds>\d{12,13})", re.ASCII
)
_RFC2822 = re.compile(
    r"(?:[A-Za-z]{3},\s*)?\d{1,2}\s+[A-Za-z]{3}\s+\d{4}\s+\d{2}:\d{2}(?::\d{2})?"
    r"(?:\s+(?:[+-]\d{4}|[A-Za-z]{1,4}))?",
    re.ASCII,
)


def parse_time(text: object) -> int | None:
    """Read a moment; None if it is unreadable. Without a zone it is UTC.

    Accepted (semantics 11): ISO 8601 dates, with week and ordinal days, a ``T`` or a blank
    before the time, slash dates, RFC 2822, and seconds or milliseconds since 1970.
    """
    if text.__class__ is str:
        # What nearly every SDK sends, which Python's own parser takes alike in every version.
        if (
            len(text) == _USUAL_LENGTH
            and text[4] == text[7] == "-"
            and text[10] == "T"
            and text[11:13] != "24"
            and text[19] == "."
            and text[23] == "Z"
        ):
            try:
                return round(datetime.fromisoformat(text).timestamp() * 1000)
            except ValueError:
                return None
        return _parse_text(text) if len(text) <= _LONGEST else None
    if isinstance(text, float) and text.is_integer():
        text = int(text)
    if isinstance(text, int | float) and not isinstance(text, bool):
        return _parse_text(str(text))
    return None


@lru_cache(maxsize=256)
def _parse_text(text: str) -> int | None:
    text = text.strip()
    if (found := _ISO.fullmatch(text)) is not None:
        return _parse_iso(found)
    if (found := _EPOCH_NUMBER.fullmatch(text)) is not None:
        if found["milliseconds"] is not None:
            return int(found["milliseconds"])
        return int(found["seconds"]) * 1000 + int((found["fraction"] or "")[:3].ljust(3, "0"))
    return _parse_rfc2822(text) if _RFC2822.fullmatch(text) else None


def _parse_iso(found: re.Match[str]) -> int | None:
    day, clock, zone = found["day"], found["clock"], found["zone"]
    try:
        days = _day_number(day)
        if clock is None:
            return _in_range(days * DAY_MS)
        hour, minute = int(clock[:2]), int(clock[3:5])
        second = int(clock[6:8] or 0)
        fraction = int(clock[9:12].ljust(3, "0")) if len(clock) > 9 else 0
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    offset = 0
    if zone is not None and zone not in "Zz":
        minutes = int(zone[-2:]) if len(zone) > 3 else 0
        if int(zone[1:3]) > 23 or minutes > 59:
            return None
        offset = (int(zone[1:3]) * 60 + minutes) * (-60_000 if zone[0] == "-" else 60_000)
    clock_ms = ((hour * 60 + minute) * 60 + second) * 1000 + fraction
    return _in_range(days * DAY_MS + clock_ms - offset)


@lru_cache(maxsize=4096)
def _day_number(day: str) -> int:
    """Give the days since 1970 of a calendar, week or ordinal date."""
    if day[5] == "W":
        found = date.fromisocalendar(int(day[:4]), int(day[6:8]), int(day[9]))
    elif len(day) == len("2021-302"):
        ordinal = int(day[5:])
        found = date(int(day[:4]), 1, 1) + timedelta(days=ordinal - 1)
        if ordinal < 1 or found.year != int(day[:4]):
            raise ValueError(day)
    else:
        found = date(int(day[:4]), int(day[5:7]), int(day[8:]))
    return found.toordinal() - _EPOCH.toordinal()


def _parse_rfc2822(text: str) -> int | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - slow to load, seldom needed

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _in_range((moment - _EPOCH) // _MILLISECOND)


def _in_range(moment: int) -> int | None:
    return moment if EARLIEST <= moment <= LATEST else None


def format_time(moment: int) -> str:
    """Write a moment as ISO 8601 in UTC, with milliseconds only where there are any."""
    text = (_EPOCH + timedelta(milliseconds=moment)).replace(tzinfo=None)
    precision = "milliseconds" if moment % 1000 else "seconds"
    return text.isoformat(timespec=precision) + "Z"
