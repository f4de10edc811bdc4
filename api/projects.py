"""Projects: names under which an organization sorts its diagrams."""

from datetime import datetime
from uuid import UUID

from api.answers import Answer
from api.call import Call, Membership
from api.endpoint import Model, endpoint
from api.problems import Problem
from api.scope import organization
from api.shapes import Line, Reference
from storage import projects
from storage.access import Role


class Project(Model):
    id: UUID
    org_id: UUID
    name: str
    created_at: datetime


class Projects(Model):
    items: list[Project]
    next_cursor: str | None = None


class Named(Model):
    name: Line


class OrgQuery(Model):
    org: Reference | None = None


def _shape(one: projects.Project) -> Project:
    return Project(id=one.id, org_id=one.org_id, name=one.name, created_at=one.created_at)


def _need_editor(role: Role) -> None:
    if role < Role.EDITOR:
        raise Problem("forbidden", "Projects are made and changed by editors.")


@endpoint("The projects of an organization", answers=Projects, errors=("invalid_reference",))
async def list_projects(call: Call, query: OrgQuery) -> Projects:
    org = await organization(call, query.org)
    found = await projects.of(call.resources.db, call.who.user_id, org.org_id)
    return Projects(items=[_shape(one) for one in found])


@endpoint("Make a project", limit="write", status=201, answers=Project, errors=("invalid_reference", "forbidden"))
async def make_project(call: Call, query: OrgQuery, body: Named) -> Project:
    org = await organization(call, query.org)
    _need_editor(org.role)
    return _shape(
        await projects.make(call.resources.db, call.who.user_id, org.org_id, body.name, request_id=call.request_id)
    )


async def _project_in_path(call: Call) -> Membership:
    found = await projects.find(call.resources.db, call.who.user_id, call.path["project_id"])
    if found is None:
        raise Problem("not_found")
    _need_editor(found[1])
    return Membership(*found)


@endpoint(
    "Rename a project", limit="write", answers=Project, errors=("forbidden", "not_found"), resolve=_project_in_path
)
async def change_project(call: Call, body: Named) -> Project:
    return _shape(
        await projects.rename(
            call.resources.db,
            call.who.user_id,
            call.found.org_id,
            call.path["project_id"],
            body.name,
            request_id=call.request_id,
        )
    )


@endpoint(
    "Delete a project; its diagrams stay",
    limit="write",
    status=204,
    errors=("forbidden", "not_found"),
    resolve=_project_in_path,
)
async def delete_project(call: Call) -> Answer:
    await projects.delete(
        call.resources.db,
        call.who.user_id,
        call.found.org_id,
        call.path["project_id"],
        request_id=call.request_id,
    )
    return Answer()
