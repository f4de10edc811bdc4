"""Ways in: invitations, links to a new password, share links and their guests, identities elsewhere; scopes of tokens.

A ticket remembers by which credential it was made, so that what it opens ends with that.
"""

from alembic import op

revision = "0009"
down_revision = "0008"

_USER = "(SELECT nullif(current_setting('app.user', true), '')::uuid)"
_ORG = "(SELECT nullif(current_setting('app.org', true), '')::uuid)"
_TENANT = ("invitations", "share_links", "link_guests")
_IDENTITY = ("reset_links", "identities")

_TABLES = (
    """
    CREATE TABLE colane.invitations (
      org_id uuid NOT NULL REFERENCES colane.organizations ON DELETE CASCADE,
      id uuid NOT NULL DEFAULT colane.new_id(),
      secret_hash bytea NOT NULL,
      email text NOT NULL CHECK (email = lower(email)),
      role text NOT NULL CHECK (role IN ('owner', 'admin', 'editor', 'commenter', 'viewer')),
      created_by uuid NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      used_at timestamptz,
      PRIMARY KEY (org_id, id)
    )
    """,
    "CREATE INDEX ON colane.invitations (secret_hash)",
    """
    CREATE TABLE colane.share_links (
      org_id uuid NOT NULL,
      id uuid NOT NULL DEFAULT colane.new_id(),
      diagram_id uuid NOT NULL,
      role text NOT NULL CHECK (role IN ('editor', 'commenter', 'viewer')),
      secret_hash bytea NOT NULL,
      password_hash text,
      created_by uuid NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz,
      PRIMARY KEY (org_id, id),
      FOREIGN KEY (org_id, diagram_id) REFERENCES colane.diagrams (org_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ON colane.share_links (org_id, diagram_id)",
    "CREATE INDEX ON colane.share_links (secret_hash)",
    # Whoever came through a link: a user, or somebody whom only this row and its cookie know. Both go with the link.
    """
    CREATE TABLE colane.link_guests (
      org_id uuid NOT NULL,
      link_id uuid NOT NULL,
      user_id uuid NOT NULL,
      secret_hash bytea,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz,
      PRIMARY KEY (org_id, link_id, user_id),
      FOREIGN KEY (org_id, link_id) REFERENCES colane.share_links (org_id, id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX ON colane.link_guests (user_id)",
    "CREATE INDEX ON colane.link_guests (secret_hash) WHERE secret_hash IS NOT NULL",
    """
    CREATE TABLE colane.reset_links (
      id uuid PRIMARY KEY DEFAULT colane.new_id(),
      user_id uuid NOT NULL REFERENCES colane.users ON DELETE CASCADE,
      org_id uuid NOT NULL,
      secret_hash bytea NOT NULL UNIQUE,
      created_by uuid NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      used_at timestamptz
    )
    """,
    "CREATE INDEX ON colane.reset_links (user_id)",
    """
    CREATE TABLE colane.identities (
      issuer text NOT NULL,
      subject text NOT NULL,
      user_id uuid NOT NULL REFERENCES colane.users ON DELETE CASCADE,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (issuer, subject)
    )
    """,
    "CREATE INDEX ON colane.identities (user_id)",
    "TRUNCATE colane.tickets",
    "ALTER TABLE colane.tickets DROP COLUMN role, ADD COLUMN maker text NOT NULL"
    " CHECK (maker IN ('session', 'token', 'link')), ADD COLUMN maker_id uuid NOT NULL",
    # Until now a token did everything, whatever it said; what said one of today's words keeps to it from here on.
    "ALTER TABLE colane.tokens NO FORCE ROW LEVEL SECURITY",
    "UPDATE colane.tokens SET scopes = '{admin}'"
    " WHERE cardinality(scopes) = 0 OR NOT scopes <@ '{read,write,admin}'::text[]",
    "ALTER TABLE colane.tokens FORCE ROW LEVEL SECURITY",
    "ALTER TABLE colane.tokens ALTER COLUMN scopes DROP DEFAULT,"
    " ADD CHECK (cardinality(scopes) > 0 AND scopes <@ '{read,write,admin}'::text[])",
)

_RIGHTS = (
    "GRANT SELECT, INSERT, UPDATE, DELETE ON colane.invitations, colane.reset_links TO colane_app",
    "GRANT SELECT, INSERT, DELETE ON colane.share_links, colane.link_guests TO colane_app",
    "GRANT SELECT, INSERT ON colane.identities TO colane_app",
    "GRANT SELECT, DELETE ON colane.invitations, colane.link_guests, colane.reset_links TO colane_worker",
    "GRANT SELECT (org_id, id, secret_hash, expires_at, used_at) ON colane.invitations TO colane_lookup",
    "GRANT SELECT (org_id, id, diagram_id, role, secret_hash, expires_at) ON colane.share_links TO colane_lookup",
    "GRANT SELECT (org_id, link_id, user_id, secret_hash, expires_at) ON colane.link_guests TO colane_lookup",
    "GRANT SELECT (user_id, secret_hash, expires_at, used_at) ON colane.reset_links TO colane_lookup",
    "GRANT SELECT (user_id, issuer, subject) ON colane.identities TO colane_lookup",
)

_LOOKUPS = {
    "find_invitation(bytea)": """
    CREATE FUNCTION colane.find_invitation(p_hash bytea) RETURNS TABLE (org_id uuid, invitation_id uuid) LANGUAGE sql
      STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      SELECT i.org_id, i.id FROM colane.invitations i
      WHERE i.secret_hash = p_hash AND i.used_at IS NULL AND i.expires_at > now() $$
    """,
    "find_link(bytea)": """
    CREATE FUNCTION colane.find_link(p_hash bytea) RETURNS TABLE (org_id uuid, link_id uuid) LANGUAGE sql STABLE
      SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      SELECT l.org_id, l.id FROM colane.share_links l
      WHERE l.secret_hash = p_hash AND (l.expires_at IS NULL OR l.expires_at > now()) $$
    """,
    "find_visit(bytea)": """
    CREATE FUNCTION colane.find_visit(p_hash bytea) RETURNS TABLE (org_id uuid, user_id uuid) LANGUAGE sql STABLE
      SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      SELECT g.org_id, g.user_id FROM colane.link_guests g WHERE g.secret_hash = p_hash AND g.expires_at > now() $$
    """,
    "find_reset(bytea)": """
    CREATE FUNCTION colane.find_reset(p_hash bytea) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER
      SET search_path = pg_catalog, pg_temp AS $$
      SELECT r.user_id FROM colane.reset_links r
      WHERE r.secret_hash = p_hash AND r.used_at IS NULL AND r.expires_at > now() $$
    """,
    "find_identity(text, text)": """
    CREATE FUNCTION colane.find_identity(p_issuer text, p_subject text) RETURNS uuid LANGUAGE sql STABLE
      SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      SELECT i.user_id FROM colane.identities i WHERE i.issuer = p_issuer AND i.subject = p_subject $$
    """,
    # Where else an account leads: organizations that hold other people or diagrams, and diagrams shared with it.
    "elsewhere(uuid, uuid)": """
    CREATE FUNCTION colane.elsewhere(p_user uuid, p_org uuid) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
      SET search_path = pg_catalog, pg_temp AS $$
      SELECT m.org_id FROM colane.memberships m WHERE m.user_id = p_user AND m.org_id <> p_org
        AND (EXISTS (SELECT 1 FROM colane.memberships o WHERE o.org_id = m.org_id AND o.user_id <> p_user)
          OR EXISTS (SELECT 1 FROM colane.diagrams d WHERE d.org_id = m.org_id))
      UNION SELECT g.org_id FROM colane.diagram_members g WHERE g.user_id = p_user AND g.org_id <> p_org
      UNION SELECT g.org_id FROM colane.link_guests g WHERE g.user_id = p_user AND g.org_id <> p_org $$
    """,
    # As before, and a link's role for whoever came through it, until the link's time is over.
    "grant_for(uuid, uuid)": """
    CREATE FUNCTION colane.grant_for(p_user uuid, p_diagram uuid)
      RETURNS TABLE (org_id uuid, role text, deleted boolean, until timestamptz) LANGUAGE sql STABLE SECURITY DEFINER
      SET search_path = pg_catalog, pg_temp AS $$
      WITH ranks (role, rank) AS (
        VALUES ('viewer', 1), ('commenter', 2), ('editor', 3), ('admin', 4), ('owner', 5)
      ), roles AS (
        SELECT d.org_id, d.deleted_at, m.role, NULL::timestamptz AS until FROM colane.diagrams d
          JOIN colane.memberships m ON m.org_id = d.org_id AND m.user_id = p_user
          WHERE d.id = p_diagram AND (d.visibility = 'org' OR m.role = 'owner' OR d.created_by = p_user)
        UNION ALL
        SELECT d.org_id, d.deleted_at, g.role, NULL FROM colane.diagrams d
          JOIN colane.diagram_members g ON g.org_id = d.org_id AND g.diagram_id = d.id AND g.user_id = p_user
          WHERE d.id = p_diagram
        UNION ALL
        -- Whoever made a diagram keeps it while they are in its organization, as an editor at least.
        SELECT d.org_id, d.deleted_at, 'editor', NULL FROM colane.diagrams d
          JOIN colane.memberships m ON m.org_id = d.org_id AND m.user_id = p_user
          WHERE d.id = p_diagram AND d.visibility = 'private' AND d.created_by = p_user
        UNION ALL
        SELECT d.org_id, d.deleted_at, l.role, l.expires_at FROM colane.diagrams d
          JOIN colane.share_links l ON l.org_id = d.org_id AND l.diagram_id = d.id
            AND (l.expires_at IS NULL OR l.expires_at > now())
          JOIN colane.link_guests g ON g.org_id = l.org_id AND g.link_id = l.id AND g.user_id = p_user
          WHERE d.id = p_diagram
      )
      SELECT r.org_id, r.role, r.deleted_at IS NOT NULL, r.until FROM roles r JOIN ranks USING (role)
        ORDER BY rank DESC, r.until DESC NULLS FIRST LIMIT 1 $$
    """,
}


def _policies() -> list[str]:
    statements = []
    for table in (*_TENANT, *_IDENTITY):
        statements += [
            f"ALTER TABLE colane.{table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE colane.{table} FORCE ROW LEVEL SECURITY",
            f"CREATE POLICY lookup ON colane.{table} FOR SELECT TO colane_lookup USING (true)",
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
    for table in ("invitations", "link_guests", "reset_links"):
        statements += [
            f"CREATE POLICY expired ON colane.{table} FOR SELECT TO colane_worker USING (expires_at < now())",
            f"CREATE POLICY expired_gone ON colane.{table} FOR DELETE TO colane_worker USING (expires_at < now())",
        ]
    return statements


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in (*_TABLES, *_policies(), *_RIGHTS):
        op.execute(statement)
    # A function can be given only to a role one belongs to, and that may create here: both for this moment only.
    op.execute("GRANT colane_lookup TO CURRENT_USER")
    op.execute("GRANT CREATE ON SCHEMA colane TO colane_lookup")
    op.execute("DROP FUNCTION colane.grant_for(uuid, uuid)")
    for signature, statement in _LOOKUPS.items():
        op.execute(statement)
        op.execute(f"REVOKE ALL ON FUNCTION colane.{signature} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION colane.{signature} TO colane_app")
        op.execute(f"ALTER FUNCTION colane.{signature} OWNER TO colane_lookup")
    op.execute("REVOKE CREATE ON SCHEMA colane FROM colane_lookup")
    op.execute("REVOKE colane_lookup FROM CURRENT_USER")
