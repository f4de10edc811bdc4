"""Saving, sentence by sentence: the order of the checks, keys, bases, what is written and what is kept.

The names of the tests begin with the sentence they hold: K keys, P preconditions, N nothing new, L live edits, V versions.
What is told of merging and of conflicts is in test_content.py; crowds are in test_crowds.py, rates in test_limits.py.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from collab.bpmn.records import Change
from storage import folds
from storage.database import Database
from storage.idempotency import Once
from storage.updates import UpdateLog
from tests.api.conftest import Client, signed_up
from tests.collab.test_save import live_edit
from tests.people import Owner
from tests.serving import Served

XML = {"Content-Type": "application/xml"}
OVER = b" " * (5 * 1024 * 1024 + 1)


def small(name: str) -> bytes:
    return (
        '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="urn:x">'
        f'<process id="P"><task id="T" name="{name}"/><task id="U" name="other"/></process></definitions>'
    ).encode()


def put(who: Client, diagram: str, xml: bytes, query: str = "", **headers: str) -> httpx.Response:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return who.http.put(f"/diagrams/{diagram}/content{query}", content=xml, headers={**XML, **more})


def replayed(answer: httpx.Response) -> bool:
    return bool(answer.headers.get("idempotent-replayed") == "true")


def numbers(who: Client, diagram: str) -> list[int]:
    return [one["version"] for one in who.http.get(f"/diagrams/{diagram}/versions").json()["items"]]


@pytest.fixture
async def anns(server: Served, ann: Client) -> "AsyncIterator[asyncpg.Connection[Any]]":
    """The database as the application sees it on Ann's behalf."""
    conn = await asyncpg.connect(server.database("colane_app"))
    await conn.execute("SELECT set_config('app.user', $1, false)", ann.user_id)
    await conn.execute("SELECT set_config('app.org', $1, false)", ann.org_id)
    yield conn
    await conn.close()


@pytest.fixture(scope="module")
def zoe(server: Served) -> Iterator[Client]:
    client = signed_up(server, "Zoe")
    yield client
    client.http.close()


# -- the order of the checks -----------------------------------------------------------------------------------------


def test_order_authentication_then_rights_then_validity_then_the_precondition(
    server: Served, ann: Client, mallory: Client
) -> None:
    diagram = ann.diagram(small("one"))
    url = f"{server.url}/api/v1/diagrams/{diagram}/content"
    assert httpx.put(url, content=b"<", headers=XML).status_code == 401
    assert put(mallory, diagram, b"<").status_code == 404
    ann.http.put(f"/diagrams/{diagram}/members", json={"email": mallory.email, "role": "viewer"})
    assert put(mallory, diagram, b"<").status_code == 403
    assert put(ann, diagram, b"<").json()["code"] == "invalid_bpmn"
    assert put(ann, diagram, b"<", If_Match='"v9"').json()["code"] == "invalid_bpmn"
    assert put(ann, diagram, small("two")).status_code == 428
    assert put(ann, diagram, small("two"), If_Match='"v9"').status_code == 412


# -- K: keys -----------------------------------------------------------------------------------------------------------


def test_k1_every_route_that_takes_a_key_replays_its_answer(ann: Client) -> None:
    key = {"Idempotency-Key": "k1"}
    made = [ann.http.post("/diagrams", json={"title": "Once"}, headers=key) for _ in range(2)]
    diagram = made[0].json()["id"]
    asked: list[list[httpx.Response]] = [made]
    for method, path, more in (
        ("PUT", f"/diagrams/{diagram}/content?base_version=1", {"content": small("two"), "headers": {**XML, **key}}),
        ("POST", f"/diagrams/{diagram}/versions", {"json": {"message": "now"}, "headers": key}),
        ("POST", f"/diagrams/{diagram}/versions/1/restore", {"headers": key}),
    ):
        asked.append([ann.http.request(method, path, **more) for _ in range(2)])
    for first, again in asked:
        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert (replayed(first), replayed(again)) == (False, True)
        for name in ("etag", "location", "content-type"):
            assert first.headers.get(name) == again.headers.get(name)
    assert numbers(ann, diagram) == [3, 2, 1]


def test_k2_a_key_is_its_users_and_its_routes_own(ann: Client, zoe: Client) -> None:
    key = {"Idempotency-Key": "k2"}
    first = ann.http.post("/diagrams", json={"title": "Mine"}, headers=key)
    hers = zoe.http.post("/diagrams", json={"title": "Hers"}, headers=key)
    assert (hers.status_code, hers.json()["title"]) == (201, "Hers")
    diagram = first.json()["id"]
    assert ann.http.post(f"/diagrams/{diagram}/versions", json={}, headers=key).status_code == 200


def test_k3_the_fingerprint_covers_path_query_and_body(ann: Client) -> None:
    diagram, other = ann.diagram(small("one")), ann.diagram(small("one"))
    assert put(ann, diagram, small("two"), "?base_version=1", Idempotency_Key="k3").status_code == 200
    for where, xml, query in (
        (diagram, small("three"), "?base_version=1"),
        (diagram, small("two"), "?base_version=1&message=more"),
        (other, small("two"), "?base_version=1"),
        (diagram, OVER, "?base_version=1"),
    ):
        reused = put(ann, where, xml, query, Idempotency_Key="k3")
        assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
        assert not replayed(reused)
    assert replayed(put(ann, diagram, small("two"), "?base_version=1", Idempotency_Key="k3"))


async def test_k4_whoever_finds_the_key_held_by_another_process_hears_409(
    server: Served, ann: Client, anns: "asyncpg.Connection[Any]"
) -> None:
    diagram = ann.diagram(small("one"))
    held = Once(UUID(ann.user_id), "content_save_content", "k4", b"", None)._number  # type: ignore[arg-type]
    await anns.execute("SELECT pg_advisory_lock($1)", held)
    refused = await asyncio.to_thread(put, ann, diagram, small("two"), "?base_version=1", Idempotency_Key="k4")
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_in_progress")
    assert (refused.headers["retry-after"], refused.json()["retryable"]) == ("1", True)
    assert numbers(ann, diagram) == [1]
    await anns.execute("SELECT pg_advisory_unlock($1)", held)
    done = await asyncio.to_thread(put, ann, diagram, small("two"), "?base_version=1", Idempotency_Key="k4")
    assert (done.status_code, replayed(done)) == (200, False)


@pytest.mark.parametrize(
    ("status", "xml", "kind"),
    [(413, OVER, "application/xml"), (415, b"hello", "text/plain"), (422, b"<a/>", "application/xml")],
    ids=["413", "415", "422"],
)
def test_k5_what_the_payload_is_to_blame_for_is_kept(ann: Client, status: int, xml: bytes, kind: str) -> None:
    diagram = ann.diagram(small("one"))
    key = {"Idempotency_Key": f"k5-{status}", "Content_Type": kind}
    first, again = (put(ann, diagram, xml, "?base_version=1", **key) for _ in range(2))
    assert (first.status_code, again.status_code) == (status, status)
    assert (replayed(first), replayed(again)) == (False, True)
    assert first.content == again.content
    other = put(ann, diagram, xml + b" ", "?base_version=1", **key)
    assert other.json()["code"] == "idempotency_key_reused"


def test_k6_what_may_end_otherwise_next_time_is_not_kept(ann: Client) -> None:
    diagram = ann.diagram(small("one"))
    assert put(ann, diagram, small("two"), Idempotency_Key="k6").status_code == 428
    assert put(ann, diagram, small("two"), "?base_version=0", Idempotency_Key="k6-400").status_code == 400
    assert put(ann, diagram, small("two"), "?base_version=9", Idempotency_Key="k6-409").status_code == 409
    assert put(ann, diagram, small("two"), If_Match='"v9"', Idempotency_Key="k6").status_code == 412
    done = put(ann, diagram, small("two"), If_Match='"v1"', Idempotency_Key="k6")
    assert (done.status_code, replayed(done), done.json()["version"]) == (200, False, 2)
    again = put(ann, diagram, small("two"), "?base_version=9", Idempotency_Key="k6-409")
    assert not replayed(again)


def test_k7_a_key_is_1_to_255_visible_ascii_characters(ann: Client) -> None:
    diagram = ann.diagram(small("one"))
    for key in ("", "a b", "a" * 256, "ü".encode("latin-1").decode("latin-1")):
        answer = ann.http.put(
            f"/diagrams/{diagram}/content?base_version=1",
            content=small("two"),
            headers=[(b"content-type", b"application/xml"), (b"idempotency-key", key.encode("latin-1"))],
        )
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "header.Idempotency-Key"), key
    assert put(ann, diagram, small("two"), "?base_version=1", Idempotency_Key="!" + "~" * 254).status_code == 200


async def test_k8_a_key_is_kept_for_24_hours_and_swept(
    server: Served, ann: Client, anns: "asyncpg.Connection[Any]"
) -> None:
    diagram = ann.diagram(small("one"))
    assert put(ann, diagram, small("two"), "?base_version=1", Idempotency_Key="k8").status_code == 200
    older = "UPDATE colane.idempotency_keys SET created_at = now() - interval '{}' WHERE key = 'k8'"
    async with Database.open(server.database("colane_worker")) as worker:
        assert await anns.execute(older.format("23 hours 59 minutes")) == "UPDATE 1"
        async with worker.transaction() as conn:
            await folds.sweep(conn)
        assert replayed(put(ann, diagram, small("two"), "?base_version=1", Idempotency_Key="k8"))
        await anns.execute(older.format("24 hours 1 minute"))
        stale = put(ann, diagram, small("three"), "?base_version=1", Idempotency_Key="k8")
        assert stale.json()["code"] == "version_conflict", "the key means nothing any more"
        async with worker.transaction() as conn:
            await folds.sweep(conn)
    assert await anns.fetchval("SELECT count(*) FROM colane.idempotency_keys WHERE key = 'k8'") == 0


# -- P: preconditions --------------------------------------------------------------------------------------------------


def test_p1_a_star_names_no_version_whatever_else_does(ann: Client) -> None:
    diagram = ann.diagram(small("one"))
    assert put(ann, diagram, small("two"), If_Match="*").json()["code"] == "precondition_required"
    assert put(ann, diagram, small("two"), "?base_version=1", If_Match="*").status_code == 428


def test_p2_two_bases_that_differ_are_400_and_two_that_agree_are_one(ann: Client) -> None:
    diagram = ann.diagram(small("one"))
    differ = put(ann, diagram, small("two"), "?base_version=1", If_Match='"v2"')
    assert (differ.status_code, differ.json()["errors"][0]["path"]) == (400, "header.If-Match")
    as_json = {"bpmn_xml": small("two").decode(), "base_version": 1}
    differ = ann.http.put(f"/diagrams/{diagram}/content?base_version=2", json=as_json)
    assert (differ.status_code, differ.json()["errors"][0]["path"]) == (400, "query.base_version")
    assert put(ann, diagram, small("two"), "?base_version=1", If_Match='"v1"').json()["version"] == 2


def test_p3_tags_that_are_none_of_ours_or_weak_match_nothing(ann: Client) -> None:
    diagram = ann.diagram(small("one"))
    for tag in ('W/"v1"', "v1", '"v01"', '"v0"', '"v1.s9"', '"x"'):
        refused = put(ann, diagram, small("two"), If_Match=tag)
        assert (refused.status_code, refused.json()["code"], refused.json()["current_version"]) == (
            412,
            "version_conflict",
            1,
        )
    assert numbers(ann, diagram) == [1]


def test_p4_a_conflict_says_everything_that_is_needed_to_sort_it_out(ann: Client) -> None:
    diagram = ann.diagram(small("one"))
    put(ann, diagram, small("theirs"), "?base_version=1")
    told = put(ann, diagram, small("mine").replace(b'"other"', b'"also"'), "?base_version=1").json()
    assert (told["base_version"], told["current_version"], told["current_etag"]) == (1, 2, '"v2"')
    assert told["updated_by"] == {"id": ann.user_id, "name": "Ann"}
    assert told["conflict"] == {
        "auto_mergeable": False,
        "yours": [
            {"element": "T", "property": "name", "base": "one", "value": "mine"},
            {"element": "U", "property": "name", "base": "other", "value": "also"},
        ],
        "theirs": [{"element": "T", "property": "name", "base": "one", "value": "theirs"}],
        "both": [{"element": "T", "property": "name", "base": "one", "yours": "mine", "theirs": "theirs"}],
    }
    root = str(ann.http.base_url).partition("/api")[0]
    for link, content in (("current", small("theirs")), ("base", small("one"))):
        assert ann.http.get(root + told["links"][link]).content == content
    assert ann.http.get(root + told["links"]["diff"]).status_code == 200


# -- N: nothing new ----------------------------------------------------------------------------------------------------


async def test_n1_an_unchanged_save_writes_nothing_anywhere(
    server: Served, ann: Client, anns: "asyncpg.Connection[Any]"
) -> None:
    diagram = ann.diagram(small("one"))
    assert put(ann, diagram, small("two"), "?base_version=1").json()["version"] == 2

    async def written() -> list[int]:
        columns = {"versions": "diagram_id", "updates": "diagram_id", "audit": "diagram_id", "bases": "diagram_id"}
        return [
            await anns.fetchval(f"SELECT count(*) FROM colane.{table} WHERE {column} = $1", UUID(diagram))
            for table, column in (columns | {"outbox": "aggregate_id"}).items()
        ]

    before = await written()
    assert all(before[:3]), "there is something to count"
    for query in ("?base_version=2", "?base_version=1", "?base_version=1&on_conflict=merge"):
        told = put(ann, diagram, small("two"), query).json()
        assert (told["version"], told["unchanged"], told["etag"]) == (2, True, '"v2"'), query
    after = await written()
    assert after[:4] == before[:4]
    assert after[4] <= before[4], "the worker takes events away, and nothing brought new ones"


def test_n2_a_save_raises_the_version_by_one(ann: Client) -> None:
    diagram = ann.diagram(small("0"))
    for number in range(1, 4):
        told = put(ann, diagram, small(str(number)), f"?base_version={number}").json()
        assert (told["version"], told["unchanged"], told["merged"], told["etag"]) == (
            number + 1,
            False,
            False,
            f'"v{number + 1}"',
        )
    assert numbers(ann, diagram) == [4, 3, 2, 1]


# -- L: live edits count -----------------------------------------------------------------------------------------------


async def edited_live(server: Served, who: Client, diagram: str, name: str) -> None:
    """What an open editor would have written."""
    async with UpdateLog.open(server.database("colane_app")) as log:
        person = Owner(UUID(who.user_id), UUID(who.org_id), who.email)
        await live_edit(log, person, UUID(diagram), Change("U", "@name", name))


async def test_l1_a_save_over_live_edits_makes_them_a_version_first_and_is_then_stale(
    server: Served, ann: Client
) -> None:
    diagram = ann.diagram(small("one"))
    await edited_live(server, ann, diagram, "live")
    stale = put(ann, diagram, small("mine"), "?base_version=1")
    assert (stale.status_code, stale.json()["current_version"]) == (409, 2)
    assert stale.json()["conflict"]["auto_mergeable"]
    kept = ann.http.get(f"/diagrams/{diagram}/versions/2").json()
    assert (kept["kind"], [one["id"] for one in kept["authors"]]) == ("auto", [ann.user_id])
    merged = put(ann, diagram, small("mine"), "?base_version=1&on_conflict=merge").json()
    assert (merged["version"], merged["merged"]) == (3, True)
    assert 'name="live"' in merged["bpmn_xml"]
    assert 'name="mine"' in merged["bpmn_xml"]


async def test_l2_the_tag_of_the_live_state_is_a_base_while_it_is_still_that(server: Served, ann: Client) -> None:
    diagram = ann.diagram(small("one"))
    await edited_live(server, ann, diagram, "live")
    live = ann.http.get(f"/diagrams/{diagram}/content?version=live")
    assert (live.headers["etag"], live.headers["x-version"]) == ('"v1.s2"', "1")
    mine = live.content.replace(b'"one"', b'"mine"')
    assert put(ann, diagram, mine, If_Match='"v1.s1"').status_code == 412
    saved = put(ann, diagram, mine, If_Match=live.headers["etag"])
    assert (saved.status_code, saved.json()["version"]) == (200, 3), "2 is what was live"
    assert put(ann, diagram, small("late"), If_Match=live.headers["etag"]).status_code == 412


# -- V: versions that are kept -----------------------------------------------------------------------------------------


def test_v1_ten_automatic_versions_are_kept_with_the_named_and_the_pinned_and_no_more(ann: Client) -> None:
    diagram = ann.diagram(small("1"))
    here = f"/diagrams/{diagram}"
    for number in range(2, 11):
        put(ann, diagram, small(str(number)), f"?base_version={number - 1}")
    assert numbers(ann, diagram) == list(range(10, 0, -1)), "the ten include the head"
    ann.http.patch(f"{here}/versions/1", json={"name": "First"})
    ann.http.patch(f"{here}/versions/3", json={"pinned": True})
    for number in (11, 12):
        put(ann, diagram, small(str(number)), f"?base_version={number - 1}")
    assert numbers(ann, diagram) == list(range(12, 0, -1))
    # The one that makes the eleventh takes the oldest with it.
    put(ann, diagram, small("13"), "?base_version=12")
    assert numbers(ann, diagram) == [*range(13, 2, -1), 1]
    for method, path, body in (
        ("GET", f"{here}/content?version=2", None),
        ("GET", f"{here}/versions/2", None),
        ("PATCH", f"{here}/versions/2", {"pinned": True}),
        ("POST", f"{here}/versions/2/restore", None),
        ("GET", f"{here}/diff?from=2", None),
        ("POST", f"{here}/validate?version=2", None),
    ):
        gone = ann.http.request(method, path, json=body)
        assert (gone.status_code, gone.json()["code"]) == (404, "version_evicted"), path
    assert ann.http.get(f"{here}/content?version=99").json()["code"] == "not_found"
    # Evicted, it is still a base to merge from.
    merged = put(ann, diagram, small("2").replace(b'"other"', b'"mine"'), "?base_version=2&on_conflict=merge")
    assert merged.status_code == 200, merged.text
    assert 'name="13"' in merged.json()["bpmn_xml"]


def test_v2_saves_checkpoints_and_restores_count_alike_and_the_head_is_never_evicted(ann: Client) -> None:
    diagram = ann.diagram(small("1"))
    here = f"/diagrams/{diagram}"
    for number in range(2, 12):
        put(ann, diagram, small(str(number)), f"?base_version={number - 1}&message=said")
    assert numbers(ann, diagram) == list(range(11, 1, -1)), "a message keeps nothing"
    for number in range(2, 12):
        ann.http.patch(f"{here}/versions/{number}", json={"pinned": True})
    assert ann.http.post(f"{here}/versions/2/restore").json()["version"] == 12
    assert numbers(ann, diagram) == list(range(12, 1, -1))
    # All but the head lose their pins at once: eleven automatic ones, of which the oldest goes.
    for number in range(2, 12):
        ann.http.patch(f"{here}/versions/{number}", json={"pinned": False})
    assert numbers(ann, diagram)[0] == 12
    assert len(numbers(ann, diagram)) == 10
    assert ann.http.get(f"{here}/content").content == small("2")


def test_v3_create_makes_version_1(ann: Client) -> None:
    made = ann.http.post("/diagrams", json={"title": "Empty"})
    assert (made.json()["version"], made.headers["etag"]) == (1, '"v1"')
    assert numbers(ann, made.json()["id"]) == [1]
