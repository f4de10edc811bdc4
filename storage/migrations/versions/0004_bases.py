"""Texts that were merged or repaired when they were saved: what their senders still have, as bases for their next save."""

from alembic import op

revision = "0004"
down_revision = "0003"

_ORG = "(SELECT nullif(current_setting('app.org', true), '')::uuid)"
_STATEMENTS = (
    """
    CREATE TABLE colane.bases (
      org_id uuid NOT NULL,
      diagram_id uuid NOT NULL,
      id text NOT NULL,
      version int NOT NULL,
      xml bytea NOT NULL,
      at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (org_id, diagram_id, id),
      FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
    )
    """,
    "ALTER TABLE colane.bases ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE colane.bases FORCE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON colane.bases TO colane_app, colane_worker"
    f" USING (org_id = {_ORG}) WITH CHECK (org_id = {_ORG})",
    "GRANT SELECT, INSERT ON colane.bases TO colane_app",
    "GRANT SELECT, DELETE ON colane.bases TO colane_worker",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in _STATEMENTS:
        op.execute(statement)
