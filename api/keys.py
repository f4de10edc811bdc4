"""Idempotency-Key on the way through a route: which key, replay or run, and what is kept of the answer.

Success is kept by the command, in its own transaction (storage/idempotency.py); what came without a write, an unchanged
save or a refused payload, is kept here afterwards.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from starlette.responses import Response

from api.answers import Answer, encode
from api.call import Call
from api.endpoint import Endpoint
from api.problems import invalid, respond
from api.translate import problem_for
from storage.database import Connection
from storage.idempotency import InProgressError, KeyReusedError, Once, Stored

KEPT_REFUSALS = frozenset({413, 415, 422})
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = ("content-type", "etag", "location", "cache-control")


@dataclass(slots=True)
class Running:
    """The keys whose first request this process is working on. Other processes are told apart by the lock on the key,
    which is only held while the answer is written: work that is done twice costs time, and only one counts."""

    names: set[tuple[UUID, str, str]] = field(default_factory=set)

    @contextmanager
    def hold(self, use: "KeyUse | None") -> Iterator[None]:
        """For the length of a `with` block. Raises InProgressError."""
        if use is None:
            yield
            return
        name = (use.once.user_id, use.once.route, use.once.key)
        if name in self.names:
            raise InProgressError
        self.names.add(name)
        try:
            yield
        finally:
            self.names.remove(name)


@dataclass(slots=True)
class KeyUse:
    """The key of one request."""

    endpoint: Endpoint
    call: Call
    once: Once

    @staticmethod
    def wanted(endpoint: Endpoint, call: Call) -> bool:
        """Did the client send a key to a route that takes one?"""
        return endpoint.idempotent and call.header("idempotency-key") is not None

    @classmethod
    def of(cls, endpoint: Endpoint, call: Call, body: bytes) -> "KeyUse | None":
        """The key the client sent, where this route takes one; `body` is the digest of what came with it."""
        key = call.header("idempotency-key")
        if key is None or not endpoint.idempotent:
            return None
        if not _KEY.fullmatch(key):
            raise invalid("header.Idempotency-Key", "1 to 255 visible ASCII characters.")
        url = call.request.url
        digest = hashlib.sha256()
        for part in (call.request.method.encode(), url.path.encode(), url.query.encode(), body):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return cls(endpoint, call, Once(call.who.user_id, endpoint.name, key, digest.digest(), _never))

    def with_answer(self, answer: Callable[[Connection, Any], Awaitable[Answer]]) -> Once:
        """The key as a command takes it; `answer` turns the command's result into what the client gets."""

        async def render(conn: Connection, result: Any) -> Stored:
            given = await answer(conn, result)
            content, media_type = encode(given.body)
            headers = {k.lower(): v for k, v in given.headers.items() if k.lower() in _KEPT_HEADERS}
            if given.etag is not None:
                headers["etag"] = given.etag
            if media_type is not None:
                headers["content-type"] = media_type
            headers.setdefault("cache-control", "no-store")
            return Stored(given.status or self.endpoint.status, headers, content)

        self.once.render = render
        return self.once

    async def look(self) -> None:
        """Raise Replay when this was answered before."""
        await self.once.look(self.call.resources.db)

    async def after_answer(self, response: Response) -> None:
        """Keep a success that the command did not keep itself. Raises Replay where a twin elsewhere was faster: its answer
        stands, and ours, which found the work done, is not given."""
        if not self.once.left and 200 <= response.status_code < 300:
            await self._keep(response)

    async def after_failure(self, error: Exception) -> None:
        """Keep the refusal of a payload. Raises Replay where a twin elsewhere was faster."""
        if isinstance(error, (InProgressError, KeyReusedError)):
            return
        await self.look()
        problem = problem_for(error)
        if problem is not None and problem.status in KEPT_REFUSALS:
            await self._keep(respond(problem, self.call.request_id))

    async def _keep(self, response: Response) -> None:
        headers = {k: v for k, v in response.headers.items() if k in _KEPT_HEADERS}
        stored = Stored(response.status_code, headers, bytes(response.body))
        await self.once.keep_apart(self.call.resources.db, stored)


async def _never(_conn: Connection, _result: Any) -> Stored:
    raise AssertionError("a route that takes a key names its answer")
