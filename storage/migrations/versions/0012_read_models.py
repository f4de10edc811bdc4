"""Read models: what search finds and what the dashboard counts, written by the worker from the events of the outbox."""

from alembic import op

revision = "0012"
down_revision = "0011"

_ORG = "(SELECT nullif(current_setting('app.org', true), '')::uuid)"
_TABLES = ("search_entries", "diagram_facts", "diagram_activity")
_STATEMENTS = (
    # So that one index can hold the organization and the words. Trusted: the database's owner may create it.
    "CREATE EXTENSION IF NOT EXISTS btree_gin",
    """
    CREATE TABLE colane.search_entries (
      org_id uuid NOT NULL,
      diagram_id uuid NOT NULL,
      key text NOT NULL,
      field text NOT NULL CHECK (field IN ('title', 'name', 'documentation', 'text', 'comment')),
      element_id text,
      element_type text,
      body text NOT NULL,
      words tsvector NOT NULL,
      PRIMARY KEY (org_id, diagram_id, key),
      FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
    )
    """,
    # Entries are read all the time and written by a worker: it pays for the index, not who searches.
    "CREATE INDEX search_words ON colane.search_entries USING gin (org_id, words) WITH (fastupdate = off)",
    """
    CREATE TABLE colane.diagram_facts (
      org_id uuid NOT NULL,
      diagram_id uuid NOT NULL,
      indexed int NOT NULL DEFAULT 0,
      counted int NOT NULL DEFAULT 0,
      threads int NOT NULL DEFAULT 0,
      open_threads int NOT NULL DEFAULT 0,
      PRIMARY KEY (org_id, diagram_id),
      FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE colane.diagram_activity (
      org_id uuid NOT NULL,
      diagram_id uuid NOT NULL,
      day date NOT NULL,
      user_id uuid NOT NULL,
      edits int NOT NULL,
      last_at timestamptz NOT NULL,
      PRIMARY KEY (org_id, diagram_id, day, user_id),
      FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX diagram_activity_days ON colane.diagram_activity (org_id, day)",
    *(
        statement
        for table in _TABLES
        for statement in (
            f"ALTER TABLE colane.{table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE colane.{table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY tenant ON colane.{table} TO colane_app, colane_worker"
            f" USING (org_id = {_ORG}) WITH CHECK (org_id = {_ORG})",
            f"GRANT SELECT ON colane.{table} TO colane_app",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON colane.{table} TO colane_worker",
        )
    ),
    # Under row-level security the index would never be used: the match operator is not leakproof. So the look-ups' role
    # searches, in the organization of the transaction; it returns keys, what they stand for is read under the policies.
    "GRANT SELECT (org_id, diagram_id, key, words) ON colane.search_entries TO colane_lookup",
    "CREATE POLICY lookup ON colane.search_entries FOR SELECT TO colane_lookup USING (true)",
    """
    CREATE FUNCTION colane.search_ids(p_query tsquery) RETURNS TABLE (diagram_id uuid, key text, rank real)
      LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      SELECT e.diagram_id, e.key, ts_rank(e.words, p_query, 1) AS rank FROM colane.search_entries e
      WHERE e.org_id = (SELECT nullif(current_setting('app.org', true), '')::uuid) AND e.words @@ p_query
      ORDER BY rank DESC LIMIT 10000 $$
    """,
    "REVOKE ALL ON FUNCTION colane.search_ids(tsquery) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION colane.search_ids(tsquery) TO colane_app",
    # A function can be given only to a role one belongs to, and that may create here: both for this moment only.
    "GRANT colane_lookup TO CURRENT_USER",
    "GRANT CREATE ON SCHEMA colane TO colane_lookup",
    "ALTER FUNCTION colane.search_ids(tsquery) OWNER TO colane_lookup",
    "REVOKE CREATE ON SCHEMA colane FROM colane_lookup",
    "REVOKE colane_lookup FROM CURRENT_USER",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in _STATEMENTS:
        op.execute(statement)
