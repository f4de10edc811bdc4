"""Work that somebody still had on a replica of an ended epoch: written on the present one where nobody else changed it."""

import base64
import binascii
from typing import Annotated

from pydantic import Field

from api.call import Call
from api.endpoint import Model, endpoint
from api.problems import Fault, Problem
from collab import epochs
from storage.access import Role

MOST = 16 * 1024 * 1024  # characters of base64; a whole document of 12 MiB


class ReplayQuery(Model):
    epoch: Annotated[
        int, Field(ge=1, le=2**31 - 1, description="the epoch of the ticket that the replica was opened with")
    ]


class Late(Model):
    update: Annotated[str, Field(max_length=MOST, description="a Yjs update (v1) of the replica, as base64")]


class Replayed(Model):
    """`applied` values were written; `left` were not, because somebody else had changed the same meanwhile."""

    applied: int
    left: int


@endpoint(
    "Replay unacknowledged work of an ended epoch on the present one; sent twice, it is done once",
    need=Role.EDITOR,
    limit="write",
    answers=Replayed,
    errors=("epoch_gone",),
    body_limit=MOST + 1024,
)
async def replay(call: Call, query: ReplayQuery, body: Late) -> Replayed:
    parts = call.resources
    try:
        late = base64.b64decode(body.update, validate=True)
        done = await epochs.replay(
            parts.db, parts.log, parts.workshop, call.on, query.epoch, late, request_id=call.request_id
        )
    except epochs.EpochGoneError:
        raise Problem("epoch_gone") from None
    except (binascii.Error, ValueError):
        fault = Fault("body.update", "update", "this is no Yjs update")
        raise Problem("invalid_request", errors=[fault]) from None
    return Replayed(applied=done.applied, left=len(done.left))
