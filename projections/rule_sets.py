"""``rule_sets``: every rule set a project ever had, and the log position it began at."""

from typing import ClassVar, cast

import msgspec
import sqlalchemy as sa

from ..domain.events import RulesSet
from ..domain.ports import Statements
from ..domain.recorded import Recorded
from ..domain.rules import DEFAULT_RULES, Rules, read_rules
from .columns import Position, project_column

metadata = sa.MetaData()

rule_sets = sa.Table(
    "rule_sets",
    metadata,
    project_column(),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False, comment="from 2 on"),
    sa.Column("from_position", Position, nullable=False, comment="in the log"),
    sa.Column("rule_set", sa.LargeBinary, nullable=False, comment="JSON: the whole set"),
    comment="Every rule set after the default one, and where it came into force.",
)

_encode = msgspec.json.Encoder(order="deterministic").encode


class RuleSets:
    """One row for each change; version 1, the default, is in force before the first of them."""

    name: ClassVar[str] = "rule_sets"
    version: ClassVar[int] = 1
    tables: ClassVar[tuple[str, ...]] = ("rule_sets",)

    def apply(self, statements: Statements, recorded: Recorded) -> None:
        """Add a row for each change of the rules."""
        rows = []
        for entry in recorded.of(RulesSet):
            rule_set = cast("RulesSet", entry.event).rule_set
            rows.append((recorded.project, rule_set["version"], entry.position, _encode(rule_set)))
        statements.insert("rule_sets", rows)


def all_rules(connection: sa.Connection, project: int) -> dict[int, Rules]:
    """Give every rule set of a project by its version, the default one included."""
    rows = connection.execute(
        sa.select(rule_sets.c.version, rule_sets.c.rule_set)
        .where(rule_sets.c.project == project)
        .order_by(rule_sets.c.version)
    )
    return {1: DEFAULT_RULES} | {
        row.version: read_rules(msgspec.json.decode(row.rule_set)) for row in rows
    }


def rules_in_force(connection: sa.Connection, project: int) -> Rules:
    """Give the rule set that the next decision uses."""
    newest = (
        sa.select(rule_sets.c.rule_set)
        .where(rule_sets.c.project == project)
        .order_by(rule_sets.c.version.desc())
        .limit(1)
    )
    stored = connection.execute(newest).scalar()
    return DEFAULT_RULES if stored is None else read_rules(msgspec.json.decode(stored))
