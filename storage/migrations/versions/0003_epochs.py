"""The lives of a document: which ended, which Yjs client began each, and when somebody last had the diagram open."""

from alembic import op

revision = "0003"
down_revision = "0002"

_ORG = "(SELECT nullif(current_setting('app.org', true), '')::uuid)"
_STATEMENTS = (
    """
    CREATE TABLE colane.epochs (
      org_id uuid NOT NULL,
      diagram_id uuid NOT NULL,
      epoch int NOT NULL,
      seed_client bigint NOT NULL,
      ended_at timestamptz NOT NULL DEFAULT now(),
      state bytea,
      PRIMARY KEY (org_id, diagram_id, epoch),
      FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
    )
    """,
    "ALTER TABLE colane.epochs ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE colane.epochs FORCE ROW LEVEL SECURITY",
    f"CREATE POLICY tenant ON colane.epochs TO colane_app, colane_worker"
    f" USING (org_id = {_ORG}) WITH CHECK (org_id = {_ORG})",
    "GRANT SELECT ON colane.epochs TO colane_app",
    "GRANT SELECT, INSERT, UPDATE ON colane.epochs TO colane_worker",
    # Whoever began the present life; when it was last open; up to where it was weighed whether it needs a new one.
    "ALTER TABLE colane.diagram_heads ADD COLUMN seed_client bigint, ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now(),"
    " ADD COLUMN weighed bigint NOT NULL DEFAULT 0",
    # The head version stands for the same content in the new life.
    "GRANT UPDATE (epoch) ON colane.versions TO colane_worker",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in _STATEMENTS:
        op.execute(statement)
