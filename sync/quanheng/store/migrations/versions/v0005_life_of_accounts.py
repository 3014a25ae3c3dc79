"""The life of accounts: logins, requests, terms, tenure, reviews."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables. Accounts that are there count from when their people came into the store."""
    op.add_column("account", sa.Column("counts_from", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        sa.text(
            "UPDATE account SET counts_from = "
            "(SELECT person.created_at FROM person WHERE person.id = account.person_id)"
        )
    )
    op.add_column("claim", sa.Column("absent_since", sa.Date(), nullable=True))
    op.create_table(
        "account_request",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("about", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_account_request_person_id", "account_request", ["person_id"])
    op.create_table(
        "term",
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("person_id"),
    )
    op.create_table(
        "last_login",
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("client", sa.String(length=255), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "client"),
    )
    op.create_table(
        "login_gap",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("covered_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "tenure",
        sa.Column("person_id", sa.String(length=32), nullable=False),
        sa.Column("post", sa.String(length=48), nullable=False),
        sa.Column("area", sa.String(length=24), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("seen", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "post", "area", "since"),
    )
    op.create_table(
        "announced",
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", "subject"),
    )
    op.create_index("ix_announced_at", "announced", ["at"])
    op.create_table(
        "review_item",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("county", sa.String(length=24), nullable=False),
        sa.Column("person_id", sa.String(length=32), nullable=True),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("proposed", sa.String(length=24), nullable=False),
        sa.Column("deadline", sa.Date(), nullable=False),
        sa.Column("answer", sa.String(length=24), nullable=True),
        sa.Column("answer_reason", sa.Text(), nullable=True),
        sa.Column("answered_by", sa.String(length=64), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled", sa.String(length=160), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_review_item_month", "review_item", ["month"])
