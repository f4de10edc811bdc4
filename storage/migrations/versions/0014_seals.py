"""Signed heads of the audit log, which nobody changes; a chain's own head only moves on, row by row."""

from alembic import op

revision = "0014"
down_revision = "0013"

_ORG = "(SELECT nullif(current_setting('app.org', true), '')::uuid)"
_STATEMENTS = (
    """CREATE TABLE colane.audit_seals (
      org_id uuid NOT NULL,
      seq bigint NOT NULL,
      hash bytea NOT NULL,
      at timestamptz NOT NULL,
      key_id text NOT NULL,
      signature bytea NOT NULL,
      PRIMARY KEY (org_id, seq, key_id)
    )""",
    "ALTER TABLE colane.audit_seals ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE colane.audit_seals FORCE ROW LEVEL SECURITY",
    "CREATE POLICY tenant ON colane.audit_seals TO colane_app, colane_worker"
    f" USING (org_id = {_ORG}) WITH CHECK (org_id = {_ORG})",
    # The worker finds the chains that went on since they were signed, across organizations.
    "CREATE POLICY sweep ON colane.audit_seals FOR SELECT TO colane_worker USING (true)",
    "CREATE POLICY sweep ON colane.audit_heads FOR SELECT TO colane_worker USING (true)",
    "GRANT SELECT ON colane.audit_seals TO colane_app, colane_worker",
    "GRANT INSERT ON colane.audit_seals TO colane_worker",
    "CREATE TRIGGER audit_seals_are_append_only BEFORE UPDATE OR DELETE ON colane.audit_seals"
    " FOR EACH ROW EXECUTE FUNCTION colane.refuse_change()",
    "CREATE TRIGGER audit_seals_are_not_emptied BEFORE TRUNCATE ON colane.audit_seals"
    " FOR EACH STATEMENT EXECUTE FUNCTION colane.refuse_change()",
    """CREATE FUNCTION colane.refuse_to_go_back() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NEW.org_id = OLD.org_id AND NEW.seq = OLD.seq + 1 THEN RETURN NEW; END IF;
      RAISE EXCEPTION 'the head of an audit chain only moves on, row by row';
    END $$""",
    "REVOKE EXECUTE ON FUNCTION colane.refuse_to_go_back() FROM PUBLIC",
    "CREATE TRIGGER audit_heads_move_on BEFORE UPDATE ON colane.audit_heads"
    " FOR EACH ROW EXECUTE FUNCTION colane.refuse_to_go_back()",
    "CREATE TRIGGER audit_heads_stay BEFORE DELETE ON colane.audit_heads"
    " FOR EACH ROW EXECUTE FUNCTION colane.refuse_change()",
    "CREATE TRIGGER audit_heads_are_not_emptied BEFORE TRUNCATE ON colane.audit_heads"
    " FOR EACH STATEMENT EXECUTE FUNCTION colane.refuse_change()",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in _STATEMENTS:
        op.execute(statement)
