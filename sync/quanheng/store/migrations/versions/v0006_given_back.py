"""Whether an account was given back is kept, and no longer guessed from when it was."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MADE_WITHIN: Final = timedelta(days=1)
"""So soon after its person came, an account of before counts as made, not as given back."""


def upgrade() -> None:
    """Add the column."""
    op.add_column("account", sa.Column("given_back", sa.Boolean(), nullable=False, server_default=sa.false()))
    account = sa.table(
        "account",
        sa.column("person_id", sa.String),
        sa.column("counts_from", sa.DateTime(timezone=True)),
        sa.column("given_back", sa.Boolean),
    )
    person = sa.table(
        "person", sa.column("id", sa.String), sa.column("created_at", sa.DateTime(timezone=True))
    )
    connection = op.get_bind()
    query = sa.select(account.c.person_id, account.c.counts_from, person.c.created_at).join(
        person, person.c.id == account.c.person_id
    )
    rows = connection.execute(query.where(account.c.counts_from.is_not(None))).all()
    found = [{"who": who} for who, start, made in rows if _is_later(start, made)]
    if found:
        connection.execute(
            sa.update(account).where(account.c.person_id == sa.bindparam("who")).values(given_back=sa.true()),
            found,
        )


def _is_later(start: datetime, made: datetime) -> bool:
    return start - made > _MADE_WITHIN
