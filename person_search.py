"""Searching and sorting persons, page by page."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Literal, get_args

import msgspec

from .domain.json_values import JsonObject, same_value
from .domain.person import Person
from .domain.uuids import uuid_text

SortOrder = Literal["id", "created_at", "distinct_ids", "version"]
SORT_ORDERS: tuple[SortOrder, ...] = get_args(SortOrder)

_KEYS: dict[SortOrder, Callable[[Person], Any]] = {
    "id": lambda person: person.person_id,
    "created_at": lambda person: (person.created_at, person.person_id),
    "distinct_ids": lambda person: (len(person.distinct_ids), person.person_id),
    "version": lambda person: (person.version, person.person_id),
}


class PersonSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Which persons are wanted, in which order.

    ``text`` is looked for in distinct IDs, person ids and properties that are texts, in any case
    of letters. ``properties`` are exact JSON values, ``has`` keys that must be there. ``limit``
    None gives all behind ``offset``.
    """

    text: str = ""
    properties: JsonObject = {}
    has: tuple[str, ...] = ()
    identified: bool | None = None
    sort: SortOrder = "id"
    descending: bool = False
    limit: int | None = None
    offset: int = 0

    def among(self, persons: Iterable[Person]) -> Iterator[Person]:
        """Give the wanted ones of ``persons``, which come in order of their ids."""
        found: Iterator[Person] = filter(self._matches, persons)
        if self.sort == "id" and not self.descending:
            return islice(found, self.offset, self._end())
        key, end = _KEYS[self.sort], self._end()
        if end is None:
            found = iter(sorted(found, key=key, reverse=self.descending))
        else:
            pick = heapq.nlargest if self.descending else heapq.nsmallest
            found = iter(pick(end, found, key=key))
        return islice(found, self.offset, None)

    def _end(self) -> int | None:
        return None if self.limit is None else self.offset + self.limit

    def _matches(self, person: Person) -> bool:
        if self.identified not in (None, person.is_identified):
            return False
        sent = person.properties
        if not all(
            key in sent and same_value(sent[key], self.properties[key]) for key in self.properties
        ):
            return False
        return all(key in sent for key in self.has) and self._has_text(person)

    def _has_text(self, person: Person) -> bool:
        if not self.text:
            return True
        wanted = self.text.casefold()
        texts = [value for value in person.properties.values() if isinstance(value, str)]
        found = (*person.distinct_ids, *texts, uuid_text(person.person_id))
        return any(wanted in each.casefold() for each in found)
