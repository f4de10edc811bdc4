"""Updates are appended by a function of the caller's: for whom is said inside, for its transaction and no longer."""

from alembic import op

revision = "0013"
down_revision = "0012"

# Run with the rights and under the policies of whoever calls it. A batch is one statement and so, alone, one round trip:
# every acknowledgement waits for it.
_APPEND = """
CREATE FUNCTION colane.append_updates(p_org uuid, p_diagrams uuid[], p_epochs int[], p_authors uuid[], p_clients bigint[],
  p_data bytea[]) RETURNS TABLE (place bigint, seq bigint) LANGUAGE plpgsql VOLATILE SECURITY INVOKER AS $$
#variable_conflict use_column
BEGIN
  PERFORM set_config('app.org', p_org::text, true);
  RETURN QUERY
  WITH items AS (
    SELECT * FROM unnest(p_diagrams, p_epochs, p_authors, p_clients, p_data)
      WITH ORDINALITY AS i (diagram_id, epoch, author, client_id, data, place)
  ), heads AS MATERIALIZED (
    SELECT h.diagram_id, h.epoch, h.seq FROM colane.diagram_heads h
      JOIN colane.diagrams d ON d.org_id = h.org_id AND d.id = h.diagram_id AND d.deleted_at IS NULL
     WHERE h.org_id = p_org AND h.diagram_id = ANY (p_diagrams)
     ORDER BY h.org_id, h.diagram_id FOR UPDATE OF h SKIP LOCKED
  ), numbered AS (
    SELECT i.*, h.seq + row_number() OVER (PARTITION BY i.diagram_id ORDER BY i.place) AS seq
      FROM items i JOIN heads h ON h.diagram_id = i.diagram_id AND h.epoch = i.epoch
  ), kept AS (
    INSERT INTO colane.updates (org_id, diagram_id, epoch, seq, author, client_id, data)
    SELECT p_org, diagram_id, epoch, seq, author, client_id, data FROM numbered
  ), moved AS (
    UPDATE colane.diagram_heads h SET seq = n.seq
      FROM (SELECT diagram_id, max(seq) AS seq FROM numbered GROUP BY diagram_id) n
     WHERE h.org_id = p_org AND h.diagram_id = n.diagram_id
  )
  SELECT place, seq FROM numbered;
END $$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(_APPEND)
    signature = "colane.append_updates(uuid, uuid[], int[], uuid[], bigint[], bytea[])"
    op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {signature} TO colane_app, colane_worker")
