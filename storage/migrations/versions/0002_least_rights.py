"""What happened stays as it was: logins change and delete only what their work needs; commands mark their updates."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    # A save has an audit line of its own; the fold, which accounts for what editors did, must know it from theirs.
    "ALTER TABLE colane.updates ADD COLUMN command boolean NOT NULL DEFAULT false",
    # The log and the history are written once. Trimming and purging are the worker's.
    "REVOKE UPDATE, DELETE ON colane.updates, colane.writers FROM colane_app",
    "REVOKE INSERT, UPDATE, DELETE ON colane.snapshots, colane.element_changes FROM colane_app",
    "REVOKE DELETE ON colane.organizations, colane.diagrams, colane.diagram_heads, colane.versions, colane.outbox"
    " FROM colane_app",
    "REVOKE UPDATE ON colane.updates, colane.element_changes, colane.writers FROM colane_worker",
    # A version's text and who made it never change; its name does, and whether it is kept.
    "REVOKE UPDATE ON colane.versions FROM colane_app, colane_worker",
    "GRANT UPDATE (name, pinned, seq, evicted_at) ON colane.versions TO colane_app",
    "GRANT UPDATE (seq, evicted_at, xml) ON colane.versions TO colane_worker",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in _STATEMENTS:
        op.execute(statement)
