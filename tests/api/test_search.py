"""Search and dashboard over REST, on a real server with its worker: what is written is found a moment later."""

import pytest

from api.search import SHOWN, excerpt
from tests.api.conftest import Client
from tests.interop.clients import eventually
from tests.people import TEXT
from tests.serving import Served


def found(client: Client, q: str, **more: str) -> list[dict[str, object]]:
    answer = client.http.get("/search", params={"q": q, **more})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, object]] = answer.json()["items"]
    return items


def test_elements_titles_and_comments_are_found(server: Served, ann: Client) -> None:
    diagram = ann.diagram(TEXT.replace(b'name="Inner"', 'name="Rechnung prüfen &lt;b&gt;"'.encode()), "Kreditorenlauf")
    comment = ann.http.post(f"/diagrams/{diagram}/comments", json={"text": "Skonto beachten", "element_id": "Task_2"})
    assert comment.status_code == 201, comment.text
    eventually("the comment is found", lambda: found(ann, "skonto"))
    (hit,) = found(ann, "rech PRUEF")
    assert hit == {
        "diagram_id": diagram, "title": "Kreditorenlauf", "element_id": "Task_2", "element_type": "task", "field": "name",
        "text": "Rechnung prüfen <b>", "highlights": [{"start": 0, "end": 8}, {"start": 9, "end": 15}],
    }  # fmt: skip
    (titled,) = found(ann, "kredit")
    assert (titled["field"], titled["element_id"]) == ("title", None)
    (said,) = found(ann, "skonto")
    assert (said["field"], said["element_id"], said["text"]) == ("comment", "Task_2", "Skonto beachten")


def test_what_others_may_not_see_they_do_not_find(server: Served, ann: Client, mallory: Client) -> None:
    diagram = ann.diagram(TEXT, "Zauberwort")
    eventually("it is found", lambda: found(ann, "zauberwort"))
    assert found(mallory, "zauberwort") == []
    added = ann.http.post(f"/orgs/{ann.org_id}/members", json={"email": mallory.email, "role": "viewer"})
    assert added.status_code == 201, added.text
    assert len(found(mallory, "zauberwort", org=ann.org_id)) == 1
    assert ann.http.patch(f"/diagrams/{diagram}", json={"visibility": "private"}).status_code == 200
    assert found(mallory, "zauberwort", org=ann.org_id) == []
    shown = mallory.http.get("/dashboard", params={"org": ann.org_id}).json()
    assert diagram not in str(shown)
    assert shown["counts"]["diagrams"] == ann.http.get("/dashboard").json()["counts"]["diagrams"] - 1
    assert ann.http.delete(f"/orgs/{ann.org_id}/members/{mallory.user_id}").status_code == 204


def test_pages_follow_each_other(server: Served, ann: Client) -> None:
    for number in range(5):
        ann.diagram(TEXT, f"Seitenweise {number}")
    eventually("all are found", lambda: len(found(ann, "seitenweise")) == 5)
    titles, cursor = [], None
    while True:
        page = ann.http.get(
            "/search", params={"q": "seitenweise", "limit": 2, **({"cursor": cursor} if cursor else {})}
        )
        titles += [one["title"] for one in page.json()["items"]]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
        assert 'rel="next"' in page.headers["Link"]
        other = ann.http.get("/search", params={"q": "other", "cursor": cursor})
        assert (other.status_code, other.json()["code"]) == (400, "cursor_mismatch")
    assert sorted(titles) == [f"Seitenweise {number}" for number in range(5)]


@pytest.mark.parametrize(
    "q", ["", "!!!", "a & (b | !c) <-> 'd':*", "\\' ; --", "%00", "\x00", "🙂", "x" * 200, '"quoted phrase" -not']
)
def test_no_query_is_an_error(ann: Client, q: str) -> None:
    assert ann.http.get("/search", params={"q": q}).status_code == 200


def test_a_search_needs_a_query_within_reason(ann: Client) -> None:
    for params in ({}, {"q": "x" * 201}):
        assert ann.http.get("/search", params=params).status_code == 400


def test_the_dashboard_is_not_sent_twice(server: Served, ann: Client) -> None:
    diagram = ann.diagram(TEXT, "Auf dem Brett")

    def counted() -> bool:
        editors = ann.http.get("/dashboard").json()["editors"]
        return any(one["id"] == diagram for editor in editors for one in editor["diagrams"])

    eventually("the work is counted", counted)
    shown = ann.http.get("/dashboard", params={"days": 7})
    assert (shown.json()["days"], shown.json()["recent"][0]["title"]) == (7, "Auf dem Brett")
    again = ann.http.get("/dashboard", params={"days": 7}, headers={"If-None-Match": shown.headers["ETag"]})
    assert again.status_code == 304


def test_a_long_text_is_shown_around_what_was_found() -> None:
    body = "a" * 100 + " word " + "b" * 500
    text, places = excerpt(body, [(101, 105)])
    assert len(text) <= SHOWN + 2
    assert [text[a:b] for a, b in places] == ["word"]
    assert text.startswith("…")
    assert text.endswith("…")
    assert excerpt("short", [(0, 5)]) == ("short", [(0, 5)])
