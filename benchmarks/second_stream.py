"""A second stream of the same persons, months later: new uuids, later times, few changes.

    python -m benchmarks.second_stream FIRST SECOND

Made of the first stream line by line: each event gets another uuid and happens 90 days later, and
nine of ten ``$set`` and ``$set_once`` are left out, as most later events change nothing.
"""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

LATER = timedelta(days=90)
_NAMESPACE = UUID("0b7a3c52-6d2e-5c1f-8f3e-5a4d7e9b1c20")
_TIMES = ("timestamp", "received_at", "sent_at")
_KEPT = 10


def second_line(line: str, number: int) -> str:
    """Give the later twin of a line."""
    event = json.loads(line)
    event["uuid"] = str(uuid5(_NAMESPACE, event["uuid"]))
    for name in _TIMES:
        if name in event:
            moment = datetime.fromisoformat(event[name]) + LATER
            text = moment.isoformat(timespec="milliseconds")
            event[name] = text.replace("+00:00", "Z")
    if number % _KEPT:
        for name in ("$set", "$set_once"):
            event["properties"].pop(name, None)
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False)


def write_second(first: Path, second: Path) -> Path:
    """Write the second stream of a first one."""
    with first.open(encoding="utf-8") as lines, second.open("w", encoding="utf-8") as out:
        for number, line in enumerate(lines):
            out.write(second_line(line, number) + "\n")
    return second


if __name__ == "__main__":
    write_second(Path(sys.argv[1]), Path(sys.argv[2]))
