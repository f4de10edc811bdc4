"""Access tokens: made by a person for scripts, shown once, hashed at rest, deleted to revoke."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from storage import audit, notices
from storage.access import TOKEN_PREFIX, Scope, hash_secret, new_secret
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret."""

    id: UUID
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


async def make(
    db: Database,
    user_id: UUID,
    *,
    name: str,
    scopes: tuple[Scope, ...] = (Scope.ADMIN,),
    expires_at: datetime | None = None,
    secret: str | None = None,
    request_id: str | None = None,
) -> tuple[UUID, str]:
    """A new token's id and secret. `secret` presets it (COLANE_TOKEN of the embedded mode)."""
    value = secret or new_secret(TOKEN_PREFIX)
    async with db.transaction(user=user_id, org=audit.SYSTEM) as conn:
        made = await conn.execute(
            text(
                "INSERT INTO colane.tokens (user_id, name, secret_hash, scopes, expires_at)"
                " VALUES (:user, :name, :hash, :scopes, :expires) RETURNING id"
            ),
            {
                "user": user_id,
                "name": name,
                "hash": hash_secret(value),
                "scopes": [one.label for one in scopes],
                "expires": expires_at,
            },
        )
        token_id: UUID = made.scalar_one()
        labels = [one.label for one in scopes]
        await audit.record_own(
            conn, user_id, "token.create", f"token:{token_id}", request_id, scopes=labels, expires_at=expires_at
        )
        return token_id, value


async def of(db: Database, user_id: UUID) -> list[Token]:
    """Somebody's tokens, newest first."""
    async with db.transaction(user=user_id, read_only=True) as conn:
        rows = await conn.execute(
            text(
                "SELECT id, name, scopes, created_at, expires_at, last_used_at FROM colane.tokens"
                " WHERE user_id = :user ORDER BY created_at DESC, id DESC"
            ),
            {"user": user_id},
        )
        return [
            Token(
                row.id,
                row.name,
                tuple(Scope.among([label]) for label in row.scopes),
                row.created_at,
                row.expires_at,
                row.last_used_at,
            )
            for row in rows
        ]


async def revoke(db: Database, user_id: UUID, token_id: UUID, *, request_id: str | None = None) -> bool:
    """Delete a token, and tell the sockets that it opened; False when there is none."""
    async with db.transaction(user=user_id, org=audit.SYSTEM) as conn:
        done = await conn.execute(
            text("DELETE FROM colane.tokens WHERE id = :id AND user_id = :user"), {"id": token_id, "user": user_id}
        )
        if done.rowcount != 1:
            return False
        await notices.notify(conn, {"event": "access", "user": str(user_id)})
        await audit.record_own(conn, user_id, "token.revoke", f"token:{token_id}", request_id)
        return True
