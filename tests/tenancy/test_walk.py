"""Another tenant's things do not exist: on every route, wherever something can be named, to the letter.

The routes come from the OpenAPI document, so a new one is walked by itself. Each is asked twice, once with what is another
tenant's and once with what is nobody's, and the two answers must be the same; the same route with one's own must answer
otherwise, or nothing was proven. At the end every row of the other tenant is as it was.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from tests.api.conftest import Client, signed_up
from tests.serving import Served
from tests.tenancy.places import Operation
from tests.tenancy.rows import unchanged
from tests.tenancy.test_pool import lasting
from tests.tenancy.world import ALIASES, ANNS_KEY, World, built, nobodys

IGNORED = ("date", "x-request-id", "ratelimit", "ratelimit-policy")


def blanked(answer: httpx.Response) -> tuple[int, dict[str, str], str]:
    """What may not differ."""
    headers = {name: value for name, value in answer.headers.items() if name not in IGNORED}
    return answer.status_code, headers, answer.text.replace(answer.headers["x-request-id"], "")


def filled(operation: Operation, values: Mapping[str, str]) -> str:
    path = operation.path
    for name in operation.named:
        path = path.replace("{" + name + "}", values[name])
    return path


def send(
    client: Client, operation: Operation, values: Mapping[str, str], *, query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None, content: bytes | None = None,
) -> httpx.Response:  # fmt: skip
    """A request that is whole, but for what is asked of it."""
    sent: dict[str, Any] = {"params": {**operation.sample_query, **(query or {})}, "headers": dict(headers or {})}
    if content is not None:
        sent["content"] = content
        sent["headers"].setdefault("Content-Type", "application/json")
    elif operation.sample is not None:
        sent["json"] = {**operation.sample, **(body or {})}
    return client.http.request(operation.method, filled(operation, values), **sent)


def named(operation: Operation, world: World, diagram: int = 0) -> dict[str, str]:
    return {name: world.id(name, world.diagrams[diagram]) for name in operation.named}


def unnamed(operation: Operation) -> dict[str, str]:
    return {name: nobodys(name) for name in operation.named}


def alike(operation: Operation, foreign: httpx.Response, unknown: httpx.Response, anns: World) -> None:
    """The two cannot be told apart, and nothing of Ann's is in them."""
    assert blanked(foreign) == blanked(unknown), f"{operation}: {foreign.text[:300]} | {unknown.text[:300]}"
    said = foreign.text + str(foreign.headers)
    assert [word for word in anns.needles if word in said] == [], f"{operation}"


def test_the_whole_path(walk: list[Operation], anns: World, own: World, caller: Client) -> None:
    """All that the path names is Ann's: 404, before anything else of the request is looked at."""
    headers = {"Idempotency-Key": ANNS_KEY, "If-Match": '"v1"', "If-None-Match": '"v1", "v2.thumbnail", *'}
    walked = 0
    allowed = [(404, "not_found")]
    if "Cookie" in caller.http.headers:
        allowed.append((401, "unauthenticated"))  # a visitor is nobody on most routes, whatever these name
    with unchanged(anns):
        for operation in walk:
            if not operation.own:
                continue
            walked += 1
            bad = b"{" if operation.sample is not None else None
            # That the body is not looked at before the path does not depend on who asks: once is enough.
            wrong = [({"cursor": "x", "limit": "x"}, bad)] if caller is own.owner else []
            for query, content in ((None, None), *wrong):
                foreign, unknown = (
                    send(caller, operation, values, query=query, content=content, headers=headers)
                    for values in (named(operation, anns), unnamed(operation))
                )
                assert (foreign.status_code, foreign.json()["code"]) in allowed, f"{operation} {foreign.text}"
                alike(operation, foreign, unknown, anns)
            if operation.method == "GET":
                path = filled(operation, named(operation, anns))
                heads = [caller.http.head(one) for one in (path, filled(operation, unnamed(operation)))]
                assert blanked(heads[0]) == blanked(heads[1])
                assert heads[0].status_code in dict(allowed)
    assert walked >= 30


def test_the_rest_of_the_path(walk: list[Operation], anns: World, own: World) -> None:
    """What stands first is one's own, what stands below is Ann's, or one's own but not below that."""
    walked = 0
    with unchanged(anns):
        for operation in walk:
            for name in operation.own[1:]:
                walked += 1
                mine = named(operation, own)
                foreign = send(own.owner, operation, {**mine, name: anns.id(name)})
                unknown = send(own.owner, operation, {**mine, name: nobodys(name)})
                assert foreign.status_code == 404, f"{operation} {foreign.text}"
                alike(operation, foreign, unknown, anns)
                elsewhere = own.id(name, own.diagrams[1])
                if operation.named[0] == "diagram_id" and elsewhere != mine[name]:
                    assert blanked(send(own.owner, operation, {**mine, name: elsewhere})) == blanked(unknown), operation
    assert walked >= 6


def test_queries_and_bodies(walk: list[Operation], anns: World, own: World) -> None:
    """The path is one's own, a field of the query or the body names what is Ann's: 422, as for what nobody has."""
    walked = []
    with unchanged(anns):
        for operation in walk:
            mine = named(operation, own)
            for where, names in (("query", operation.query), ("body", operation.body)):
                for name in names:
                    place = ALIASES.get(name, name)
                    if name in ("cursor", "base_version") or place not in own.known:
                        continue
                    walked.append(name)
                    foreign, unknown = (
                        send(own.owner, operation, mine, query={name: one})
                        if where == "query"
                        else send(own.owner, operation, mine, body={name: [one] if name in operation.lists else one})
                        for one in (anns.id(place), nobodys(place))
                    )
                    status = (foreign.status_code, foreign.json()["code"])
                    assert status == (422, "invalid_reference"), f"{operation} {where} {name}: {foreign.text}"
                    alike(operation, foreign, unknown, anns)
    assert {"org", "project_id", "user_id", "mentions", "element_id"} <= set(walked)


def test_cursors_and_bases(walk: list[Operation], anns: World, own: World) -> None:
    """What Ann's lists and saves gave out is worth as much elsewhere as what was never given out."""
    walked = 0
    with unchanged(anns):
        for operation in walk:
            if "cursor" not in operation.query:
                continue
            page = send(anns.owner, operation, named(operation, anns), query={"limit": "1"})
            assert page.status_code == 200, f"{operation}: {page.text}"
            given = page.json()["next_cursor"]
            if given is None:
                continue
            walked += 1
            made_up = given[:8] + ("A" if given[8] != "A" else "B") + given[9:]
            foreign, unknown = (
                send(own.owner, operation, named(operation, own), query={"cursor": one}) for one in (given, made_up)
            )
            assert (foreign.status_code, foreign.json()["code"]) == (400, "cursor_mismatch"), (
                f"{operation} {foreign.text}"
            )
            alike(operation, foreign, unknown, anns)
    assert walked >= 4


def test_a_base_of_somebody_else(walk: list[Operation], anns: World, own: World) -> None:
    """`next_base` names a text of Ann's diagram; on another diagram it is a base that is not there."""
    (operation,) = [one for one in walk if one.path == "/diagrams/{diagram_id}/content" and one.method == "PUT"]
    diagram, text = anns.diagrams[0], anns.xml("again")
    lane = text.replace(b'id="Lane_1" name="First"', b'id="Lane_1" name="Mine"')
    anns.save(diagram, params={"base_version": "2"}, content=text.replace(b'name="Them"', b'name="Those"'))
    merged = anns.save(diagram, params={"base_version": "2", "on_conflict": "merge"}, content=lane).json()
    base = merged["next_base"]
    assert base is not None
    with unchanged(anns):
        body = {"bpmn_xml": own.xml("mine").decode()}
        foreign, unknown = (
            send(own.owner, operation, named(operation, own), body={**body, "base_version": one})
            for one in (base, base[:-4] + "zzzz")
        )
        assert foreign.status_code == 409, foreign.text
        alike(operation, foreign, unknown, anns)


def test_idempotency_keys(walk: list[Operation], anns: World, own: World) -> None:
    """A key is its user's: the same one is another for somebody else, and answers nothing that was answered to Ann."""
    takers = [one for one in walk if "Idempotency-Key" in one.headers]
    assert len(takers) >= 4
    with unchanged(anns):
        for operation in takers:
            body = {"title": "a third plan"} if operation.path == "/diagrams" else None
            answer = send(own.owner, operation, named(operation, own), body=body, headers={"Idempotency-Key": ANNS_KEY})
            assert "idempotent-replayed" not in answer.headers, f"{operation}: {answer.text}"
            assert answer.status_code != 422, f"{operation}: {answer.text}"
            assert [word for word in anns.needles[:7] if word in answer.text] == []


def test_formats_and_methods_do_not_depend_on_what_exists(walk: list[Operation], anns: World, own: World) -> None:
    """405, 406 and 415 are said before anything is looked up."""
    methods: dict[str, set[str]] = {}
    for operation in walk:
        methods.setdefault(operation.path, set()).add(operation.method)
    with unchanged(anns):
        for operation in walk:
            if not operation.own:
                continue
            paths = [
                filled(operation, one) for one in (named(operation, own), named(operation, anns), unnamed(operation))
            ]
            other = next(one for one in ("PATCH", "PUT", "DELETE", "POST", "GET") if one not in methods[operation.path])
            tried: list[tuple[int, str, dict[str, Any]]] = [
                (405, other, {}),
                (406, operation.method, {"headers": {"Accept": "application/x-unheard-of"}}),
            ]
            if operation.sample is not None:
                tried.append((415, operation.method, {"headers": {"Content-Type": "text/csv"}, "content": b"a"}))
            for status, method, more in tried:
                answers = [blanked(own.owner.http.request(method, path, **more)) for path in paths]
                assert [one[0] for one in answers] == [status] * 3, f"{operation}: {answers}"
                assert answers[0] == answers[1] == answers[2], f"{operation}"


def test_without_credentials_all_is_alike(server: Served, walk: list[Operation], anns: World) -> None:
    with unchanged(anns), httpx.Client(base_url=f"{server.url}/api/v1", timeout=30) as http:
        nobody = Client(http, "", "", "")
        for operation in walk:
            if operation.own:
                foreign = send(nobody, operation, named(operation, anns))
                unknown = send(nobody, operation, unnamed(operation))
                assert foreign.status_code == 401, f"{operation} {foreign.text}"
                alike(operation, foreign, unknown, anns)


def test_a_secret_of_one_kind_opens_nothing_of_another(server: Served, anns: World) -> None:
    """A ticket is no access token, an id is no secret; and what a secret is for is not told to others."""
    ticket = anns.ask("POST", f"/diagrams/{anns.diagrams[0]}/ticket", json={}).json()["ticket"]
    token = anns.owner.http.headers["Authorization"].partition(" ")[2]
    with unchanged(anns), httpx.Client(base_url=f"{server.url}/api/v1", timeout=30) as http:
        for path in ("/me", f"/diagrams/{anns.diagrams[0]}", f"/orgs/{anns.owner.org_id}"):
            answers = [
                http.get(path, headers=headers)
                for headers in (
                    {"Authorization": f"Bearer {ticket}"},
                    {"Authorization": f"Bearer {anns.id('token_id')}"},
                    {"Authorization": f"Bearer {token[:-1]}"},
                    {"Authorization": f"Bearer {token.upper()}"},
                    {"Authorization": "Bearer clt_unknown"},
                )
            ]
            assert {one.status_code for one in answers} == {401}
            assert len({json.dumps(blanked(one)) for one in answers}) == 1
            for cookie in (token, ticket, anns.id("token_id"), "unknown"):
                assert http.get(path, headers={"Cookie": f"colane_session={cookie}"}).status_code == 401


def readable(walk: list[Operation]) -> Iterator[Operation]:
    return (one for one in walk if one.method == "GET")


def test_nothing_of_anns_is_in_what_others_read(walk: list[Operation], anns: World, own: World) -> None:
    """Every list, count, search, log and drawing of Mallory's: no id, name, address or word of Ann's."""
    for operation in readable(walk):
        answer = send(
            own.owner, operation, named(operation, own), query={"q": "ann"} if "q" in operation.query else None
        )
        assert answer.status_code == 200, f"{operation}: {answer.text[:300]}"
        said = answer.text + str(answer.headers)
        assert [word for word in anns.needles if word in said] == [], f"{operation}"


def test_with_ones_own_every_route_answers_otherwise(server: Served, walk: list[Operation]) -> None:
    """The same requests by somebody who may: what is 404 above is not 404 here. Reading first, deleting last."""
    carol = built(server, "carol")
    order = ["GET", "POST", "PATCH", "PUT", "DELETE"]
    later = {"/auth/logout", "/diagrams/{diagram_id}/members/{user_id}", "/orgs/{org_id}/members/{user_id}"}
    for operation in sorted(walk, key=lambda one: (order.index(one.method), one.path in later, -len(one.path))):
        if not operation.own:
            continue
        extra = {"user_id": carol.member.user_id} if operation.path == "/diagrams/{diagram_id}/members" else None
        answer = send(carol.owner, operation, named(operation, carol), body=extra)
        assert answer.status_code not in (404, 401, 403) or answer.json()["code"] == "version_evicted", (
            f"{operation}: {answer.status_code} {answer.text[:300]}; what the walk names is not what this route takes"
        )
        assert answer.status_code < 500
    carol.close()


def test_no_statement_says_for_longer_than_its_transaction_who_asks(server: Served, walk: list[Operation]) -> None:
    """All that this server has asked PostgreSQL for the tests above, as PostgreSQL heard it."""
    log = (server.data / "pg.log").read_text(errors="replace")
    heard = re.findall(r"LOG:  (?:statement|execute [^:]+): (.*(?:\n\t.*)*)", log)
    ours = {
        re.sub(r"\d+", "0", one) for one in heard if "ALTER SYSTEM" not in one and "'jit'" not in one
    }  # the driver's
    assert sum("set_config('app.org'" in one for one in heard) > 20
    assert [one for one in ours if lasting(one)] == []


def test_who_has_left_is_not_told_again_what_they_were_told(anns: World, server: Served) -> None:
    """A key that was answered while somebody belonged answers nothing when they do not, in any media type."""
    somebody = signed_up(server, "leaver")
    anns.ask("POST", f"/orgs/{anns.owner.org_id}/members", json={"email": somebody.email, "role": "editor"})
    body, key = b'{"title": "made here"}', {"Idempotency-Key": "before", "Content-Type": "application/json"}
    diagram = anns.diagrams[1]
    paths = [("/diagrams", 422), (f"/diagrams/{diagram}/versions", 404)]
    org = {"org": anns.owner.org_id}
    given = [somebody.http.post(path, params=org, content=body, headers=key) for path, _ in paths]
    assert {one.status_code for one in given} <= {200, 201}, [one.text for one in given]
    again = somebody.http.post("/diagrams", params=org, content=body, headers=key)
    assert (again.headers["idempotent-replayed"], again.text) == ("true", given[0].text)
    anns.ask("DELETE", f"/orgs/{anns.owner.org_id}/members/{somebody.user_id}")
    for path, status in paths:
        for media, expected in (("application/json", status), ("text/csv", 415)):
            late = somebody.http.post(path, params=org, content=body, headers={**key, "Content-Type": media})
            assert late.status_code == expected, f"{path} {media}: {late.text}"
            assert "idempotent-replayed" not in late.headers
            assert [word for word in anns.needles if word in late.text] == []
    somebody.http.close()
