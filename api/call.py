"""One request on its way through a route: who asks, what they may do, what they sent, and what to send along.

Made by api/dispatch.py, read by the feature files. A route never touches Starlette's request but through this.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from starlette.requests import Request

from api.answers import Answer, etag_matches
from api.limits import Limits, Taken
from api.resources import Resources
from storage.access import Grant, Identity, Role
from storage.database import Connection
from storage.idempotency import Once


@dataclass(frozen=True, slots=True)
class Xml:
    """A request body that is the XML itself; `charset` is the media type's parameter and wins over the declaration."""

    content: bytes
    charset: str | None


@dataclass(frozen=True, slots=True)
class Membership:
    """The caller's place in the organization that the path or `?org=` names."""

    org_id: UUID
    role: Role


AnswerOf = Callable[[Connection, Any], Awaitable[Answer]]


class KeyUse(Protocol):
    """What a route needs of an Idempotency-Key (api/keys.py has the rest)."""

    def with_answer(self, answer: AnswerOf) -> Once:
        """The key as a command takes it."""


@dataclass(slots=True)
class Call:
    """What a route may know about its request."""

    request: Request
    resources: Resources
    limits: Limits
    request_id: str
    address: str
    identity: Identity | None = None
    grant: Grant | None = None
    membership: Membership | None = None
    path: dict[str, Any] = field(default_factory=dict)
    found: Any = None  # what the endpoint's `resolve` returned
    key: "KeyUse | None" = None  # the Idempotency-Key, where the client sent one
    taken: Taken | None = None  # from the rate limit, once it was taken

    @property
    def counted(self) -> str | None:
        """Who is counted beside the address."""
        return str(self.identity.user_id) if self.identity else None

    about: str | None = None  # what a refusal is about, where the path does not say it ("account:...")

    @property
    def who(self) -> Identity:
        """The signed-in caller of a route that needs one."""
        assert self.identity is not None
        return self.identity

    @property
    def on(self) -> Grant:
        """The caller's grant on the diagram in the path."""
        assert self.grant is not None
        return self.grant

    @property
    def org(self) -> Membership:
        """The caller's membership of the organization in the path."""
        assert self.membership is not None
        return self.membership

    def once(self, answer: AnswerOf) -> Once | None:
        """What a command takes to be done once, where the client asked for that."""
        return None if self.key is None else self.key.with_answer(answer)

    def page(self, path: str) -> str:
        """The address of a page of ours, as this client reaches us."""
        return f"{self.request.url.scheme}://{self.request.headers.get('host', '')}{path}"

    def header(self, name: str) -> str | None:
        """A request header."""
        return self.request.headers.get(name)

    def has_copy(self, etag: str) -> bool:
        """Whether the client holds what this ETag stands for."""
        return etag_matches(self.header("if-none-match"), etag)
