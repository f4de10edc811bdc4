"""Saving over REST: bases, conflicts, idempotency, and bad input that leaves nothing behind."""

import time

import httpx
import pytest

from tests.api.conftest import Client
from tests.people import TEXT
from tests.serving import Served

XML = {"Content-Type": "application/xml"}
ROOT = b'<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="urn:x">'


def renamed(name: bytes) -> bytes:
    return TEXT.replace(b'name="Do"', b'name="' + name + b'"')


def put(ann: Client, diagram: str, xml: bytes, **headers: str) -> httpx.Response:
    return ann.http.put(
        f"/diagrams/{diagram}/content",
        content=xml,
        headers={**XML, **{k.replace("_", "-"): v for k, v in headers.items()}},
    )


def test_content_comes_back_as_it_was_sent(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    head = ann.http.get(f"/diagrams/{diagram}/content")
    assert (head.status_code, head.content, head.headers["etag"], head.headers["x-version"]) == (200, TEXT, '"v1"', "1")
    assert ann.http.get(f"/diagrams/{diagram}/content", headers={"If-None-Match": '"v1"'}).status_code == 304
    live = ann.http.get(f"/diagrams/{diagram}/content", params={"version": "live"})
    assert (live.content, live.headers["etag"]) == (TEXT, '"v1.s1"')


def test_a_save_names_its_base(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    assert put(ann, diagram, renamed(b"A")).status_code == 428
    assert put(ann, diagram, renamed(b"A"), If_Match="*").status_code == 428
    saved = put(ann, diagram, renamed(b"A"), If_Match='"v1"')
    assert (saved.status_code, saved.json()["version"], saved.headers["etag"]) == (200, 2, '"v2"')
    both = ann.http.put(
        f"/diagrams/{diagram}/content?base_version=1", content=TEXT, headers={**XML, "If-Match": '"v2"'}
    )
    assert (both.status_code, both.json()["code"]) == (400, "invalid_request")
    as_json = ann.http.put(f"/diagrams/{diagram}/content", json={"bpmn_xml": TEXT.decode(), "base_version": 2})
    assert as_json.json()["version"] == 3


def test_a_stale_save_is_409_or_412_with_one_body_and_changes_nothing(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    assert put(ann, diagram, renamed(b"Theirs"), If_Match='"v1"').status_code == 200
    by_version = ann.http.put(f"/diagrams/{diagram}/content?base_version=1", content=renamed(b"Mine"), headers=XML)
    by_tag = put(ann, diagram, renamed(b"Mine"), If_Match='"v1"')
    assert (by_version.status_code, by_tag.status_code) == (409, 412)
    a, b = by_version.json(), by_tag.json()
    assert {k: v for k, v in a.items() if k not in ("status", "request_id")} == {
        k: v for k, v in b.items() if k not in ("status", "request_id")
    }
    assert (a["code"], a["base_version"], a["current_version"], a["current_etag"]) == ("version_conflict", 1, 2, '"v2"')
    assert a["conflict"]["both"] == [
        {"element": "Task_1", "property": "name", "base": "Do", "yours": "Mine", "theirs": "Theirs"}
    ]
    assert ann.http.get(f"/diagrams/{diagram}/content").content == renamed(b"Theirs")


def test_a_retried_save_replays_instead_of_conflicting_with_itself(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    first = put(ann, diagram, renamed(b"A"), If_Match='"v1"', Idempotency_Key="one")
    again = put(ann, diagram, renamed(b"A"), If_Match='"v1"', Idempotency_Key="one")
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    other = put(ann, diagram, renamed(b"B"), If_Match='"v1"', Idempotency_Key="one")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert [v["version"] for v in ann.http.get(f"/diagrams/{diagram}/versions").json()["items"]] == [2, 1]
    created = [
        ann.http.post("/diagrams", json={"title": "once"}, headers={"Idempotency-Key": "make"}).json()["id"]
        for _ in range(3)
    ]
    assert len(set(created)) == 1


def test_an_unchanged_save_writes_nothing(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    before = ann.http.get(f"/diagrams/{diagram}/audit").json()["items"]
    saved = put(ann, diagram, TEXT, If_Match='"v1"')
    assert (saved.json()["version"], saved.json()["unchanged"]) == (1, True)
    assert ann.http.get(f"/diagrams/{diagram}/audit").json()["items"] == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"not xml", 422, "invalid_bpmn"),
        (b"<a/>", 422, "invalid_bpmn"),
        (b'<?xml version="1.0"?><!DOCTYPE a><a/>', 422, "xml_forbidden"),
        (ROOT + b"<process/>" * 60_000 + b"</definitions>", 413, "too_large"),
        (ROOT + b" " * 6_000_000 + b"</definitions>", 413, "too_large"),
        (b'<?xml version="1.0" encoding="EBCDIC"?><a/>', 422, "invalid_bpmn"),
    ],
    ids=["not xml", "not bpmn", "doctype", "60,000 elements", "6 MB", "encoding"],
)
def test_bad_input_gets_its_code_a_plain_sentence_and_nothing_is_stored(
    server: Served, ann: Client, body: bytes, status: int, code: str
) -> None:
    diagram = ann.diagram(TEXT)
    before = ann.http.get("/diagrams").json()["items"]
    for answer in (
        ann.http.post("/diagrams?title=bad", content=body, headers=XML),
        put(ann, diagram, body, If_Match='"v1"'),
    ):
        told = answer.json()
        assert (answer.status_code, told["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert 10 < len(told["detail"]) < 300
        assert told["request_id"] == answer.headers["x-request-id"]
    assert ann.http.get("/diagrams").json()["items"] == before
    started = time.perf_counter()
    assert httpx.get(f"{server.url}/livez").status_code == 200
    assert time.perf_counter() - started < 2


def test_wrong_types_say_where(ann: Client) -> None:
    for body, path in (
        ({"title": 5}, "body.title"),
        ({"title": "x", "project_id": "no"}, "body.project_id"),
        ([], "body"),
    ):
        answer = ann.http.post("/diagrams", json=body)
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["errors"][0]["path"].startswith(path) or answer.json()["code"] == "invalid_reference"
    assert ann.http.post("/diagrams", content=b"{bad", headers={"Content-Type": "application/json"}).status_code == 400
    assert ann.http.post("/diagrams", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415


def test_restore_and_versions(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    put(ann, diagram, renamed(b"Two"), If_Match='"v1"')
    assert ann.http.post(f"/diagrams/{diagram}/versions/1/restore").json()["version"] == 3
    assert ann.http.get(f"/diagrams/{diagram}/content").content == TEXT
    same = ann.http.post(f"/diagrams/{diagram}/versions", json={"message": "now"})
    assert (same.status_code, same.json()["version"]) == (200, 3)
    named = ann.http.patch(f"/diagrams/{diagram}/versions/2", json={"name": "kept", "pinned": True}).json()
    assert (named["name"], named["pinned"]) == ("kept", True)
    assert ann.http.get(f"/diagrams/{diagram}/versions/99").status_code == 404
    items = ann.http.get(f"/diagrams/{diagram}/versions", params={"limit": 2}).json()
    assert [v["version"] for v in items["items"]] == [3, 2]
    rest = ann.http.get(f"/diagrams/{diagram}/versions", params={"limit": 2, "cursor": items["next_cursor"]}).json()
    assert ([v["version"] for v in rest["items"]], rest["next_cursor"]) == ([1], None)


def test_a_stale_save_merges_by_itself_unless_both_changed_the_same(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    assert put(ann, diagram, renamed(b"Theirs"), If_Match='"v1"').json()["version"] == 2
    other = TEXT.replace(b'id="Lane_1" name="First"', b'id="Lane_1" name="Mine"')
    url = f"/diagrams/{diagram}/content?base_version=1&on_conflict=merge"
    merged = ann.http.put(url, content=other, headers={**XML, "Idempotency-Key": "once"})
    assert merged.status_code == 200, merged.text
    told = merged.json()
    assert (told["version"], told["merged"], told["unchanged"], told["kept"]) == (3, True, False, [])
    text = ann.http.get(f"/diagrams/{diagram}/content").content
    assert text == told["bpmn_xml"].encode()
    assert b'name="Theirs"' in text
    assert b'id="Lane_1" name="Mine"' in text
    again = ann.http.put(url, content=other, headers={**XML, "Idempotency-Key": "once"})
    assert (again.headers["idempotent-replayed"], again.json()) == ("true", told)

    # the same thing on both sides: refused with the three values, nothing written
    rival = ann.http.put(
        f"/diagrams/{diagram}/content",
        json={"bpmn_xml": renamed(b"Rival").decode(), "base_version": 1, "on_conflict": "merge"},
    )
    assert (rival.status_code, rival.json()["current_version"]) == (409, 3)
    conflict = rival.json()["conflict"]
    assert conflict["both"] == [
        {"element": "Task_1", "property": "name", "base": "Do", "yours": "Rival", "theirs": "Theirs"}
    ]
    assert not conflict["auto_mergeable"]
    assert ann.http.get(f"/diagrams/{diagram}").json()["version"] == 3

    # without being asked nothing is merged, but it is said that it could be
    stale = ann.http.put(f"/diagrams/{diagram}/content?base_version=1", content=other + b"\n", headers=XML)
    assert stale.status_code == 409
    assert (stale.json()["conflict"]["auto_mergeable"], stale.json()["conflict"]["both"]) == (True, [])


def test_who_keeps_their_own_text_names_it_as_their_next_base(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    lane = (b'id="Lane_1" name="First"', b'id="Lane_1" name="Mine"')
    assert put(ann, diagram, renamed(b"Theirs"), If_Match='"v1"').status_code == 200
    mine = TEXT.replace(*lane)
    merge = f"/diagrams/{diagram}/content?on_conflict=merge&base_version="
    first = ann.http.put(merge + "1", content=mine, headers=XML).json()
    assert (first["version"], first["merged"]) == (3, True)

    # I go on with my own text, which never had "Theirs": named as the base, it takes nothing back
    more = mine.replace(b'id="Lane_2" name="Second"', b'id="Lane_2" name="Also mine"')
    url = f"/diagrams/{diagram}/content?base_version={first['next_base']}"
    second = ann.http.put(url, content=more, headers=XML)
    assert second.status_code == 200, second.text
    told = second.json()
    assert (told["version"], told["merged"]) == (4, True)
    for part in (b'name="Theirs"', b'name="Mine"', b'name="Also mine"'):
        assert part in told["bpmn_xml"].encode()

    # the head has moved since: the first name is as stale as any base, and merges when asked to
    third = mine.replace(b"Two lines,", b"Three lines,")
    assert ann.http.put(url, content=third, headers=XML).status_code == 409
    merged = ann.http.put(f"{merge}{first['next_base']}", content=third, headers=XML).json()
    assert (merged["version"], merged["merged"]) == (5, True)
    assert "Also mine" in merged["bpmn_xml"]
    unknown = ann.http.put(f"/diagrams/{diagram}/content?base_version=b9.nothing", content=third, headers=XML)
    assert (unknown.status_code, unknown.json()["code"]) == (409, "version_conflict")


def test_the_difference_of_two_versions_is_told_by_element(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    second = renamed(b"Done").replace(b'<dc:Bounds x="250" y="138"', b'<dc:Bounds x="250" y="150"')
    second = second.replace(b'<bpmn:task id="Paper"', b'<bpmn:manualTask id="Paper"')
    assert put(ann, diagram, second, If_Match='"v1"').status_code == 200
    url = f"/diagrams/{diagram}/diff"
    told = ann.http.get(url, params={"from": "1"}).json()
    assert (told["from_version"], told["to_version"], told["added"], told["removed"]) == ("1", "2", [], [])
    (task,) = told["changed"]
    assert (task["element"], task["name"]) == ("Task_1", "Done")
    assert task["properties"] == [{"property": "name", "base": "Do", "value": "Done"}]
    assert ann.http.get(url, params={"from": "2", "to": "live"}).json()["changed"] == []
    back = ann.http.get(url, params={"from": "2", "to": "1"}).json()
    assert back["changed"][0]["properties"] == [{"property": "name", "base": "Done", "value": "Do"}]
    for bad in ({"from": "0"}, {"from": "live", "to": "9"}, {"from": "x"}, {}):
        assert ann.http.get(url, params=bad).status_code == 400, bad


def test_a_model_is_validated_and_never_refused_for_what_is_found(ann: Client) -> None:
    bad = TEXT.replace(b'targetRef="Task_1"', b'targetRef="Nowhere"', 1)
    found = ann.http.post("/validate", content=bad, headers=XML)
    assert found.status_code == 200
    assert not found.json()["valid"]
    assert any(one["rule"] == "unresolved" for one in found.json()["problems"])
    diagram = ann.diagram(bad)
    assert ann.http.post(f"/diagrams/{diagram}/validate").json() == found.json()
    assert ann.http.post("/validate", json={"bpmn_xml": TEXT.decode()}).json()["valid"]
    assert ann.http.post("/validate", content=b"<", headers=XML).json()["code"] == "invalid_bpmn"
