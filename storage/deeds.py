"""What somebody did on a diagram: an event for others and a line in the audit log, last in the transaction that did it.

One call for both, so that neither is forgotten and both say the same. Called by the modules of the nouns that change:
diagrams, members, share_links, comments.
"""

from collections.abc import Mapping
from typing import Any

from storage import audit, outbox
from storage.access import Grant
from storage.database import Connection


async def done(
    conn: Connection,
    grant: Grant,
    action: str,
    *,
    resource: str,
    told: Mapping[str, Any],
    metadata: Mapping[str, Any],
    request_id: str | None,
) -> None:
    """`told` is what the event carries, `metadata` what the log keeps for good; `resource` is "kind:id"."""
    await outbox.add(
        conn, org_id=grant.org_id, aggregate=grant.diagram_id, event=action, payload=told, request_id=request_id
    )
    await audit.record(
        conn,
        org_id=grant.org_id,
        actor=grant.user_id,
        action=action,
        resource=resource,
        metadata=metadata,
        diagram_id=grant.diagram_id,
        request_id=request_id,
    )
