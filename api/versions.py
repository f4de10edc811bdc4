"""The versions of a diagram: list, read, make one from the live state, name and pin, restore, compare two."""

from dataclasses import asdict
from datetime import datetime
from typing import Literal

from pydantic.json_schema import SkipJsonSchema

from api.answers import Answer, dumps, weak_etag
from api.call import Call
from api.endpoint import Model, endpoint
from api.paging import PageQuery, next_link, place, seal_cursor
from api.problems import Problem, invalid
from api.shapes import Line, Person, Repair, Text
from collab import checkpoint, save
from storage import history
from storage.access import Role
from storage.database import Connection
from storage.history import Version as StoredVersion


class Stats(Model):
    elements: int = 0


class Version(Model):
    version: int
    kind: Literal["auto", "manual", "restore", "import", "ai"]
    name: str | None
    message: str | None
    created_at: datetime
    created_by: Person | None
    authors: list[Person]
    stats: Stats
    pinned: bool
    valid: bool
    element_count: int
    repairs: list[Repair]
    etag: str
    evicted_at: datetime | None

    @classmethod
    def of(cls, one: StoredVersion) -> "Version":
        people = {"created_by": Person.of(one.created_by), "authors": Person.all(one.authors)}
        return cls.model_validate({**asdict(one), **people, "etag": f'"v{one.version}"'})


class Versions(Model):
    items: list[Version]
    next_cursor: str | None


class NewVersion(Model):
    message: Text | None = None


class ChangedVersion(Model):
    name: Line | None = None
    pinned: bool | SkipJsonSchema[None] = None


class Restored(Model):
    version: int
    etag: str
    unchanged: bool


@endpoint(
    "Versions, newest first",
    need=Role.VIEWER,
    visitors=True,
    answers=Versions,
    errors=("cursor_mismatch",),
    conditional=True,
)
async def list_versions(call: Call, query: PageQuery) -> Answer:
    filters = ["versions", call.on.diagram_id]
    position = place(query.cursor, filters, 1)
    before = position[0] if position else None
    rows = await history.page(call.resources.db, call.on, before=before, limit=query.limit + 1)
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    cursor = seal_cursor([rows[-1].version], filters) if more else None
    found = Versions(items=[Version.of(one) for one in rows], next_cursor=cursor)
    etag = weak_etag(dumps(found.model_dump()), str(query.limit).encode())
    return Answer(found, etag=etag, headers=next_link(call, cursor))


async def _version_in_path(call: Call) -> StoredVersion:
    found = await history.read(call.resources.db, call.on, call.path["version"])
    if found is None:
        raise Problem("not_found")
    return found


async def _kept_version_in_path(call: Call) -> StoredVersion:
    found = await _version_in_path(call)
    if found.evicted_at is not None:
        raise Problem("version_evicted")
    return found


@endpoint(
    "One version's metadata; its text is content?version=n",
    need=Role.VIEWER,
    visitors=True,
    answers=Version,
    errors=("version_evicted",),
    resolve=_kept_version_in_path,
)
async def read_version(call: Call) -> Version:
    return Version.of(call.found)


@endpoint(
    "Make a version of the live state; 200 with the head when nothing changed",
    need=Role.EDITOR,
    limit="write",
    status=201,
    also={200: "Nothing changed since the head: the head"},
    answers=Version,
    idempotent=True,
    headers={"Location": "where the version is", "ETag": "of its text"},
)
async def make_version(call: Call, body: NewVersion) -> Answer:
    async def answer(conn: Connection, made: checkpoint.Made) -> Answer:
        found = await history.inside(conn, call.on, made.version)
        assert found is not None, "a version that was just made or found is there"
        shape = Version.of(found)
        headers = {"Location": f"/api/v1/diagrams/{call.on.diagram_id}/versions/{made.version}"}
        return Answer(shape, status=201 if made.created else 200, headers=headers, etag=shape.etag)

    made = await checkpoint.checkpoint(
        call.resources.db,
        call.resources.log,
        call.resources.workshop,
        grant=call.on,
        message=body.message,
        request_id=call.request_id,
        once=call.once(answer),
    )
    async with call.resources.db.transaction(user=call.who.user_id, org=call.on.org_id, read_only=True) as conn:
        return await answer(conn, made)


@endpoint(
    "Name or pin a version; it is then kept for good",
    need=Role.EDITOR,
    limit="write",
    answers=Version,
    errors=("version_evicted",),
    resolve=_kept_version_in_path,
)
async def change_version(call: Call, body: ChangedVersion) -> Version:
    given = body.model_fields_set
    if "pinned" in given and body.pinned is None:
        raise invalid("body.pinned", "true or false.")
    changed = await history.change(
        call.resources.db,
        call.on,
        call.path["version"],
        name=(body.name,) if "name" in given else None,
        pinned=body.pinned,
        request_id=call.request_id,
    )
    if changed is None:
        raise Problem("version_evicted")
    return Version.of(changed)


@endpoint(
    "Make an older version the newest; open editors see it as an edit",
    need=Role.EDITOR,
    limit="write",
    answers=Restored,
    errors=("version_evicted",),
    headers={"ETag": "of the head"},
    resolve=_kept_version_in_path,
    idempotent=True,
)
async def restore_version(call: Call) -> Answer:
    async def answer(_conn: Connection, saved: save.Saved) -> Answer:
        return _restored(saved)

    return _restored(
        await save.restore(
            call.resources.db,
            call.resources.log,
            call.resources.workshop,
            grant=call.on,
            version=call.path["version"],
            request_id=call.request_id,
            once=call.once(answer),
        )
    )


def _restored(saved: save.Saved) -> Answer:
    etag = f'"v{saved.version}"'
    return Answer(Restored(version=saved.version, etag=etag, unchanged=saved.unchanged), etag=etag)
