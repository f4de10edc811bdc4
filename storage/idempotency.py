"""Idempotency keys: a request repeated with its key is answered, not done again.

`Once` is handed to a command, which calls `enter` first in its final transaction and `leave` last: the answer is stored
in the same transaction as the work, under an advisory lock on the key, so both happen or neither. A command that fails
rolls both back. Kept 24 hours; the key is the caller's and the route's, the fingerprint covers the whole request.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from storage.database import Connection, Database

KEPT_HOURS = 24


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer as it was given the first time."""

    status: int
    headers: dict[str, str]
    body: bytes


class Replay(Exception):  # noqa: N818 -- not a failure: the work was done before, here is its answer
    """This key was used for the same request, and answered."""

    def __init__(self, stored: Stored) -> None:
        super().__init__("answered before")
        self.stored = stored


class InProgressError(Exception):
    """The first request with this key is still running."""


class KeyReusedError(Exception):
    """This key was used for a different request."""


_LOCK = text("SELECT pg_try_advisory_xact_lock(:number)")
_FIND = text(
    "SELECT fingerprint, status, headers, body FROM colane.idempotency_keys"
    " WHERE user_id = :user AND route = :route AND key = :key AND created_at > now() - make_interval(hours => :hours)"
)
_STORE = text(
    "INSERT INTO colane.idempotency_keys (user_id, route, key, fingerprint, status, headers, body)"
    " VALUES (:user, :route, :key, :fingerprint, :status, CAST(:headers AS jsonb), :body)"
    " ON CONFLICT (user_id, route, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,"
    " headers = excluded.headers, body = excluded.body, created_at = now()"
)


@dataclass(slots=True)
class Once:
    """One request with an Idempotency-Key. `render` turns the command's result into the answer to keep."""

    user_id: UUID
    route: str
    key: str
    fingerprint: bytes
    render: Callable[[Connection, Any], Awaitable[Stored]]
    left: bool = False

    @property
    def _number(self) -> int:
        parts = json.dumps([str(self.user_id), self.route, self.key]).encode()
        return int.from_bytes(hashlib.sha256(parts).digest()[:8], "big", signed=True)

    async def enter(self, conn: Connection) -> None:
        """Take the key for this transaction, or raise Replay, InProgressError or KeyReusedError."""
        if not (await conn.execute(_LOCK, {"number": self._number})).scalar_one():
            raise InProgressError
        await self._seek(conn)

    async def _seek(self, conn: Connection) -> None:
        row = (
            await conn.execute(_FIND, {"user": self.user_id, "route": self.route, "key": self.key, "hours": KEPT_HOURS})
        ).one_or_none()
        if row is None:
            return
        if bytes(row.fingerprint) != self.fingerprint:
            raise KeyReusedError
        raise Replay(Stored(row.status, dict(row.headers), bytes(row.body)))

    async def leave(self, conn: Connection, result: Any) -> None:
        """Keep the answer to this request, in the transaction that did the work."""
        await self._keep(conn, await self.render(conn, result))

    async def _keep(self, conn: Connection, stored: Stored) -> None:
        await conn.execute(
            _STORE,
            {
                "user": self.user_id,
                "route": self.route,
                "key": self.key,
                "fingerprint": self.fingerprint,
                "status": stored.status,
                "headers": json.dumps(stored.headers),
                "body": stored.body,
            },
        )
        self.left = True

    async def look(self, db: Database) -> None:
        """Raise Replay or KeyReusedError before any work is done. Without the lock: to look must hinder nobody's work."""
        async with db.transaction(user=self.user_id, read_only=True) as conn:
            await self._seek(conn)

    async def keep_apart(self, db: Database, stored: Stored) -> None:
        """Keep an answer that came without a write: an unchanged save, a refused payload."""
        async with db.transaction(user=self.user_id) as conn:
            await self.enter(conn)
            await self._keep(conn, stored)
