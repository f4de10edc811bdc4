"""The first schema: people, organizations, diagrams, the log, versions, audit; row-level security on every table."""

from alembic import op

revision = "0001"
down_revision = None

_USER = "(SELECT nullif(current_setting('app.user', true), '')::uuid)"
_ORG = "(SELECT nullif(current_setting('app.org', true), '')::uuid)"

_ROLES = """
DO $$ BEGIN
  CREATE ROLE colane_lookup NOLOGIN NOSUPERUSER NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
CREATE SCHEMA colane;
REVOKE ALL ON SCHEMA colane FROM PUBLIC;
GRANT USAGE ON SCHEMA colane TO colane_app, colane_worker, colane_lookup;
-- Ids that sort by time where the server makes them (18), random ones elsewhere: one name for both.
DO $$ BEGIN
  IF current_setting('server_version_num')::int >= 180000 THEN
    CREATE FUNCTION colane.new_id() RETURNS uuid LANGUAGE sql VOLATILE AS 'SELECT uuidv7()';
  ELSE
    CREATE FUNCTION colane.new_id() RETURNS uuid LANGUAGE sql VOLATILE AS 'SELECT gen_random_uuid()';
  END IF;
END $$;
REVOKE ALL ON FUNCTION colane.new_id() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION colane.new_id() TO colane_app, colane_worker;
"""

_PEOPLE = """
CREATE TABLE colane.users (
  id uuid PRIMARY KEY DEFAULT colane.new_id(),
  email text NOT NULL CHECK (email = lower(email)),
  name text NOT NULL,
  password_hash text,
  color text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON colane.users (email);
CREATE TABLE colane.sessions (
  id uuid PRIMARY KEY DEFAULT colane.new_id(),
  user_id uuid NOT NULL REFERENCES colane.users ON DELETE CASCADE,
  secret_hash bytea NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  last_seen_at timestamptz
);
CREATE INDEX ON colane.sessions (user_id);
CREATE TABLE colane.tokens (
  id uuid PRIMARY KEY DEFAULT colane.new_id(),
  user_id uuid NOT NULL REFERENCES colane.users ON DELETE CASCADE,
  name text NOT NULL,
  secret_hash bytea NOT NULL UNIQUE,
  scopes text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  last_used_at timestamptz
);
CREATE INDEX ON colane.tokens (user_id);
CREATE TABLE colane.signin_links (
  id uuid PRIMARY KEY DEFAULT colane.new_id(),
  user_id uuid NOT NULL REFERENCES colane.users ON DELETE CASCADE,
  secret_hash bytea NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz
);
CREATE INDEX ON colane.signin_links (user_id);
CREATE TABLE colane.idempotency_keys (
  user_id uuid NOT NULL REFERENCES colane.users ON DELETE CASCADE,
  route text NOT NULL,
  key text NOT NULL,
  fingerprint bytea NOT NULL,
  status int NOT NULL,
  headers jsonb NOT NULL,
  body bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, route, key)
);
CREATE TABLE colane.organizations (
  id uuid NOT NULL,
  org_id uuid NOT NULL CHECK (org_id = id),
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id)
);
CREATE TABLE colane.memberships (
  org_id uuid NOT NULL REFERENCES colane.organizations ON DELETE CASCADE,
  user_id uuid NOT NULL REFERENCES colane.users ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'commenter', 'viewer')),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, user_id)
);
CREATE INDEX ON colane.memberships (user_id);
"""

_DIAGRAMS = """
CREATE TABLE colane.projects (
  org_id uuid NOT NULL REFERENCES colane.organizations ON DELETE CASCADE,
  id uuid NOT NULL DEFAULT colane.new_id(),
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  PRIMARY KEY (org_id, id)
);
CREATE TABLE colane.diagrams (
  org_id uuid NOT NULL REFERENCES colane.organizations ON DELETE CASCADE,
  id uuid NOT NULL DEFAULT colane.new_id(),
  project_id uuid,
  title text NOT NULL,
  visibility text NOT NULL DEFAULT 'org' CHECK (visibility IN ('org', 'private')),
  version int NOT NULL DEFAULT 0,
  element_count int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  updated_at timestamptz NOT NULL DEFAULT now(),
  updated_by uuid,
  deleted_at timestamptz,
  purge_at timestamptz,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, project_id) REFERENCES colane.projects (org_id, id)
);
CREATE INDEX ON colane.diagrams (id);
CREATE INDEX ON colane.diagrams (org_id, updated_at DESC, id DESC);
CREATE TABLE colane.diagram_members (
  org_id uuid NOT NULL,
  diagram_id uuid NOT NULL,
  user_id uuid NOT NULL,
  role text NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'commenter', 'viewer')),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, diagram_id, user_id),
  FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
);
CREATE INDEX ON colane.diagram_members (user_id);
CREATE TABLE colane.tickets (
  org_id uuid NOT NULL,
  secret_hash bytea NOT NULL,
  user_id uuid NOT NULL,
  diagram_id uuid NOT NULL,
  role text NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  PRIMARY KEY (org_id, secret_hash),
  FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
);
CREATE INDEX ON colane.tickets (secret_hash);
"""

_LOG = """
-- One narrow row a diagram: locking it orders the writers, and nothing else is ever stored here.
CREATE TABLE colane.diagram_heads (
  org_id uuid NOT NULL,
  diagram_id uuid NOT NULL,
  epoch int NOT NULL DEFAULT 1,
  seq bigint NOT NULL DEFAULT 0,
  folded bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, diagram_id),
  FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50);
CREATE TABLE colane.updates (
  org_id uuid NOT NULL,
  diagram_id uuid NOT NULL,
  epoch int NOT NULL,
  seq bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  author uuid,
  client_id bigint,
  data bytea NOT NULL,
  PRIMARY KEY (org_id, diagram_id, epoch, seq),
  FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
);
CREATE TABLE colane.pending_updates (
  org_id uuid NOT NULL,
  diagram_id uuid NOT NULL,
  id uuid NOT NULL DEFAULT colane.new_id(),
  epoch int NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  author uuid,
  data bytea NOT NULL,
  PRIMARY KEY (org_id, diagram_id, id),
  FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
);
CREATE TABLE colane.snapshots (
  org_id uuid NOT NULL,
  diagram_id uuid NOT NULL,
  epoch int NOT NULL,
  seq bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  state bytea NOT NULL,
  PRIMARY KEY (org_id, diagram_id),
  FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
);
CREATE TABLE colane.writers (
  org_id uuid NOT NULL,
  diagram_id uuid NOT NULL,
  epoch int NOT NULL,
  client_id bigint NOT NULL,
  user_id uuid,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, diagram_id, epoch, client_id),
  FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
);
CREATE TABLE colane.element_changes (
  org_id uuid NOT NULL,
  diagram_id uuid NOT NULL,
  seq bigint NOT NULL,
  ordinal int NOT NULL,
  at timestamptz NOT NULL,
  author uuid,
  node_key text NOT NULL,
  register text NOT NULL,
  before jsonb,
  after jsonb,
  PRIMARY KEY (org_id, diagram_id, seq, ordinal),
  FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
);
CREATE INDEX ON colane.element_changes (org_id, diagram_id, node_key, seq);
CREATE TABLE colane.versions (
  org_id uuid NOT NULL,
  diagram_id uuid NOT NULL,
  version int NOT NULL,
  kind text NOT NULL CHECK (kind IN ('auto', 'manual', 'restore', 'import', 'ai')),
  name text,
  message text,
  pinned boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by uuid,
  authors uuid[] NOT NULL DEFAULT '{}',
  epoch int NOT NULL,
  seq bigint NOT NULL,
  xml bytea,
  sha256 bytea NOT NULL,
  stats jsonb NOT NULL DEFAULT '{}',
  repairs jsonb NOT NULL DEFAULT '[]',
  valid boolean NOT NULL,
  element_count int NOT NULL,
  thumbnail text NOT NULL,
  evicted_at timestamptz,
  PRIMARY KEY (org_id, diagram_id, version),
  FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
);
"""

_RECORDS = """
CREATE TABLE colane.audit_heads (
  org_id uuid PRIMARY KEY,
  seq bigint NOT NULL,
  hash bytea NOT NULL
);
CREATE TABLE colane.audit (
  org_id uuid NOT NULL,
  seq bigint NOT NULL,
  id uuid NOT NULL DEFAULT colane.new_id(),
  at timestamptz NOT NULL,
  actor uuid,
  action text NOT NULL,
  resource text NOT NULL,
  diagram_id uuid,
  result text NOT NULL,
  metadata jsonb NOT NULL,
  request_id text,
  prev_hash bytea NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (org_id, seq)
);
CREATE INDEX ON colane.audit (org_id, diagram_id, seq);
CREATE FUNCTION colane.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON colane.audit
  FOR EACH ROW EXECUTE FUNCTION colane.refuse_change();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON colane.audit
  FOR EACH STATEMENT EXECUTE FUNCTION colane.refuse_change();
CREATE TABLE colane.outbox (
  org_id uuid NOT NULL,
  id uuid NOT NULL DEFAULT colane.new_id(),
  aggregate_id uuid NOT NULL,
  event text NOT NULL,
  payload jsonb NOT NULL,
  request_id text,
  occurred_at timestamptz NOT NULL DEFAULT now(),
  available_at timestamptz NOT NULL DEFAULT now(),
  attempts int NOT NULL DEFAULT 0,
  claimed_by text,
  claimed_until timestamptz,
  last_error text,
  parked_at timestamptz,
  PRIMARY KEY (org_id, id)
);
CREATE INDEX ON colane.outbox (org_id, aggregate_id, id);
CREATE TABLE colane.leases (
  name text PRIMARY KEY,
  holder text NOT NULL,
  until timestamptz NOT NULL
);
"""

_TENANT = (
    "organizations", "projects", "diagrams", "diagram_members", "tickets", "diagram_heads", "updates", "pending_updates",
    "snapshots", "writers", "element_changes", "versions", "audit_heads", "audit", "outbox",
)  # fmt: skip
_IDENTITY = ("sessions", "tokens", "signin_links", "idempotency_keys")
# What the worker reads across organizations to find work; it sets app.org before it touches a row of one.
_SWEPT = ("organizations", "diagram_heads", "updates", "snapshots", "outbox")


def _policies() -> list[str]:
    statements = []
    for table in (*_TENANT, *_IDENTITY, "users", "memberships", "leases"):
        statements += [
            f"ALTER TABLE colane.{table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE colane.{table} FORCE ROW LEVEL SECURITY",
        ]
    statements += [
        f"CREATE POLICY tenant ON colane.{table} TO colane_app, colane_worker"
        f" USING (org_id = {_ORG}) WITH CHECK (org_id = {_ORG})"
        for table in _TENANT
    ]
    statements += [
        f"CREATE POLICY own ON colane.{table} TO colane_app USING (user_id = {_USER}) WITH CHECK (user_id = {_USER})"
        for table in _IDENTITY
    ]
    statements += [
        f"CREATE POLICY sweep ON colane.{table} FOR SELECT TO colane_worker USING (true)" for table in _SWEPT
    ]
    statements += [
        f"CREATE POLICY own ON colane.users TO colane_app USING (id = {_USER}) WITH CHECK (id = {_USER})",
        # Colleagues, and guests of a diagram, are known by name inside the organization.
        "CREATE POLICY colleagues ON colane.users FOR SELECT TO colane_app USING (EXISTS (SELECT 1 FROM"
        f" colane.memberships m WHERE m.user_id = users.id AND m.org_id = {_ORG}) OR EXISTS (SELECT 1 FROM"
        f" colane.diagram_members g WHERE g.user_id = users.id AND g.org_id = {_ORG}))",
        f"CREATE POLICY seen ON colane.memberships FOR SELECT TO colane_app USING (user_id = {_USER} OR org_id = {_ORG})",
        f"CREATE POLICY added ON colane.memberships FOR INSERT TO colane_app WITH CHECK (org_id = {_ORG})",
        "CREATE POLICY changed ON colane.memberships FOR UPDATE TO colane_app"
        f" USING (org_id = {_ORG}) WITH CHECK (org_id = {_ORG})",
        f"CREATE POLICY removed ON colane.memberships FOR DELETE TO colane_app USING (org_id = {_ORG})",
        "CREATE POLICY claims ON colane.leases TO colane_worker USING (true) WITH CHECK (true)",
        "CREATE POLICY expired ON colane.sessions FOR SELECT TO colane_worker USING (expires_at < now())",
        "CREATE POLICY expired_gone ON colane.sessions FOR DELETE TO colane_worker USING (expires_at < now())",
        "CREATE POLICY expired ON colane.tokens FOR SELECT TO colane_worker USING (expires_at < now())",
        "CREATE POLICY expired_gone ON colane.tokens FOR DELETE TO colane_worker USING (expires_at < now())",
        "CREATE POLICY expired ON colane.signin_links FOR SELECT TO colane_worker USING (expires_at < now())",
        "CREATE POLICY expired_gone ON colane.signin_links FOR DELETE TO colane_worker USING (expires_at < now())",
        "CREATE POLICY expired ON colane.idempotency_keys FOR SELECT TO colane_worker"
        " USING (created_at < now() - interval '24 hours')",
        "CREATE POLICY expired_gone ON colane.idempotency_keys FOR DELETE TO colane_worker"
        " USING (created_at < now() - interval '24 hours')",
        "CREATE POLICY expired ON colane.tickets FOR SELECT TO colane_worker USING (expires_at < now())",
        "CREATE POLICY expired_gone ON colane.tickets FOR DELETE TO colane_worker USING (expires_at < now())",
    ]
    return statements


_GRANTS = """
GRANT SELECT, INSERT, UPDATE ON colane.users TO colane_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON colane.sessions, colane.tokens, colane.signin_links, colane.idempotency_keys,
  colane.memberships, colane.organizations, colane.projects, colane.diagrams, colane.diagram_members, colane.tickets,
  colane.diagram_heads, colane.updates, colane.pending_updates, colane.snapshots, colane.writers,
  colane.element_changes, colane.versions, colane.outbox TO colane_app;
GRANT SELECT, INSERT, UPDATE ON colane.audit_heads TO colane_app, colane_worker;
GRANT SELECT, INSERT ON colane.audit TO colane_app, colane_worker;
GRANT SELECT ON colane.organizations TO colane_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON colane.diagrams, colane.diagram_heads, colane.updates, colane.pending_updates,
  colane.snapshots, colane.writers, colane.element_changes, colane.versions, colane.outbox, colane.leases
  TO colane_worker;
GRANT SELECT, DELETE ON colane.sessions, colane.tokens, colane.signin_links, colane.idempotency_keys, colane.tickets
  TO colane_worker;
"""

# Look-ups before a tenant is known. They return ids; what the ids stand for is read afterwards, under the policies.
_LOOKUPS = """
GRANT SELECT (id, email) ON colane.users TO colane_lookup;
GRANT SELECT (id, user_id, secret_hash, expires_at) ON colane.sessions, colane.tokens TO colane_lookup;
GRANT SELECT (user_id, secret_hash, expires_at, used_at) ON colane.signin_links TO colane_lookup;
GRANT SELECT (org_id, user_id, secret_hash, expires_at, used_at) ON colane.tickets TO colane_lookup;
GRANT SELECT (org_id, user_id, role) ON colane.memberships TO colane_lookup;
GRANT SELECT (org_id, id, visibility, created_by, deleted_at) ON colane.diagrams TO colane_lookup;
GRANT SELECT (org_id, diagram_id, user_id, role) ON colane.diagram_members TO colane_lookup;
CREATE POLICY lookup ON colane.users FOR SELECT TO colane_lookup USING (true);
CREATE POLICY lookup ON colane.sessions FOR SELECT TO colane_lookup USING (true);
CREATE POLICY lookup ON colane.tokens FOR SELECT TO colane_lookup USING (true);
CREATE POLICY lookup ON colane.signin_links FOR SELECT TO colane_lookup USING (true);
CREATE POLICY lookup ON colane.tickets FOR SELECT TO colane_lookup USING (true);
CREATE POLICY lookup ON colane.memberships FOR SELECT TO colane_lookup USING (true);
CREATE POLICY lookup ON colane.diagrams FOR SELECT TO colane_lookup USING (true);
CREATE POLICY lookup ON colane.diagram_members FOR SELECT TO colane_lookup USING (true);

CREATE FUNCTION colane.find_user(p_email text) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
  SELECT u.id FROM colane.users u WHERE u.email = lower(p_email) $$;
CREATE FUNCTION colane.find_session(p_hash bytea) RETURNS TABLE (session_id uuid, user_id uuid) LANGUAGE sql STABLE
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.id, s.user_id FROM colane.sessions s WHERE s.secret_hash = p_hash AND s.expires_at > now() $$;
CREATE FUNCTION colane.find_token(p_hash bytea) RETURNS TABLE (token_id uuid, user_id uuid) LANGUAGE sql STABLE
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.id, t.user_id FROM colane.tokens t
  WHERE t.secret_hash = p_hash AND (t.expires_at IS NULL OR t.expires_at > now()) $$;
CREATE FUNCTION colane.find_ticket(p_hash bytea) RETURNS TABLE (org_id uuid, user_id uuid) LANGUAGE sql STABLE
  SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT t.org_id, t.user_id FROM colane.tickets t
  WHERE t.secret_hash = p_hash AND t.used_at IS NULL AND t.expires_at > now() $$;
CREATE FUNCTION colane.find_signin(p_hash bytea) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
  SELECT l.user_id FROM colane.signin_links l
  WHERE l.secret_hash = p_hash AND l.used_at IS NULL AND l.expires_at > now() $$;
-- The organization's role counts on diagrams that are open to it, and for its owners and a diagram's creator always; a
-- role on the diagram itself raises it. No row: for this person the diagram does not exist.
CREATE FUNCTION colane.grant_for(p_user uuid, p_diagram uuid)
  RETURNS TABLE (org_id uuid, role text, deleted boolean) LANGUAGE sql STABLE SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp AS $$
  WITH ranks (role, rank) AS (
    VALUES ('viewer', 1), ('commenter', 2), ('editor', 3), ('admin', 4), ('owner', 5)
  ), roles AS (
    SELECT d.org_id, d.deleted_at, m.role FROM colane.diagrams d
      JOIN colane.memberships m ON m.org_id = d.org_id AND m.user_id = p_user
      WHERE d.id = p_diagram AND (d.visibility = 'org' OR m.role = 'owner' OR d.created_by = p_user)
    UNION ALL
    SELECT d.org_id, d.deleted_at, g.role FROM colane.diagrams d
      JOIN colane.diagram_members g ON g.org_id = d.org_id AND g.diagram_id = d.id AND g.user_id = p_user
      WHERE d.id = p_diagram
    UNION ALL
    -- Whoever made a diagram keeps it while they are in its organization, as an editor at least.
    SELECT d.org_id, d.deleted_at, 'editor' FROM colane.diagrams d
      JOIN colane.memberships m ON m.org_id = d.org_id AND m.user_id = p_user
      WHERE d.id = p_diagram AND d.visibility = 'private' AND d.created_by = p_user
  )
  SELECT r.org_id, r.role, r.deleted_at IS NOT NULL FROM roles r JOIN ranks USING (role) ORDER BY rank DESC LIMIT 1 $$;
"""

_FUNCTIONS = (
    "find_user(text)", "find_session(bytea)", "find_token(bytea)", "find_ticket(bytea)", "find_signin(bytea)",
    "grant_for(uuid, uuid)",
)  # fmt: skip


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for block in (_ROLES, _PEOPLE, _DIAGRAMS, _LOG, _RECORDS):
        _run(block)
    for statement in _policies():
        op.execute(statement)
    _run(_GRANTS)
    _run(_LOOKUPS)
    # A function can be given only to a role one belongs to, and that may create here: both for this moment only.
    op.execute("GRANT colane_lookup TO CURRENT_USER")
    op.execute("GRANT CREATE ON SCHEMA colane TO colane_lookup")
    for function in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION colane.{function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION colane.{function} TO colane_app")
        op.execute(f"ALTER FUNCTION colane.{function} OWNER TO colane_lookup")
    op.execute("REVOKE CREATE ON SCHEMA colane FROM colane_lookup")
    op.execute("REVOKE colane_lookup FROM CURRENT_USER")
    op.execute("REVOKE ALL ON FUNCTION colane.refuse_change() FROM PUBLIC")


def _run(block: str) -> None:
    # One statement at a time: asyncpg prepares what it runs, and a prepared statement is one statement.
    statement: list[str] = []
    quoted = False
    for line in block.splitlines():
        statement.append(line)
        if line.count("$$") % 2 == 1:
            quoted = not quoted
        if not quoted and line.rstrip().endswith(";"):
            op.execute("\n".join(statement))
            statement = []
