"""What schemathesis is told about Colane: things that exist, what a schema cannot say, and the check of ours.

Loaded by the command that tests/api/test_schemathesis.py starts, in a process of its own; COLANE_KNOWN names a file with
ids that exist. Where a part of a request is meant to be valid, most ids in it are taken from there, so that routes are
reached and not only their 404; what is about to be deleted is made first.
"""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode

from tests.api.described import Described, Told

KNOWN: dict[str, Any] = json.loads(Path(os.environ["COLANE_KNOWN"]).read_text())
DESCRIBED = Described(httpx.get(f"{KNOWN['url']}/openapi.json").json())
HTTP = httpx.Client(
    base_url=f"{KNOWN['url']}/api/v1", headers={"Authorization": f"Bearer {KNOWN['token']}"}, timeout=30
)
RANDOM = random.Random(KNOWN["seed"])
OFTEN = 0.8
REACHED: set[str] = set()

# Refusals of what fits the schema: (operation, errors[].path). Each is a rule that a schema has no words for.
BEYOND_SCHEMA = {
    ("content_save_content", "header.If-Match"),  # another version than base_version
    ("content_save_content", "query.base_version"),  # another version than the body's
    ("differences_difference", "query.from"),  # a version that is still to come
    ("diagrams_create_diagram", "body.title"),  # needed where there is no XML
    ("members_put_member", "body"),  # user_id or email, not both
    ("replay_replay", "body.update"),  # base64, and a Yjs update in it
    ("share_links_make_link", "body.expires_at"),  # in the future
    ("tokens_make_token", "body.expires_at"),
    ("validation_diagram", "query.version"),
}

# What no request of such a run can succeed at.
UNREACHED = {
    "replay_replay",  # needs an epoch that has ended
    "invitations_accept",  # all requests are Ann's, and she is a member already
}
XML_TYPES = ("application/xml", "text/xml", "application/bpmn+xml")


@schemathesis.serializer(*XML_TYPES)
def as_text(_context: Any, value: Any) -> bytes:
    """XML is sent as the text it is, whatever it is."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def _is_valid(case: Any, location: ParameterLocation) -> bool:
    """Is this part of the request meant to be valid?"""
    component = case.meta.components.get(location) if case.meta else None
    return component is None or component.mode == GenerationMode.POSITIVE


def _often(name: str) -> bool:
    """Take something that exists? Always, until the operation was reached once."""
    return name not in REACHED or RANDOM.random() < OFTEN


def _sometimes(name: str, values: list[Any], otherwise: Any) -> Any:
    return RANDOM.choice(values) if values and _often(name) else otherwise


@schemathesis.hook
def before_call(_context: Any, case: Any, **_: Any) -> None:
    """Names that exist, in a request that is about to be sent."""
    name = case.operation.definition.raw["operationId"]
    if _is_valid(case, ParameterLocation.PATH) and case.path_parameters:
        _place(name, case.path_parameters)
    if case.query and _is_valid(case, ParameterLocation.QUERY):
        case.query.pop("cursor", None)  # a cursor is made by the server, for one list
        # In the audit, `from` and `to` are moments.
        for field in case.query.keys() & KNOWN["fields"].keys() - (
            {"from", "to"} if name.startswith("audit") else set()
        ):
            case.query[field] = _sometimes(name, KNOWN["fields"][field], case.query[field])
    if case.media_type in XML_TYPES and _is_valid(case, ParameterLocation.BODY):
        case.body = _sometimes(name, KNOWN["texts"], case.body)
    elif isinstance(case.body, dict) and _is_valid(case, ParameterLocation.BODY):
        for field in case.body.keys() & KNOWN["fields"].keys():
            if case.body[field] is not None and name != "auth_register":
                case.body[field] = _sometimes(name, KNOWN["fields"][field], case.body[field])


def _made(path: str, body: Any = None) -> dict[str, Any]:
    answer = HTTP.post(path, json=body)
    found: dict[str, Any] = answer.json() if answer.status_code == 201 else {"id": "none", "url": "none"}
    return found


def _secret(path: str, body: Any = None) -> str:
    return str(_made(path, body)["url"]).rpartition("/")[2]


# What is gone once it was used is made anew for every request that names it; by the name of the path's parameter.
SPENT: dict[str, Callable[[dict[str, Any]], str]] = {
    "token_id": lambda _: str(_made("/tokens", {"name": "to be revoked"})["id"]),
    "link_id": lambda path: str(_made(f"/diagrams/{path.get('diagram_id')}/share-links", {"role": "viewer"})["id"]),
    "invitation_id": lambda path: str(
        _made(f"/orgs/{path.get('org_id')}/invitations", {"email": f"{os.urandom(5).hex()}@b.de", "role": "viewer"})[
            "id"
        ]
    ),
    "link_secret": lambda _: _secret(f"/diagrams/{next(iter(KNOWN['diagrams']))}/share-links", {"role": "viewer"}),
    "reset_secret": lambda _: _secret(f"/orgs/{KNOWN['path']['org_id'][0]}/members/{KNOWN['dora']}/reset-link"),
}


def _place(name: str, path: dict[str, Any]) -> None:
    diagram = None
    if _often(name):
        # The last of them is deleted: most operations are not possible there.
        diagram = RANDOM.choice(list(KNOWN["diagrams"])[: None if name in REACHED else -1])
    if name == "diagrams_delete_diagram" and diagram is not None:
        diagram = _made("/diagrams", {"title": "to be deleted"})["id"]
    for field, value in list(path.items()):
        if field == "diagram_id":
            path[field] = diagram or value
        elif field in ("version", "element_id", "comment_id") and diagram in KNOWN["diagrams"]:
            path[field] = _sometimes(name, KNOWN["diagrams"][diagram][field], value)
        elif field in SPENT and (value == KNOWN["own_token"] or _often(name)):
            path[field] = SPENT[field](path)
        elif name == "projects_delete_project":
            path[field] = _made("/projects", {"name": "to be deleted"})["id"]
        else:
            path[field] = _sometimes(name, KNOWN["path"].get(field, []), value)
    if name == "comments_delete_comment" and path["comment_id"] in KNOWN["diagrams"].get(diagram, {}).get(
        "comment_id", ()
    ):
        path["comment_id"] = _made(f"/diagrams/{diagram}/comments", {"text": "to be deleted"})["id"]
    if name == "reset_links_make_reset_link" and name not in REACHED:
        path |= {"org_id": KNOWN["path"]["org_id"][0], "user_id": KNOWN["dora"]}
    if name in ("members_remove_member", "orgs_remove_member") and path["user_id"] in KNOWN["path"]["user_id"]:
        path["user_id"] = KNOWN["bob"]["id"]
        member = {"email": KNOWN["bob"]["email"], "role": "viewer"}
        if name == "orgs_remove_member":
            HTTP.post(f"/orgs/{path['org_id']}/members", json=member)
        else:
            HTTP.put(f"/diagrams/{path['diagram_id']}/members", json=member)


@schemathesis.check
def as_described(_context: Any, response: Any, case: Any) -> None:
    """Status, media type, body, headers and code are what the document says, and nothing else is there."""
    headers = {key.lower(): value[0] for key, value in response.headers.items()}
    DESCRIBED.check(
        Told(case.method.upper(), httpx.URL(response.request.url).path, response.status_code, headers, response.content)
    )


@schemathesis.check
def takes_what_it_describes(_context: Any, response: Any, case: Any) -> None:
    """What fits the schemas is not refused as invalid, but for the rules that a schema cannot say."""
    if response.status_code != 400 or case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    problem = response.json()
    name = case.operation.definition.raw["operationId"]
    paths = {error["path"] for error in problem.get("errors", [])}
    known = problem["code"] == "cursor_mismatch" or any((name, path) in BEYOND_SCHEMA for path in paths)
    assert known, f"{name} refused what fits its schemas: {problem['detail']} {sorted(paths)}"


@schemathesis.check
class EveryRouteIsReached:
    """Each operation succeeded at least once, or this run said little about it."""

    def after_response(self, _context: Any, response: Any, case: Any) -> None:
        """Remembers what succeeded."""
        if response.status_code < 400:
            REACHED.add(case.operation.definition.raw["operationId"])

    def after_run(self, _context: Any) -> None:
        """Names what never did."""
        names = {one["operationId"] for methods in DESCRIBED.document["paths"].values() for one in methods.values()}
        missed = sorted(names - REACHED - UNREACHED)
        assert not missed, (
            f"No request to {', '.join(missed)} succeeded: give `known` in tests/api/test_schemathesis.py something that"
            " exists for it."
        )
