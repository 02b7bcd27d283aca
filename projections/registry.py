"""The list of projections. A new one takes its module and one line here."""

import sqlalchemy as sa

from ..domain.errors import UnknownProjection
from ..domain.ports import Projection
from . import distinct_ids, id_history, ingestion_warnings, merges, persons, rule_sets

INLINE: tuple[Projection, ...] = (
    distinct_ids.DistinctIds(),
    persons.Persons(),
    id_history.IdHistory(),
    merges.Merges(),
    ingestion_warnings.IngestionWarnings(),
    rule_sets.RuleSets(),
)
"""Projections written in the transaction of the append."""

METADATA: tuple[sa.MetaData, ...] = (
    distinct_ids.metadata,
    persons.metadata,
    id_history.metadata,
    merges.metadata,
    ingestion_warnings.metadata,
    rule_sets.metadata,
)


def named(names: tuple[str, ...], others: tuple[str, ...] = ()) -> tuple[Projection, ...]:
    """Give the projections of these names, all of them if there is no name.

    ``others`` are names to mention beside the known ones.

    Raises :class:`UnknownProjection` for a name that none has.
    """
    known = {projection.name: projection for projection in INLINE}
    for name in names:
        if name not in known:
            there_are = ", ".join([*known, *others])
            raise UnknownProjection(f"There is no projection {name!r}; there are {there_are}.")
    return tuple(known[name] for name in names) if names else INLINE
