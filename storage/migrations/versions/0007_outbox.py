"""Events are handled in the order of their aggregate: numbered, leased by the worker, marked, and parked when they fail."""

from alembic import op

revision = "0007"
down_revision = "0006"

_STATEMENTS = (
    # Numbers are drawn under a lock on the aggregate (storage/outbox.py), so within one they are the order of commits.
    "ALTER TABLE colane.outbox ADD COLUMN seq bigint GENERATED ALWAYS AS IDENTITY, ADD COLUMN handled_at timestamptz,"
    " ADD COLUMN traceparent text",
    "DROP INDEX colane.outbox_org_id_aggregate_id_id_idx",
    "CREATE INDEX outbox_waiting ON colane.outbox (org_id, aggregate_id, seq) WHERE handled_at IS NULL",
    "CREATE INDEX outbox_handled ON colane.outbox (org_id, handled_at) WHERE handled_at IS NOT NULL",
    # What happened is written once. Its handling is the worker's, who looks for work in all organizations at once.
    "REVOKE UPDATE ON colane.outbox FROM colane_app, colane_worker",
    "GRANT UPDATE (available_at, attempts, claimed_by, claimed_until, last_error, parked_at, handled_at)"
    " ON colane.outbox TO colane_worker",
    "CREATE POLICY claims ON colane.outbox FOR UPDATE TO colane_worker USING (true) WITH CHECK (true)",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in _STATEMENTS:
        op.execute(statement)
