"""Who has a role on which diagram is found by person and organization together: nobody's list reads a row elsewhere."""

from alembic import op

revision = "0010"
down_revision = "0009"

_STATEMENTS = (
    "DROP INDEX colane.diagram_members_user_id_idx",
    "CREATE INDEX ON colane.diagram_members (user_id, org_id, diagram_id)",
    "DROP INDEX colane.link_guests_user_id_idx",
    "CREATE INDEX ON colane.link_guests (user_id, org_id, link_id)",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for statement in _STATEMENTS:
        op.execute(statement)
