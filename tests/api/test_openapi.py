"""The OpenAPI document and the page made of it: whole, true to itself, closed lists, examples that fit."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from api import app, openapi, problems
from api.endpoint import Need
from tests.api.described import Described, Told, closed
from tests.serving import Served

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = openapi.document(app.TABLE, app.VERSION)
BARE = {"x-request-id": "a", "cache-control": "no-store", "content-type": "application/problem+json"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def followed(schema: Any) -> Any:
    while "$ref" in schema:
        part, name = schema["$ref"].split("/")[-2:]
        schema = DOCUMENT["components"][part][name]
    return schema


def misfits(schema: Any, value: Any) -> list[str]:
    whole = {**closed(schema), "components": {"schemas": closed(DOCUMENT["components"]["schemas"])}}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return [f"{error.instance_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


def test_the_server_serves_this_document(server: Served) -> None:
    answer = httpx.get(f"{server.url}/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == DOCUMENT


def test_operation_ids_are_unique_and_named_after_file_and_function() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    assert {one.endpoint.name for one in app.TABLE} == set(ids)


def test_every_reference_leads_somewhere() -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for one in value.values():
                yield from references(one)
        elif isinstance(value, list):
            for one in value:
                yield from references(one)

    for reference in set(references(DOCUMENT)):
        place: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]


def test_every_schema_is_a_schema() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(schema), name


def test_every_request_and_answer_has_an_example_and_every_example_fits() -> None:
    wrong = []
    for path, method, operation in operations():
        name = f"{method.upper()} {path}"
        for parameter in operation.get("parameters", []):
            if parameter["name"] == "cursor":
                continue  # made by the server, for one list
            assert "example" in parameter, f"{name} {parameter['name']}"
            value = parameter["example"]
            wrong += [f"{name} {parameter['name']}: {one}" for one in misfits(parameter["schema"], value)]
        bodies = [("request", operation.get("requestBody", {}))]
        bodies += [(status, answer) for status, answer in operation["responses"].items()]
        for where, body in bodies:
            for kind, media in body.get("content", {}).items():
                if kind == "image/png":
                    continue
                shown = [followed(one)["value"] for one in media.get("examples", {}).values()] or [media["example"]]
                if "json" in kind:
                    wrong += [f"{name} {where}: {one}" for value in shown for one in misfits(media["schema"], value)]
    assert not wrong, "\n".join(wrong)


def test_every_success_has_a_body_that_is_declared() -> None:
    """A route that answers JSON names its model in answers=; one that answers something else says so in produces=."""
    for path, method, operation in operations():
        for status, answer in operation["responses"].items():
            if status in ("200", "201", "202"):
                assert answer.get("content"), f"{method.upper()} {path} declares no body for {status}: give it answers="


def test_errors_are_a_closed_list_for_every_operation() -> None:
    for path, method, operation in operations():
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"]
                assert answer["x-codes"], (method, path, status)
                for code in answer["x-codes"]:
                    assert int(status) in openapi.document.__globals__["_STATUSES"].get(
                        code, (problems.CODES[code].status,)
                    )


def test_every_code_that_is_raised_anywhere_is_declared_by_some_route() -> None:
    """Or raised outside the routes, by the front door and for what is no route."""
    calls = [
        node
        for path in (ROOT / "api").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem" and node.args
    ]
    words = {str(getattr(one, "value", "")) for node in calls for one in ast.walk(node.args[0])}
    raised = (words & set(problems.CODES)) | {"invalid_request", "invalid_reference"}
    declared = {code for one in app.TABLE for code in openapi.errors_of(one)}
    assert raised <= declared, f"raised and declared by no route: {sorted(raised - declared)}"
    unused = set(problems.CODES) - raised
    assert unused <= {"read_only"}, f"in the closed list and raised nowhere: {sorted(unused)}"


def test_routes_for_signed_in_people_say_so() -> None:
    declared = {one.endpoint.name: one.endpoint.need for one in app.TABLE}
    for _, _, operation in operations():
        assert bool(operation["security"]) == (declared[operation["operationId"]] is not Need.NOBODY)


def test_what_is_not_declared_is_noticed_and_named() -> None:
    """The check that all other tests rely on, tried on answers nobody should give."""
    described = Described(DOCUMENT)
    me = '{"id":"0198c0de-0000-7000-8000-000000000001","email":"a@b.de","name":"A","color":"#fff","orgs":[]%s}'
    good = {**BARE, "content-type": "application/json", "vary": "Cookie"}

    def told(status: int, body: str, **headers: str) -> str:
        more = {key.replace("_", "-"): value for key, value in headers.items()}
        return "\n".join(described.faults(Told("GET", "/api/v1/me", status, {**good, **more}, body.encode())))

    assert told(200, me % "") == ""
    assert "not as declared" in told(200, me % ',"secret":1')
    assert "required" in told(200, "{}")
    assert "x-more" in told(200, me % "", x_more="1")
    assert "does not declare the status 418" in told(418, me % "")
    assert "declares application/json" in told(200, "hello", content_type="text/plain")
    problem = '{"type":"/docs#%s","title":"","status":404,"code":"%s","detail":"a","request_id":"a","retryable":false}'
    refusal = {"content_type": "application/problem+json"}
    assert "does not declare the status 404" in told(404, problem % ("not_found", "not_found"), **refusal)
    assert "version_conflict, which it does not declare" in told(406, problem % ("", "version_conflict"), **refusal)
    assert "is not in the OpenAPI document" in "".join(
        described.faults(Told("GET", "/api/v1/nowhere", 200, good, b"{}"))
    )


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/diagrams", "/livez", "/openapi.json", "/docs"])
def test_head_is_get_without_a_body(server: Served, path: str) -> None:
    got, head = (httpx.request(method, server.url + path) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (got.status_code, b"")
    blank = ("x-request-id", "date", "content-length")
    assert {k: v for k, v in head.headers.items() if k not in blank} == {
        k: v for k, v in got.headers.items() if k not in blank
    }
