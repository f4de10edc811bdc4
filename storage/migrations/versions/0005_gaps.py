"""Updates whose dependencies are missing wait in memory while their sender is there: no table for them (DECISIONS 18)."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE colane.pending_updates")
