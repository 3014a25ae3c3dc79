"""Claims of applications, which are signed since no source reads them again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; claims of sources have no signature."""
    op.add_column("claim", sa.Column("signature", sa.String(length=256), nullable=False, server_default=""))
