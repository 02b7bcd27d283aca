"""Column types that mean the same on SQLite and PostgreSQL."""

import sqlalchemy as sa

Uuid = sa.LargeBinary(16)
"""A UUID as its 16 bytes; views show its text."""

Text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text compared by code point."""

Position = sa.BigInteger
Moment = sa.BigInteger
"""Milliseconds since 1970 in UTC."""


def project_column() -> sa.Column[int]:
    """Give the first column of every primary key: the project's number."""
    return sa.Column("project", sa.Integer, primary_key=True, autoincrement=False)
