"""The REST API: every route on one screen, and the app around them. Called by the composition root, and by tests."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import (
    audit,
    auth,
    comments,
    content,
    dashboard,
    diagrams,
    differences,
    docs,
    drawings,
    elements,
    health,
    invitations,
    members,
    oidc,
    openapi,
    orgs,
    pages,
    projects,
    replay,
    reset_links,
    search,
    share_links,
    tickets,
    tokens,
    usage,
    validation,
    versions,
)
from api.answers import JSON, dumps
from api.dispatch import TEMPLATE, Declared, routes
from api.endpoint import Endpoint
from api.front import FrontDoor
from api.limits import Limits, policies
from api.problems import Problem, respond
from api.resources import Resources

VERSION = "0.1.0"


def _v1(method: str, path: str, endpoint: Endpoint) -> Declared:
    return Declared(method, f"/api/v1{path}", endpoint)


TABLE: tuple[Declared, ...] = (
    _v1("POST", "/auth/register", auth.register),
    _v1("POST", "/auth/login", auth.login),
    _v1("POST", "/auth/logout", auth.logout),
    _v1("GET", "/auth/methods", oidc.methods),
    _v1("GET", "/me", auth.me),
    _v1("GET", "/me/mentions", comments.list_mentions),
    _v1("GET", "/tokens", tokens.list_tokens),
    _v1("POST", "/tokens", tokens.make_token),
    _v1("DELETE", "/tokens/{token_id}", tokens.revoke_token),
    _v1("GET", "/orgs", orgs.list_orgs),
    _v1("POST", "/orgs", orgs.make_org),
    _v1("GET", "/orgs/{org_id}", orgs.read_org),
    _v1("PATCH", "/orgs/{org_id}", orgs.change_org),
    _v1("GET", "/orgs/{org_id}/members", orgs.list_members),
    _v1("POST", "/orgs/{org_id}/members", orgs.add_member),
    _v1("PATCH", "/orgs/{org_id}/members/{user_id}", orgs.change_member),
    _v1("DELETE", "/orgs/{org_id}/members/{user_id}", orgs.remove_member),
    _v1("POST", "/orgs/{org_id}/members/{user_id}/reset-link", reset_links.make_reset_link),
    _v1("GET", "/reset-links/{reset_secret}", reset_links.find_reset_link),
    _v1("POST", "/reset-links/{reset_secret}", reset_links.reset_password),
    _v1("GET", "/orgs/{org_id}/invitations", invitations.list_invitations),
    _v1("POST", "/orgs/{org_id}/invitations", invitations.invite),
    _v1("DELETE", "/orgs/{org_id}/invitations/{invitation_id}", invitations.revoke),
    _v1("GET", "/invitations/{secret}", invitations.find_invitation),
    _v1("POST", "/invitations/{secret}/accept", invitations.accept),
    _v1("GET", "/projects", projects.list_projects),
    _v1("POST", "/projects", projects.make_project),
    _v1("PATCH", "/projects/{project_id}", projects.change_project),
    _v1("DELETE", "/projects/{project_id}", projects.delete_project),
    _v1("GET", "/diagrams", diagrams.list_diagrams),
    _v1("POST", "/diagrams", diagrams.create_diagram),
    _v1("GET", "/diagrams/{diagram_id}", diagrams.read_diagram),
    _v1("PATCH", "/diagrams/{diagram_id}", diagrams.change_diagram),
    _v1("DELETE", "/diagrams/{diagram_id}", diagrams.delete_diagram),
    _v1("POST", "/diagrams/{diagram_id}/undelete", diagrams.undelete_diagram),
    _v1("GET", "/diagrams/{diagram_id}/content", content.read_content),
    _v1("PUT", "/diagrams/{diagram_id}/content", content.save_content),
    _v1("GET", "/diagrams/{diagram_id}/versions", versions.list_versions),
    _v1("POST", "/diagrams/{diagram_id}/versions", versions.make_version),
    _v1("GET", "/diagrams/{diagram_id}/versions/{version}", versions.read_version),
    _v1("PATCH", "/diagrams/{diagram_id}/versions/{version}", versions.change_version),
    _v1("POST", "/diagrams/{diagram_id}/versions/{version}/restore", versions.restore_version),
    _v1("GET", "/diagrams/{diagram_id}/members", members.list_members),
    _v1("PUT", "/diagrams/{diagram_id}/members", members.put_member),
    _v1("DELETE", "/diagrams/{diagram_id}/members/{user_id}", members.remove_member),
    _v1("GET", "/diagrams/{diagram_id}/share-links", share_links.list_links),
    _v1("POST", "/diagrams/{diagram_id}/share-links", share_links.make_link),
    _v1("DELETE", "/diagrams/{diagram_id}/share-links/{link_id}", share_links.delete_link),
    _v1("GET", "/share-links/{link_secret}", share_links.find_link),
    _v1("POST", "/share-links/{link_secret}/open", share_links.open_link),
    _v1("POST", "/validate", validation.text),
    _v1("POST", "/diagrams/{diagram_id}/validate", validation.diagram),
    _v1("GET", "/diagrams/{diagram_id}/diff", differences.difference),
    _v1("POST", "/diagrams/{diagram_id}/replay", replay.replay),
    _v1("GET", "/diagrams/{diagram_id}/elements/{element_id}/history", elements.history),
    _v1("GET", "/diagrams/{diagram_id}/comments", comments.list_comments),
    _v1("POST", "/diagrams/{diagram_id}/comments", comments.begin_thread),
    _v1("PATCH", "/diagrams/{diagram_id}/comments/{comment_id}", comments.change_comment),
    _v1("DELETE", "/diagrams/{diagram_id}/comments/{comment_id}", comments.delete_comment),
    _v1("POST", "/diagrams/{diagram_id}/comments/{comment_id}/replies", comments.reply),
    _v1("POST", "/diagrams/{diagram_id}/comments/{comment_id}/resolve", comments.resolve_thread),
    _v1("POST", "/diagrams/{diagram_id}/comments/{comment_id}/reopen", comments.reopen_thread),
    _v1("GET", "/diagrams/{diagram_id}/audit", audit.of_diagram),
    _v1("GET", "/audit", audit.of_organization),
    _v1("GET", "/audit/verify", audit.verify),
    _v1("GET", "/search", search.find),
    _v1("GET", "/dashboard", dashboard.read),
    _v1("GET", "/usage", usage.read_usage),
    _v1("GET", "/audit/export", audit.export),
    _v1("GET", "/diagrams/{diagram_id}/presence", tickets.presence),
    _v1("POST", "/diagrams/{diagram_id}/ticket", tickets.issue_ticket),
    _v1("GET", "/diagrams/{diagram_id}/thumbnail.svg", drawings.thumbnail),
    _v1("GET", "/diagrams/{diagram_id}/export", drawings.export),
)
# What a browser is sent to, beside the page itself.
SIGNIN = (
    Declared("GET", oidc.START, oidc.leave),
    Declared("GET", oidc.RETURN, oidc.come_back),
    Declared("GET", "/signin/{secret}", auth.signin_link),
)


def build(resources: Resources, *, dist: Path = pages.DIST) -> Starlette:
    """The app, ready to be served."""
    limits = Limits(resources.limiter, policies(resources.settings))
    document = openapi.document(TABLE, VERSION)
    described, shown = dumps(document), docs.page(document)

    def documentation(_request: Request) -> Response:
        return Response(shown, 200, {"Content-Security-Policy": docs.POLICY}, "text/html; charset=utf-8")

    def description(_request: Request) -> Response:
        return Response(described, media_type=JSON)

    plain: dict[str, Callable[[Request], Response]] = {
        "/livez": health.livez,
        "/readyz": partial(health.ready_of, resources),
        "/metrics": health.metrics_page,
        "/openapi.json": description,
        "/docs": documentation,
    }
    app = Starlette(
        routes=[
            *routes((*TABLE, *SIGNIN), resources, limits),
            *(Route(path, _plain(path, handler)) for path, handler in plain.items()),
            *pages.routes(dist),
        ],
        middleware=[Middleware(FrontDoor, settings=resources.settings, health=resources.health)],
        exception_handlers={HTTPException: _refuse},
    )
    app.router.redirect_slashes = False
    return app


def _plain(path: str, handler: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        request.scope[TEMPLATE] = path
        return handler(request)

    return serve


async def _refuse(request: Request, error: Exception) -> Response:
    """No such path, or not with this method: Starlette's own refusals in our shape."""
    assert isinstance(error, HTTPException)
    headers = error.headers or {}
    if error.status_code == 405:
        problem = Problem("method_not_allowed", headers={"Allow": headers.get("Allow", "GET, HEAD")})
    elif error.status_code == 404:
        problem = Problem("not_found")
    else:
        problem = Problem("invalid_request")
    return respond(problem, request.scope["request_id"])
