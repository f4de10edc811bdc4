"""Comments over REST: threads on elements that live and die, answers, mentions, who may say and change what."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from storage import comments
from tests.api.conftest import Client, signed_up
from tests.people import TEXT
from tests.serving import Served

XML = {"Content-Type": "application/xml"}


@pytest.fixture(scope="module")
def bob(server: Served) -> Iterator[Client]:
    client = signed_up(server, "Bob")
    yield client
    client.http.close()


def shared(ann: Client, bob: Client, role: str = "commenter") -> str:
    """A diagram of Ann's on which Bob has a role."""
    diagram = ann.diagram(TEXT)
    put = ann.http.put(f"/diagrams/{diagram}/members", json={"email": bob.email, "role": role})
    assert put.status_code == 201
    return diagram


def say(who: Client, diagram: str, text: str, **more: Any) -> dict[str, Any]:
    made = who.http.post(f"/diagrams/{diagram}/comments", json={"text": text, **more})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def listed(who: Client, diagram: str, **filters: Any) -> list[dict[str, Any]]:
    answer = who.http.get(f"/diagrams/{diagram}/comments", params=filters)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_thread_is_begun_answered_settled_and_opened_again(ann: Client, bob: Client) -> None:
    diagram = shared(ann, bob)
    thread = say(ann, diagram, "  Who does this?  ", element_id="Task_1")
    assert (thread["text"], thread["element_id"], thread["element_name"]) == ("Who does this?", "Task_1", "Do")
    assert (thread["orphaned"], thread["resolved"], thread["thread_id"]) == (False, False, None)
    at = f"/diagrams/{diagram}/comments/{thread['id']}"
    answer = bob.http.post(f"{at}/replies", json={"text": "I do"})
    assert (answer.status_code, answer.json()["thread_id"]) == (201, thread["id"])
    assert problem(
        ann.http.post(f"/diagrams/{diagram}/comments/{answer.json()['id']}/replies", json={"text": "?"})
    ) == (
        404,
        "not_found",
    )
    say(bob, diagram, "About all of it")
    assert [(one["text"], [r["text"] for r in one["replies"]]) for one in listed(ann, diagram)] == [
        ("About all of it", []),
        ("Who does this?", ["I do"]),
    ]
    assert [one["text"] for one in listed(ann, diagram, element="Task_1")] == ["Who does this?"]
    settled = bob.http.post(f"{at}/resolve").json()
    assert (settled["resolved"], settled["resolved_by"]["id"]) == (True, bob.user_id)
    assert ann.http.post(f"{at}/resolve").json()["resolved_by"]["id"] == bob.user_id, "it was so already"
    assert [one["text"] for one in listed(ann, diagram, resolved="true")] == ["Who does this?"]
    assert [one["text"] for one in listed(ann, diagram, resolved="false")] == ["About all of it"]
    assert ann.http.post(f"{at}/reopen").json()["resolved_at"] is None
    lines = ann.http.get(f"/diagrams/{diagram}/audit").json()["items"]
    told = [line["action"] for line in lines if line["action"].startswith("comment.")]
    assert told == ["comment.reopened", "comment.resolved", "comment.made", "comment.made", "comment.made"]
    assert "Who does this" not in str(lines)
    assert ann.http.get("/audit/verify").json()["ok"] is True


def test_an_element_that_goes_leaves_its_thread_with_its_last_name(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    say(ann, diagram, "Why?", element_id="Task_1")
    unknown = ann.http.post(f"/diagrams/{diagram}/comments", json={"text": "x", "element_id": "Task_9"})
    assert (problem(unknown), unknown.json()["errors"][0]["path"]) == ((422, "invalid_reference"), "body.element_id")

    def save(text: bytes, version: int) -> None:
        saved = ann.http.put(f"/diagrams/{diagram}/content?base_version={version}", content=text, headers=XML)
        assert saved.json()["version"] == version + 1, saved.text

    renamed = TEXT.replace(b'name="Do"', b'name="Decide"')
    save(renamed, 1)
    (thread,) = listed(ann, diagram)
    assert (thread["element_name"], thread["orphaned"]) == ("Decide", False)
    save(ann.http.get(f"/diagrams/{diagram}/content").content.replace(b'id="Task_1"', b'id="Task_2"'), 2)
    (thread,) = listed(ann, diagram)
    assert (thread["element_name"], thread["orphaned"]) == ("Decide", True)
    assert problem(ann.http.post(f"/diagrams/{diagram}/comments", json={"text": "x", "element_id": "Task_1"})) == (
        422,
        "invalid_reference",
    )
    assert ann.http.post(f"/diagrams/{diagram}/versions/1/restore").status_code in (200, 201)
    (thread,) = listed(ann, diagram)
    assert (thread["element_name"], thread["orphaned"]) == ("Do", False)


def test_only_ones_own_words_are_changed_and_only_by_those_who_may_comment(
    ann: Client, bob: Client, mallory: Client
) -> None:
    diagram = shared(ann, bob)
    hers, his = say(ann, diagram, "Hers"), say(bob, diagram, "His")
    at = f"/diagrams/{diagram}/comments"
    changed = bob.http.patch(f"{at}/{his['id']}", json={"text": "His, really"}).json()
    assert (changed["text"], changed["edited_at"] is None, his["edited_at"]) == ("His, really", False, None)
    assert problem(ann.http.patch(f"{at}/{his['id']}", json={"text": "x"})) == (403, "forbidden")
    assert problem(bob.http.delete(f"{at}/{hers['id']}")) == (403, "forbidden")
    assert ann.http.delete(f"{at}/{his['id']}").status_code == 204, "an admin may"
    assert problem(ann.http.delete(f"{at}/{his['id']}")) == (404, "not_found")
    assert problem(mallory.http.get(at)) == (404, "not_found")
    ann.http.put(f"/diagrams/{diagram}/members", json={"email": bob.email, "role": "viewer"})
    assert [one["text"] for one in listed(bob, diagram)] == ["Hers"]
    assert problem(bob.http.post(at, json={"text": "x"})) == (403, "forbidden")
    for body, path in (({}, "body.text"), ({"text": " "}, "body.text"), ({"text": "x" * 2001}, "body.text")):
        wrong = ann.http.post(at, json=body)
        assert (problem(wrong), wrong.json()["errors"][0]["path"]) == ((400, "invalid_request"), path)


def test_what_others_answered_stays_when_the_question_goes(ann: Client, bob: Client) -> None:
    diagram = shared(ann, bob)
    at = f"/diagrams/{diagram}/comments"
    thread = say(ann, diagram, "Gone soon", mentions=[bob.user_id])
    answer = bob.http.post(f"{at}/{thread['id']}/replies", json={"text": "Stays"}).json()
    assert ann.http.delete(f"{at}/{thread['id']}").status_code == 204
    (left,) = listed(bob, diagram)
    assert (left["text"], left["mentions"], [one["text"] for one in left["replies"]]) == ("", [], ["Stays"])
    assert left["deleted_at"]
    assert problem(ann.http.patch(f"{at}/{thread['id']}", json={"text": "back"})) == (404, "not_found")
    assert bob.http.delete(f"{at}/{answer['id']}").status_code == 204
    assert listed(bob, diagram) == []


def test_people_who_see_the_diagram_are_mentioned_and_find_it(ann: Client, bob: Client, mallory: Client) -> None:
    diagram = shared(ann, bob)
    thread = say(ann, diagram, "Look", mentions=[ann.user_id, bob.user_id, ann.user_id])
    assert [one["id"] for one in thread["mentions"]] == [ann.user_id, bob.user_id]
    for stranger in (mallory.user_id, str(uuid4()), "nobody"):
        refused = ann.http.post(
            f"/diagrams/{diagram}/comments", json={"text": "x", "mentions": [bob.user_id, stranger]}
        )
        assert problem(refused) == (422, "invalid_reference")
        assert refused.json()["errors"][0]["path"] == "body.mentions.1"
        assert stranger not in refused.text
    found = ann.http.get("/me/mentions").json()["items"]
    assert [(one["diagram_id"], one["comment"]["id"]) for one in found if one["diagram_id"] == diagram] == [
        (diagram, thread["id"])
    ]
    at = f"/diagrams/{diagram}/comments/{thread['id']}"
    assert [p["id"] for p in ann.http.patch(at, json={"text": "Look again"}).json()["mentions"]] == [
        ann.user_id,
        bob.user_id,
    ]
    assert ann.http.patch(at, json={"text": "Never mind", "mentions": []}).json()["mentions"] == []
    say(ann, diagram, "And here", mentions=[ann.user_id])
    ann.http.post(f"/diagrams/{diagram}/comments/{listed(ann, diagram)[0]['id']}/resolve")
    assert diagram not in ann.http.get("/me/mentions").text, "what is settled waits for nobody"
    assert ann.http.delete(f"/diagrams/{diagram}/members/{bob.user_id}").status_code == 204


def test_threads_come_in_pages_that_stay_small(ann: Client) -> None:
    diagram = ann.diagram(TEXT)
    at = f"/diagrams/{diagram}/comments"
    made = [say(ann, diagram, f"{number}")["id"] for number in range(5)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = ann.http.get(at, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert (seen, cursor) == (made[::-1], None)
    first = ann.http.get(at, params={"limit": 2})
    wrong = ann.http.get(at, params={"resolved": "true", "cursor": first.json()["next_cursor"]})
    assert problem(wrong) == (400, "cursor_mismatch")
    assert ann.http.get(at, params={"limit": 2}, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    for _ in range(comments.ANSWERS):
        assert ann.http.post(f"{at}/{made[0]}/replies", json={"text": "and"}).status_code == 201
    assert problem(ann.http.post(f"{at}/{made[0]}/replies", json={"text": "one more"})) == (413, "too_large")
    assert [len(one["replies"]) for one in listed(ann, diagram)] == [0, 0, 0, 0, comments.ANSWERS]
