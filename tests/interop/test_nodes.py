"""Two real servers on one database with a real Valkey between them: one room, whoever is connected where (R7, R6, R10)."""

import asyncio
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pycrdt import Map

from tests.interop.clients import NodeClient, eventually
from tests.interop.python_client import python_client
from tests.interop.test_one_room import DIAGRAM
from tests.interop.test_socket import closed_with, joined, open_socket
from tests.nodes import Pair, pair
from tests.serving import Served

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

LONG = bool(os.environ.get("COLANE_LONG_MINUTES"))
OUTAGE_S = 30 if LONG else 1


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(tmp_path_factory.mktemp("nodes")) as running:
        yield running


def metric(server: Served, name: str) -> float:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.partition(" ")[0].partition("{")[0] == name)


def burst(client: NodeClient) -> set[str]:
    return set(client.state()["burst"])


def saved(client: NodeClient, prefix: str) -> int:
    return len(client.ask("acknowledged", "acknowledged", prefix=prefix)["keys"])


def shown(client: NodeClient) -> dict[int, Any]:
    """Who this client sees, with their cursors."""
    states = client.ask("awareness", "awareness")["states"]
    return {one["client"]: one["state"].get("cursor") for one in states if one["state"].get("cursor")}


def same(*clients: NodeClient, keys: set[str]) -> bool:
    return all(burst(client) == keys for client in clients)


def test_R7_stock_clients_on_two_nodes_edit_one_diagram(nodes: Pair) -> None:
    diagram = nodes.one.create(DIAGRAM)
    with (
        NodeClient("yws").connect(nodes.one, diagram) as ann,
        NodeClient("yws").connect(nodes.two, diagram) as bob,
        NodeClient("hocuspocus").connect(nodes.two, diagram) as carol,
    ):

        async def python_too() -> None:
            async with python_client(nodes.one, diagram) as doc:
                records: Map[Any] = doc.get("n", type=Map)
                carol.ask("set", "done", key="Task_1", register="@name", value="from Hocuspocus, node two")
                async with asyncio.timeout(10):
                    while records["Task_1"]["@name"] != "from Hocuspocus, node two":
                        await asyncio.sleep(0.02)
                records["Start_1"]["@name"] = "from Python, node one"
                for client in (bob, carol):
                    await asyncio.to_thread(
                        eventually,
                        "Python's edit crosses",
                        lambda c=client: c.get("Start_1", "@name") == "from Python, node one",
                    )

        asyncio.run(python_too())
        for client, prefix in ((ann, "a"), (bob, "b"), (carol, "c")):
            client.tell("burst", prefix=prefix, count=60, rate=100)
        keys = {f"{prefix}{number}" for prefix in "abc" for number in range(60)}
        eventually("all have all", lambda: same(ann, bob, carol, keys=keys))
        assert sum(saved(client, prefix) for client, prefix in ((ann, "a"), (bob, "b"), (carol, "c"))) == 180
    for server in (nodes.one, nodes.two):
        assert metric(server, "colane_divergent_rooms") == 0


def test_R7_a_save_over_rest_on_one_node_reaches_editors_on_the_other(nodes: Pair) -> None:
    diagram = nodes.one.create(DIAGRAM)
    with NodeClient("yws").connect(nodes.two, diagram) as bob, nodes.one.http() as http:
        text = DIAGRAM.replace(b'name="one"', b'name="saved on node one"')
        headers = {"Content-Type": "application/xml", "If-Match": '"v1"'}
        assert http.put(f"/diagrams/{diagram}/content", content=text, headers=headers).status_code == 200
        eventually("the save arrives", lambda: bob.get("Task_1", "@name") == "saved on node one")


def test_R6_presence_crosses_nodes_and_ends_with_its_session(nodes: Pair) -> None:
    diagram = nodes.one.create(DIAGRAM)
    with (
        NodeClient("yws").connect(nodes.one, diagram) as ann,
        NodeClient("hocuspocus").connect(nodes.two, diagram) as bob,
    ):
        ann.ask("aware", "done", field="cursor", value={"x": 1})
        bob.ask("aware", "done", field="cursor", value={"x": 2})
        for client in (ann, bob):
            eventually("both see both", lambda c=client: sorted(at["x"] for at in shown(c).values()) == [1, 2])
        with NodeClient("yws").connect(nodes.one, diagram) as late:
            eventually("who comes later too", lambda: sorted(at["x"] for at in shown(late).values()) == [1, 2])
        ann.tell("close")
        left = time.monotonic()
        eventually("she has left", lambda: [at["x"] for at in shown(bob).values()] == [2])
        assert time.monotonic() - left < 1.5


def test_rest_on_any_node_says_who_is_here_on_any(nodes: Pair) -> None:
    diagram = nodes.one.create(DIAGRAM)
    with nodes.one.http() as http:

        def here() -> int:
            return len(http.get(f"/diagrams/{diagram}/presence").json()["items"])

        assert here() == 0
        with NodeClient("yws").connect(nodes.two, diagram):
            eventually("one is here", lambda: here() == 1)
        eventually("nobody is", lambda: here() == 0)


def test_R10_a_right_that_is_taken_ends_sockets_on_both_nodes_within_a_second(nodes: Pair) -> None:
    diagram = nodes.one.create(DIAGRAM)
    email = f"guest-{os.urandom(4).hex()}@example.org"
    with httpx.Client(base_url=f"{nodes.one.url}/api/v1") as http:
        person = {"email": email, "password": "correct horse battery", "name": "Guest"}
        user = http.post("/auth/register", json=person).json()["user"]["id"]
        http.post("/auth/login", json={"email": email, "password": "correct horse battery"})
        token = http.post("/tokens", json={"name": "t"}, headers={"Origin": nodes.one.url}).json()["token"]
    with nodes.one.http() as owner:
        owner.put(f"/diagrams/{diagram}/members", json={"email": email, "role": "editor"})
        with (
            open_socket(nodes.one, diagram, token=token) as here,
            open_socket(nodes.two, diagram, token=token) as there,
        ):
            for socket in (here, there):
                joined(socket)
            taken = time.monotonic()
            owner.delete(f"/diagrams/{diagram}/members/{user}")
            assert {closed_with(socket) for socket in (here, there)} == {4403}
            assert time.monotonic() - taken < 1.0


def test_R7_redis_killed_while_people_write_stops_nobody_and_loses_nothing(nodes: Pair) -> None:
    diagram = nodes.one.create(DIAGRAM)
    seconds, rate = OUTAGE_S + 2, 50
    with (
        NodeClient("hocuspocus").connect(nodes.one, diagram) as ann,
        NodeClient("yws").connect(nodes.two, diagram) as bob,
    ):
        ann.tell("burst", prefix="a", count=seconds * rate, rate=rate)
        bob.tell("burst", prefix="b", count=seconds * rate, rate=rate)
        time.sleep(0.5)
        nodes.redis.kill()
        progress = [(saved(ann, "a"), saved(bob, "b"))]
        heard = [(len(burst(ann)), len(burst(bob)))]
        for _ in range(OUTAGE_S * 2):
            time.sleep(0.5)
            progress.append((saved(ann, "a"), saved(bob, "b")))
            heard.append((len(burst(ann)), len(burst(bob))))
        assert metric(nodes.one, "colane_bus_away") == metric(nodes.two, "colane_bus_away") == 1
        nodes.redis.start()
        back = time.monotonic()
        for earlier, later in itertools.pairwise(progress):
            assert earlier[0] < later[0], f"acknowledgements stopped: {progress}"
            assert earlier[1] < later[1], f"acknowledgements stopped: {progress}"
        for before, after in itertools.pairwise(heard):
            assert before < after, f"the other node's edits stopped: {heard}"
        eventually(
            "Redis is back", lambda: metric(nodes.one, "colane_bus_away") == metric(nodes.two, "colane_bus_away") == 0
        )
        assert time.monotonic() - back < 5.0
        for client in (ann, bob):
            client.wait_for("done", 60.0)
        keys = {f"{prefix}{number}" for prefix in "ab" for number in range(seconds * rate)}
        eventually("equal", lambda: same(ann, bob, keys=keys), 5.0)
        eventually("all is acknowledged", lambda: saved(ann, "a") == saved(bob, "b") == seconds * rate)
        with NodeClient("yws").connect(nodes.two, diagram) as fresh:
            assert burst(fresh) == keys
    for server in (nodes.one, nodes.two):
        assert metric(server, "colane_divergent_rooms") == 0


@pytest.mark.skipif(not LONG, reason="takes half a minute: only with ./run test --long")
def test_R6_presences_of_a_node_that_is_killed_vanish_within_30_s(tmp_path: Path) -> None:
    with pair(tmp_path) as nodes:
        diagram = nodes.one.create(DIAGRAM)
        with (
            NodeClient("yws").connect(nodes.two, diagram) as ann,
            NodeClient("yws").connect(nodes.one, diagram) as bob,
        ):
            ann.ask("aware", "done", field="cursor", value={"x": 1})
            eventually("he sees her", lambda: [at["x"] for at in shown(bob).values()] == [1])
            nodes.two.kill()
            eventually("she has vanished", lambda: not shown(bob), 30.0)
            bob.ask("set", "done", key="Task_1", register="@name", value="alone")
        nodes.two.start()
        with NodeClient("yws").connect(nodes.two, diagram) as again:
            assert again.get("Task_1", "@name") == "alone"


def test_open_editors_on_every_node_hear_of_comments(nodes: Pair) -> None:
    diagram = nodes.one.create(DIAGRAM)
    with (
        NodeClient("hocuspocus").connect(nodes.one, diagram) as ann,
        NodeClient("hocuspocus").connect(nodes.two, diagram) as bob,
        NodeClient("yws").connect(nodes.two, diagram) as carol,
        nodes.one.http() as http,
    ):
        at = f"/diagrams/{diagram}/comments"

        def heard(change: str, comment: str) -> None:
            for client in (ann, bob):
                event = client.wait_for("stateless", 10)["payload"]
                assert event["event"] == "comment"
                assert (event["diagram"], event["comment"], event["thread"]) == (diagram, comment, thread)
                assert (event["element"], event["change"]) == ("Task_1", change)

        thread = http.post(at, json={"text": "Why?", "element_id": "Task_1"}).json()["id"]
        heard("made", thread)
        answer = http.post(f"{at}/{thread}/replies", json={"text": "Because"}).json()["id"]
        heard("made", answer)
        http.patch(f"{at}/{answer}", json={"text": "Because of this"})
        heard("changed", answer)
        http.post(f"{at}/{thread}/resolve")
        heard("resolved", thread)
        http.post(f"{at}/{thread}/reopen")
        heard("reopened", thread)
        http.delete(f"{at}/{answer}")
        heard("deleted", answer)
        carol.ask("set", "done", key="Task_1", register="@name", value="still here")
        assert not [one for one in carol.events if one["event"] == "closed"]
