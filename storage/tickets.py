"""Socket tickets: one connection to one diagram within 30 seconds, for clients that cannot send headers.

Only the hash is stored, and the credential it was made with: what a ticket opens ends with that. Redeemed by
`storage.access.redeem_ticket`; spent and expired ones are swept by the worker.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from storage.access import TICKET_LIFE_S, TICKET_PREFIX, Grant, Identity, hash_secret, new_secret
from storage.database import Database


async def issue(db: Database, identity: Identity, grant: Grant) -> tuple[str, int]:
    """A new ticket for the holder of this grant, and the epoch of the document it opens."""
    secret = new_secret(TICKET_PREFIX)
    values = {
        "org": grant.org_id,
        "hash": hash_secret(secret),
        "user": grant.user_id,
        "diagram": grant.diagram_id,
        "maker": identity.via,
        "maker_id": identity.credential_id,
        "expires": datetime.now(UTC) + timedelta(seconds=TICKET_LIFE_S),
    }
    async with db.transaction(user=grant.user_id, org=grant.org_id) as conn:
        await conn.execute(
            text(
                "INSERT INTO colane.tickets (org_id, secret_hash, user_id, diagram_id, maker, maker_id, expires_at)"
                " VALUES (:org, :hash, :user, :diagram, :maker, :maker_id, :expires)"
            ),
            values,
        )
        epoch = await conn.execute(
            text("SELECT epoch FROM colane.diagram_heads WHERE org_id = :org AND diagram_id = :diagram"), values
        )
        return secret, int(epoch.scalar_one())
