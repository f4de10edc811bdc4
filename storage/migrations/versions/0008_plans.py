"""Which plan an organization has; what that entitles to is data of the application's (storage/entitlements.py)."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        "ALTER TABLE colane.organizations ADD COLUMN plan text NOT NULL DEFAULT 'free'"
        " CHECK (plan IN ('free', 'pro', 'enterprise'))"
    )
