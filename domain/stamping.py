"""Stamps as a projection of both layers: inputs in order of processing, beside the log."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .events import RecordedEvent, moved_ids
from .inputs import Input, Status
from .uuids import PersonId


class Stamp(NamedTuple):
    """What became of an input, and the person it was tied to when it was processed."""

    position: int
    status: Status
    person: PersonId | None


def fold_stamps(
    inputs: Iterable[Input], log: Iterable[RecordedEvent], clock: int
) -> Iterator[tuple[Input, Stamp]]:
    """Give every input with its stamp, from what the log said when it was processed.

    ``inputs`` come in order of processing, held ones at their due time; those due after
    ``clock`` are still held.
    """
    holders: dict[str, PersonId] = {}
    moves = (each for each in log if moved_ids(each.event))
    move = next(moves, None)
    for each in inputs:
        event = each.event
        if event is None:
            yield each, Stamp(each.position, Status.COMMAND, None)
        elif each.due_at is not None and each.due_at > clock:
            yield each, Stamp(each.position, Status.HELD, None)
        elif event.dropped or event.personless:
            status = Status.DROPPED if event.dropped else Status.PERSONLESS
            yield each, Stamp(each.position, status, None)
        else:
            while move is not None and move.event.cause.position == each.position:
                holders.update(dict.fromkeys(moved_ids(move.event), PersonId(move.stream)))
                move = next(moves, None)
            yield each, Stamp(each.position, Status.ATTRIBUTED, holders.get(event.distinct_id))
