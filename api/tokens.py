"""Access tokens for scripts: made here, shown once, revoked here.

A token is good for what its highest scope says: `read` acts as a viewer wherever its maker may be more, `write` as an
editor, `admin` as its maker. None of them outlives or exceeds what its maker may do at the moment.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.answers import Answer
from api.call import Call
from api.endpoint import Model, endpoint
from api.problems import Problem, invalid
from api.shapes import Line, Moment
from storage import tokens
from storage.access import Scope

MOST_TOKENS = 100


ScopeName = Literal["read", "write", "admin"]


class NewToken(Model):
    name: Line
    scopes: Annotated[
        list[ScopeName],
        Field(
            min_length=1,
            max_length=3,
            description="What it is good for; each includes the one before: read (as a viewer), write (as an editor),"
            " admin (as its maker: organizations, sharing, tokens). Without scopes: admin.",
        ),
    ] = ["admin"]
    expires_at: Moment | None = None


class Token(Model):
    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class MadeToken(Model):
    id: UUID
    name: str
    token: str


class Tokens(Model):
    items: list[Token]
    next_cursor: str | None = None


@endpoint("My access tokens, without their secrets", scope=Scope.ADMIN, answers=Tokens)
async def list_tokens(call: Call) -> Tokens:
    held = await tokens.of(call.resources.db, call.who.user_id)
    return Tokens(
        items=[
            Token(
                id=one.id,
                name=one.name,
                scopes=[scope.label for scope in one.scopes],
                created_at=one.created_at,
                expires_at=one.expires_at,
                last_used_at=one.last_used_at,
            )
            for one in held
        ]
    )


@endpoint(
    "Make an access token; its secret is in this answer only",
    scope=Scope.ADMIN,
    limit="write",
    status=201,
    answers=MadeToken,
)
async def make_token(call: Call, body: NewToken) -> MadeToken:
    if body.expires_at is not None and body.expires_at <= datetime.now(UTC):
        raise invalid("body.expires_at", "This moment has passed.")
    if len(await tokens.of(call.resources.db, call.who.user_id)) >= MOST_TOKENS:
        raise Problem("forbidden", f"At most {MOST_TOKENS} tokens; delete one first.")
    token_id, secret = await tokens.make(
        call.resources.db,
        call.who.user_id,
        name=body.name,
        scopes=tuple(sorted({Scope.among([name]) for name in body.scopes})),
        expires_at=body.expires_at,
        request_id=call.request_id,
    )
    return MadeToken(id=token_id, name=body.name, token=secret)


@endpoint("Revoke an access token", scope=Scope.ADMIN, limit="write", status=204)
async def revoke_token(call: Call) -> Answer:
    if not await tokens.revoke(call.resources.db, call.who.user_id, call.path["token_id"], request_id=call.request_id):
        raise Problem("not_found")
    return Answer()
