"""Two hundred at once, against a real server: one wins, nobody is told otherwise, nothing is skipped or done twice."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import Client, signed_up
from tests.nodes import pair
from tests.serving import Served

pytestmark = pytest.mark.timeout(180)
CROWD = 200
SMALL = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="urn:x">'
    '<process id="P"><task id="T" name="{}"/></process></definitions>'
)

Request = tuple[str, str, dict[str, str], bytes]


async def crowd(
    server: Served, who: Client, request: Callable[[int], Request], *others: Served
) -> list[httpx.Response]:
    """All of them sent at the same time, each over a connection of its own; to all servers in turn where there are more."""
    places = [server, *others]
    limits = httpx.Limits(max_connections=CROWD, max_keepalive_connections=CROWD)
    token = {"Authorization": who.http.headers["Authorization"], "Content-Type": "application/xml"}
    async with httpx.AsyncClient(headers=token, limits=limits, timeout=120) as http:

        async def one(number: int) -> httpx.Response:
            method, path, headers, body = request(number)
            place = places[number % len(places)]
            return await http.request(method, f"{place.url}/api/v1{path}", headers=headers, content=body)

        return await asyncio.gather(*(one(number) for number in range(CROWD)))


def versions(ann: Client, diagram: str) -> list[int]:
    return [one["version"] for one in ann.http.get(f"/diagrams/{diagram}/versions").json()["items"]]


async def test_of_200_saves_with_one_base_one_wins_and_199_hear_409(server: Served, ann: Client) -> None:
    diagram = ann.diagram(SMALL.format("zero").encode())
    path = f"/diagrams/{diagram}/content?base_version=1"
    answers = await crowd(server, ann, lambda n: ("PUT", path, {}, SMALL.format(f"mine {n}").encode()))
    assert Counter(one.status_code for one in answers) == {200: 1, 409: CROWD - 1}
    (won,) = (n for n, one in enumerate(answers) if one.status_code == 200)
    assert answers[won].json()["version"] == 2
    assert {one.json()["current_version"] for one in answers if one.status_code == 409} == {2}
    assert {one.json()["code"] for one in answers if one.status_code == 409} == {"version_conflict"}
    assert ann.http.get(f"/diagrams/{diagram}/content").text == SMALL.format(f"mine {won}")
    assert versions(ann, diagram) == [2, 1]
    # Whoever comes next gets the next number.
    after = ann.http.put(
        f"/diagrams/{diagram}/content?base_version=2",
        content=SMALL.format("next"),
        headers={"Content-Type": "application/xml"},
    )
    assert after.json()["version"] == 3


async def test_200_identical_saves_with_one_key_are_one_save(server: Served, ann: Client) -> None:
    diagram = ann.diagram(SMALL.format("zero").encode())
    path, body = f"/diagrams/{diagram}/content?base_version=1", SMALL.format("once").encode()
    answers = await crowd(server, ann, lambda _: ("PUT", path, {"Idempotency-Key": "crowd"}, body))
    counted = Counter(one.status_code for one in answers)
    assert set(counted) <= {200, 409}
    assert counted[200] >= 1
    assert len({one.content for one in answers if one.status_code == 200}) == 1
    assert sum("idempotent-replayed" not in one.headers for one in answers if one.status_code == 200) == 1
    for one in answers:
        if one.status_code == 409:
            assert (one.json()["code"], one.headers["retry-after"]) == ("idempotency_in_progress", "1")
            assert one.json()["retryable"] is True
    assert versions(ann, diagram) == [2, 1]
    actions = [line["action"] for line in ann.http.get(f"/diagrams/{diagram}/audit").json()["items"]]
    assert actions.count("diagram.save") == 1


async def test_200_identical_creations_with_one_key_make_one_diagram(server: Served, ann: Client) -> None:
    body = SMALL.format("new").encode()
    answers = await crowd(server, ann, lambda _: ("POST", "/diagrams?title=Crowded", {"Idempotency-Key": "make"}, body))
    assert {one.status_code for one in answers} <= {201, 409}
    assert len({one.json()["id"] for one in answers if one.status_code == 201}) == 1
    assert len(ann.http.get("/diagrams", params={"q": "Crowded"}).json()["items"]) == 1


@pytest.mark.long
async def test_two_nodes_agree_on_who_won_and_what_was_done_once(tmp_path: Path) -> None:
    with pair(tmp_path) as nodes:
        ann = signed_up(nodes.one, "Ann")
        diagram = ann.diagram(SMALL.format("zero").encode())
        path = f"/diagrams/{diagram}/content"
        rivals = await crowd(
            nodes.one,
            ann,
            lambda n: ("PUT", f"{path}?base_version=1", {}, SMALL.format(f"mine {n}").encode()),
            nodes.two,
        )
        assert Counter(one.status_code for one in rivals) == {200: 1, 409: CROWD - 1}
        body = SMALL.format("once").encode()
        twins = await crowd(
            nodes.one, ann, lambda _: ("PUT", f"{path}?base_version=2", {"Idempotency-Key": "two"}, body), nodes.two
        )
        assert {one.status_code for one in twins} <= {200, 409}
        assert {one.json()["code"] for one in twins if one.status_code == 409} <= {"idempotency_in_progress"}
        assert sum("idempotent-replayed" not in one.headers for one in twins if one.status_code == 200) == 1
        assert versions(ann, diagram) == [3, 2, 1]
        ann.http.close()
