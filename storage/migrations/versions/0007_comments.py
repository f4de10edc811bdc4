"""What people say about diagrams and their elements, and who is named in it."""

from alembic import op

revision = "0007"
down_revision = "0006"

_ORG = "(SELECT nullif(current_setting('app.org', true), '')::uuid)"
_STATEMENTS = (
    """
    CREATE TABLE colane.comments (
      org_id uuid NOT NULL,
      diagram_id uuid NOT NULL,
      id uuid NOT NULL,
      thread_id uuid,
      element_id text,
      element_name text,
      orphaned boolean NOT NULL DEFAULT false,
      looked bigint NOT NULL DEFAULT 0,
      author uuid,
      text text NOT NULL,
      answers int NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL DEFAULT now(),
      edited_at timestamptz,
      deleted_at timestamptz,
      resolved_at timestamptz,
      resolved_by uuid,
      PRIMARY KEY (org_id, diagram_id, id),
      FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE,
      FOREIGN KEY (org_id, diagram_id, thread_id) REFERENCES colane.comments (org_id, diagram_id, id) ON DELETE CASCADE
    )
    """,
    # One index for both: threads are those without a thread, answers stand behind theirs.
    "CREATE INDEX ON colane.comments (org_id, diagram_id, thread_id, id)",
    """
    CREATE TABLE colane.mentions (
      org_id uuid NOT NULL,
      diagram_id uuid NOT NULL,
      comment_id uuid NOT NULL,
      user_id uuid NOT NULL,
      place int NOT NULL,
      PRIMARY KEY (org_id, diagram_id, comment_id, user_id),
      FOREIGN KEY (org_id, diagram_id, comment_id) REFERENCES colane.comments (org_id, diagram_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ON colane.mentions (org_id, user_id, comment_id)",
    *(
        statement
        for table in ("comments", "mentions")
        for statement in (
            f"ALTER TABLE colane.{table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE colane.{table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY tenant ON colane.{table} TO colane_app, colane_worker"
            f" USING (org_id = {_ORG}) WITH CHECK (org_id = {_ORG})",
        )
    ),
    "GRANT SELECT, INSERT, UPDATE, DELETE ON colane.comments TO colane_app",
    "GRANT SELECT, INSERT, DELETE ON colane.mentions TO colane_app",
    # For search, which is rebuilt from what is there.
    "GRANT SELECT ON colane.comments TO colane_worker",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in _STATEMENTS:
        op.execute(statement)
