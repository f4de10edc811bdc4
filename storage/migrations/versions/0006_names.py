"""The worker writes versions too, and says whose edits met: it may read the names of an organization's people."""

from alembic import op

revision = "0006"
down_revision = "0005"

_ORG = "(SELECT nullif(current_setting('app.org', true), '')::uuid)"
_STATEMENTS = (
    "GRANT SELECT (id, name) ON colane.users TO colane_worker",
    "GRANT SELECT (org_id, user_id) ON colane.memberships, colane.diagram_members TO colane_worker",
    f"CREATE POLICY named ON colane.memberships FOR SELECT TO colane_worker USING (org_id = {_ORG})",
    "CREATE POLICY named ON colane.users FOR SELECT TO colane_worker USING (EXISTS (SELECT 1 FROM"
    f" colane.memberships m WHERE m.user_id = users.id AND m.org_id = {_ORG}) OR EXISTS (SELECT 1 FROM"
    f" colane.diagram_members g WHERE g.user_id = users.id AND g.org_id = {_ORG}))",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in _STATEMENTS:
        op.execute(statement)
