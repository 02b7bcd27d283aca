"""Stamps as a projection of both layers give what the walk gave."""

from personlog.domain.inputs import Input, ReleaseBuffer, Status
from personlog.domain.json_values import JsonObject
from personlog.domain.stamping import Stamp, fold_stamps

from .conftest import ARRIVED, captured, new, ordered, walk_of

MINUTE = 60_000


def sent(distinct_id: str, **properties: object) -> JsonObject:
    return {"event": "pageview", "distinct_id": distinct_id, "properties": properties}


def test_stamps_say_who_held_the_id_when_the_input_was_processed() -> None:
    link = {
        "event": "$identify",
        "distinct_id": "user",
        "properties": {"$anon_distinct_id": "device"},
    }
    device = {"$device_id": "device"}
    inputs = [
        captured(1, ARRIVED, sent("user")),
        captured(2, ARRIVED, sent("device", **device)),
        captured(3, ARRIVED, sent("user", **{"$process_person_profile": False})),
        captured(4, ARRIVED, {**sent("user"), "uuid": "nope"}),
        captured(5, ARRIVED + MINUTE, link),
        captured(6, ARRIVED + MINUTE, sent("device", **device)),
        captured(7, ARRIVED + MINUTE, sent("late")),
        ordered(8, ARRIVED + MINUTE, ReleaseBuffer(ARRIVED + MINUTE)),
    ]
    walk = walk_of(inputs)

    def place(each: Input) -> tuple[int, bool, int]:
        return (each.due_at or each.arrived_at, each.due_at is None, each.position)

    clock = ARRIVED + MINUTE
    stamps = [stamp for _, stamp in fold_stamps(sorted(inputs, key=place), walk.recorded, clock)]
    user, unlinked = new("user", position=1), new("device", position=2)
    assert stamps == [
        Stamp(2, Status.ATTRIBUTED, unlinked),
        Stamp(3, Status.PERSONLESS, None),
        Stamp(4, Status.DROPPED, None),
        Stamp(1, Status.ATTRIBUTED, user),
        Stamp(5, Status.ATTRIBUTED, user),
        Stamp(6, Status.ATTRIBUTED, user),
        Stamp(8, Status.COMMAND, None),
        Stamp(7, Status.HELD, None),
    ]
    by_walk = {each.position: Stamp(each.position, each.status, each.person) for each in inputs}
    assert {stamp.position: stamp for stamp in stamps} == by_walk
