"""Single-use socket tickets, and who is live on a diagram."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from api.call import Call
from api.endpoint import Model, endpoint
from api.problems import Problem
from storage import tickets
from storage.access import TICKET_LIFE_S, Role, Scope


class TicketRequest(Model):
    rules: Annotated[int | None, Field(description="The rule version of the client's document code")] = None


class Ticket(Model):
    url: str
    ticket: str
    expires_in: int
    role: str
    epoch: int


class Live(Model):
    user: UUID | None = None
    id: UUID | None = None
    name: str
    color: str
    role: str | None = None
    sessions: int = 1


class Presence(Model):
    items: list[Live]
    next_cursor: str | None = None


RULES = 1  # meta.v of the documents this server writes


@endpoint(
    "A ticket for one socket connection to this diagram, valid 30 seconds",
    need=Role.VIEWER,
    scope=Scope.READ,
    visitors=True,
    limit="write",
    status=201,
    answers=Ticket,
    errors=("client_outdated", "draining"),
)
async def issue_ticket(call: Call, body: TicketRequest) -> Ticket:
    if body.rules is not None and body.rules < RULES:
        raise Problem("client_outdated")
    if call.resources.health.draining:
        raise Problem("draining")
    secret, epoch = await tickets.issue(call.resources.db, call.who, call.on)
    scheme = "wss" if call.request.url.scheme == "https" else "ws"
    host = call.request.headers.get("host", "")
    return Ticket(
        url=f"{scheme}://{host}/collab/{call.on.diagram_id}",
        ticket=secret,
        expires_in=TICKET_LIFE_S,
        role=call.on.role.label,
        epoch=epoch,
    )


@endpoint("Who is live on this diagram now", need=Role.VIEWER, visitors=True, answers=Presence)
async def presence(call: Call) -> Presence:
    people: list[Any] = list(await call.resources.rooms.presence(call.on.diagram_id))
    return Presence(items=[Live.model_validate(one, from_attributes=True) for one in people])
