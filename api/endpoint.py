"""How a route is declared: `@endpoint(...)` on an async function says everything that dispatch and OpenAPI need.

The function takes `call` and, where it wants them, `query` (a model) and `body` (a model, `Xml`, or a union of both); what
it returns is a model, an `Answer`, or None. The declaration is the only description of the route: nothing is written
twice, and a test asserts that every error a route raises is in its declaration.
"""

import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Union

from pydantic import BaseModel, ConfigDict

from api.answers import JSON
from api.call import Call, Xml
from storage.access import Role, Scope


class Model(BaseModel):
    """Base of all request and answer shapes: strict about types, silent about fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Need(Enum):
    """Who may call a route that names neither a diagram nor an organization."""

    NOBODY = "anybody, signed in or not"
    SIGNED_IN = "anybody who is signed in"


Handler = Callable[..., Awaitable[BaseModel | Any | None]]
Resolver = Callable[[Call], Awaitable[Any]]
Check = Callable[[Call], None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A declared route, without its path."""

    run: Handler
    summary: str
    need: Need | Role
    scope: Scope
    visitors: bool
    limit: str | None
    status: int
    answers: type[BaseModel] | None
    produces: tuple[str, ...]
    accepts: Check | None
    also: Mapping[int, str]
    errors: tuple[str, ...]
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    takes_xml: bool
    body_limit: int
    resolve: Resolver | None
    deleted: bool
    idempotent: bool
    conditional: bool
    headers: Mapping[str, str]

    @property
    def name(self) -> str:
        """Unique operation id: file and function."""
        return f"{self.run.__module__.rpartition('.')[2]}_{self.run.__name__}"


def endpoint(
    summary: str,
    *,
    need: Need | Role = Need.SIGNED_IN,
    scope: Scope | None = None,
    visitors: bool = False,
    limit: str | None = "read",
    status: int = 200,
    answers: type[BaseModel] | None = None,
    produces: tuple[str, ...] = (JSON,),
    accepts: Check | None = None,
    also: Mapping[int, str] | None = None,
    errors: tuple[str, ...] = (),
    body_limit: int = 1 << 20,
    resolve: Resolver | None = None,
    deleted: bool = False,
    idempotent: bool = False,
    conditional: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Callable[[Handler], Endpoint]:
    """Declare a route. `need` is a Role where the path names a diagram or an organization; `scope` is what an access
    token must be good for (by itself: read where the limit is that of reading, else write); `visitors` lets those in
    who came through a link and did not sign in.

    `resolve` finds what else the path names, before the body is looked at; `deleted` lets deleted diagrams through;
    `accepts` refuses formats (406) before anything is looked up; `also` are further statuses of success, and when.
    """

    def declare(run: Handler) -> Endpoint:
        hints = typing.get_type_hints(run)
        wanted = inspect.signature(run).parameters
        model, takes_xml = _body(hints["body"]) if "body" in wanted else (None, False)
        return Endpoint(
            run=run,
            summary=summary,
            need=need,
            scope=scope or (Scope.READ if limit == "read" else Scope.WRITE),
            visitors=visitors,
            limit=limit,
            status=status,
            answers=answers,
            produces=produces,
            accepts=accepts,
            also=also or {},
            errors=errors,
            query=hints["query"] if "query" in wanted else None,
            body=model,
            takes_xml=takes_xml,
            body_limit=body_limit,
            resolve=resolve,
            deleted=deleted,
            idempotent=idempotent,
            conditional=conditional,
            headers=headers or {},
        )

    return declare


def _body(hint: Any) -> tuple[type[BaseModel] | None, bool]:
    options = typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)
    models = [one for one in options if one is not Xml]
    assert len(models) <= 1
    return (models[0] if models else None), Xml in options
