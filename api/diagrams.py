"""Diagrams without their content: list, create, metadata, delete and undelete. No route here reads XML.

The list is a keyset page with a weak ETag over everything in it, so that a client that polls gets 304s.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import StringConstraints
from pydantic.json_schema import SkipJsonSchema

from api.answers import JSON, Answer, Raw, dumps, weak_etag
from api.call import Call, Membership, Xml
from api.endpoint import Model, endpoint
from api.paging import PageQuery, next_link, open_cursor, seal_cursor
from api.problems import Problem, invalid
from api.scope import organization, project
from api.shapes import GUEST, Line, Moment, Person, Reference
from collab import save
from storage import diagrams
from storage.access import Role
from storage.database import Connection
from storage.diagrams import Change, Summary, Wanted
from storage.people import Person as StoredPerson

ROOT = "/api/v1/diagrams"


class Diagram(Model):
    """A diagram without its XML."""

    id: UUID
    title: str
    org_id: UUID
    project_id: UUID | None
    visibility: Literal["org", "private"]
    version: int
    element_count: int
    thumbnail_url: str
    created_at: datetime
    created_by: Person | None
    updated_at: datetime
    updated_by: Person | None
    editors: list[Person]
    etag: str
    deleted_at: datetime | None
    purge_at: datetime | None

    @classmethod
    def of(cls, one: Summary) -> "Diagram":
        return cls(
            id=one.id,
            title=one.title,
            org_id=one.org_id,
            project_id=one.project_id,
            visibility="private" if one.visibility == "private" else "org",
            version=one.version,
            element_count=one.element_count,
            thumbnail_url=f"{ROOT}/{one.id}/thumbnail.svg?v={one.version}",
            created_at=one.created_at,
            created_by=Person.of(one.created_by),
            updated_at=one.updated_at,
            updated_by=Person.of(one.updated_by),
            editors=Person.all(one.editors),
            etag=f'"v{one.version}"',
            deleted_at=one.deleted_at,
            purge_at=one.purge_at,
        )


def _row(one: Summary) -> dict[str, Any]:
    """The same as `Diagram.of`, for lists: fifty checked models cost eight times what fifty plain rows do."""
    return {
        "id": str(one.id),
        "title": one.title,
        "org_id": str(one.org_id),
        "project_id": None if one.project_id is None else str(one.project_id),
        "visibility": one.visibility,
        "version": one.version,
        "element_count": one.element_count,
        "thumbnail_url": f"{ROOT}/{one.id}/thumbnail.svg?v={one.version}",
        "created_at": one.created_at,
        "created_by": _somebody(one.created_by),
        "updated_at": one.updated_at,
        "updated_by": _somebody(one.updated_by),
        "editors": [_somebody(editor) for editor in one.editors],
        "etag": f'"v{one.version}"',
        "deleted_at": one.deleted_at,
        "purge_at": one.purge_at,
    }


def _somebody(person: StoredPerson | None) -> dict[str, str] | None:
    return None if person is None else {"id": str(person.id), "name": person.name or GUEST}


class OwnDiagram(Diagram):
    """A diagram as the asking person sees it."""

    role: str


class Diagrams(Model):
    items: list[Diagram]
    next_cursor: str | None


class ListQuery(PageQuery):
    org: Reference | None = None
    q: Annotated[str, StringConstraints(max_length=200)] | None = None
    project: Reference | None = None
    updated_after: Moment | None = None
    deleted: bool = False


class NewDiagram(Model):
    title: Line | None = None
    bpmn_xml: str | None = None
    project_id: Reference | None = None
    visibility: Literal["org", "private"] = "org"


class CreateQuery(Model):
    org: Reference | None = None
    title: Line | None = None
    project_id: Reference | None = None


class ChangedDiagram(Model):
    title: Line | SkipJsonSchema[None] = None
    project_id: Reference | None = None
    visibility: Literal["org", "private"] | SkipJsonSchema[None] = None


def _shown(one: Summary, role: Role) -> OwnDiagram:
    return OwnDiagram(**dict(Diagram.of(one)), role=role.label)


def _etag(one: OwnDiagram) -> str:
    return weak_etag(dumps(one.model_dump()))


@endpoint(
    "Diagrams of an organization, changed last first; summaries without XML",
    answers=Diagrams,
    errors=("cursor_mismatch", "invalid_reference"),
    conditional=True,
)
async def list_diagrams(call: Call, query: ListQuery) -> Answer:
    org = await organization(call, query.org)
    project_id = await project(call, org.org_id, query.project, "query.project")
    if query.q is not None and "\x00" in query.q:
        raise invalid("query.q", "Control characters are not accepted.")
    if query.deleted and org.role < Role.EDITOR:
        raise Problem("forbidden", "Deleted diagrams are listed for those who may bring them back.")
    filters = [org.org_id, query.q, project_id, query.updated_after, query.deleted]
    rows = await diagrams.page(
        call.resources.db,
        user_id=call.who.user_id,
        org_id=org.org_id,
        wanted=Wanted(query.q, project_id, query.updated_after, query.deleted),
        after=_position(query.cursor, filters),
        limit=query.limit + 1,
    )
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    cursor = seal_cursor([rows[-1].updated_at, rows[-1].id], filters) if more else None
    body = dumps({"items": [_row(one) for one in rows], "next_cursor": cursor})
    etag = weak_etag(body, dumps([*filters, query.limit]))
    return Answer(Raw(body, JSON), etag=etag, headers=next_link(call, cursor))


def _position(cursor: str | None, filters: list[Any]) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    try:
        at, last = open_cursor(cursor, filters)
        return datetime.fromisoformat(at), UUID(last)
    except (ValueError, TypeError, AttributeError):
        raise Problem("cursor_mismatch") from None


async def _where(call: Call) -> Membership:
    """The organization, before a key is looked up: whoever has left it is not told again what they made there."""
    org = await organization(call, call.request.query_params.get("org"))
    if org.role < Role.EDITOR:
        raise Problem("forbidden", "Diagrams are made by editors.")
    return org


@endpoint(
    "Make a diagram: from BPMN XML, or empty",
    limit="create",
    status=201,
    answers=OwnDiagram,
    errors=("invalid_bpmn", "xml_forbidden", "too_large", "invalid_reference", "forbidden"),
    body_limit=12 << 20,
    idempotent=True,
    headers={"Location": "where the diagram is", "ETag": "of its content"},
    resolve=_where,
)
async def create_diagram(call: Call, query: CreateQuery, body: NewDiagram | Xml) -> Answer:
    org: Membership = call.found
    if isinstance(body, Xml):
        xml: bytes | None = body.content
        charset, title, visibility = body.charset, query.title, "org"
        project_id = await project(call, org.org_id, query.project_id, "query.project_id")
    else:
        xml = body.bpmn_xml.encode() if body.bpmn_xml is not None else None
        charset, title, visibility = "utf-8", body.title or query.title, body.visibility
        project_id = await project(call, org.org_id, body.project_id or query.project_id, "body.project_id")
        if title is None and xml is None:
            raise invalid("body.title", "A new diagram needs a title.")

    async def answer(conn: Connection, made: save.Created) -> Answer:
        shown = _shown(await diagrams.summary(conn, org.org_id, made.diagram_id), org.role)
        headers = {"Location": f"{ROOT}/{made.diagram_id}"}
        return Answer(shown, status=201, headers=headers, etag=shown.etag)

    made = await save.create(
        call.resources.db,
        call.resources.workshop,
        org_id=org.org_id,
        user_id=call.who.user_id,
        title=title,
        xml=xml,
        charset=charset,
        project_id=project_id,
        visibility=visibility,
        request_id=call.request_id,
        once=call.once(answer),
    )
    async with call.resources.db.transaction(user=call.who.user_id, org=org.org_id, read_only=True) as conn:
        return await answer(conn, made)


@endpoint("One diagram without its content", need=Role.VIEWER, visitors=True, answers=OwnDiagram, conditional=True)
async def read_diagram(call: Call) -> Answer:
    shown = _shown(await diagrams.read(call.resources.db, call.on), call.on.role)
    return Answer(shown, etag=_etag(shown))


@endpoint(
    "Change title, project or visibility",
    need=Role.EDITOR,
    limit="write",
    answers=OwnDiagram,
    errors=("invalid_reference",),
    headers={"ETag": "of this summary"},
)
async def change_diagram(call: Call, body: ChangedDiagram) -> Answer:
    given = body.model_fields_set
    if "title" in given and body.title is None:
        raise invalid("body.title", "A diagram needs a title.")
    if "visibility" in given:
        if body.visibility is None:
            raise invalid("body.visibility", "Say org or private.")
        made_by = (await diagrams.read(call.resources.db, call.on)).created_by
        if call.on.role < Role.ADMIN and (made_by is None or made_by.id != call.who.user_id):
            raise Problem("forbidden", "Who may see a diagram is decided by admins and by whoever made it.")
    moved = None
    if "project_id" in given:
        moved = (await project(call, call.on.org_id, body.project_id, "body.project_id"),)
    changed = await diagrams.change(
        call.resources.db, call.on, Change(body.title, body.visibility, moved), request_id=call.request_id
    )
    shown = _shown(changed, call.on.role)
    return Answer(shown, etag=_etag(shown))


@endpoint("Delete a diagram; it can be brought back for 30 days", need=Role.EDITOR, limit="write", status=204)
async def delete_diagram(call: Call) -> Answer:
    if not await diagrams.delete(call.resources.db, call.on, request_id=call.request_id):
        purge_at = await diagrams.purge_at(call.resources.db, call.on)
        raise Problem("diagram_deleted", members={"purge_at": purge_at})
    return Answer()


@endpoint(
    "Bring a deleted diagram back",
    need=Role.EDITOR,
    limit="write",
    answers=OwnDiagram,
    deleted=True,
    headers={"ETag": "of this summary"},
)
async def undelete_diagram(call: Call) -> Answer:
    shown = _shown(await diagrams.undelete(call.resources.db, call.on, request_id=call.request_id), call.on.role)
    return Answer(shown, etag=_etag(shown))
