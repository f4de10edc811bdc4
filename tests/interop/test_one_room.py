"""The two stock npm clients and pycrdt-websocket's Provider in one room of a real server."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from pycrdt import Map

from tests.interop.clients import NodeClient, Protocol, eventually
from tests.interop.python_client import python_client
from tests.serving import Served, served

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]

DIAGRAM = b"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="D_1" targetNamespace="urn:test">
  <bpmn:process id="Process_1" isExecutable="false">
    <bpmn:startEvent id="Start_1" name="begin"/>
    <bpmn:task id="Task_1" name="one"/>
    <bpmn:sequenceFlow id="Flow_1" sourceRef="Start_1" targetRef="Task_1"/>
  </bpmn:process>
</bpmn:definitions>
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("interop") / "data") as running:
        yield running


def test_three_stock_clients_edit_one_diagram(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with NodeClient("yws").connect(server, diagram) as old, NodeClient("hocuspocus").connect(server, diagram) as new:
        assert old.get("Task_1", "@name") == new.get("Task_1", "@name") == "one"

        async def python_too() -> None:
            async with python_client(server, diagram) as doc:
                nodes: Map[Any] = doc.get("n", type=Map)
                assert nodes["Task_1"]["@name"] == "one"
                nodes["Task_1"]["@name"] = "from Python"
                for client in (old, new):
                    await asyncio.to_thread(
                        eventually,
                        "Python's edit reaches the npm clients",
                        lambda c=client: c.get("Task_1", "@name") == "from Python",
                    )
                old.ask("set", "done", key="Start_1", register="@name", value="from y-websocket")
                new.ask("set", "done", key="Flow_1", register="@name", value="from Hocuspocus")
                for _ in range(200):
                    if (nodes["Start_1"].get("@name"), nodes["Flow_1"].get("@name")) == (
                        "from y-websocket",
                        "from Hocuspocus",
                    ):
                        break
                    await asyncio.sleep(0.03)
                else:
                    pytest.fail(f"the npm clients' edits never reached Python: {nodes.to_py()}")

        asyncio.run(python_too())
        eventually("both npm clients hold the same records", lambda: old.state()["n"] == new.state()["n"])
    live = server.content(diagram, "live").decode()
    for text in ("from Python", "from y-websocket", "from Hocuspocus"):
        assert f'name="{text}"' in live


def test_the_next_major_of_the_y_websocket_client_edits_with_todays(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with NodeClient("yws4").connect(server, diagram) as new, NodeClient("yws").connect(server, diagram) as old:
        assert new.get("Task_1", "@name") == "one"
        new.ask("set", "done", key="Task_1", register="@name", value="from 4")
        eventually("today's client reads it", lambda: old.get("Task_1", "@name") == "from 4")
        old.ask("set", "done", key="Task_1", register="@name", value="from 3")
        eventually("the next one reads it", lambda: new.get("Task_1", "@name") == "from 3")
    assert b'name="from 3"' in server.content(diagram, "live")


def test_R1_hocuspocus_counter_returns_to_zero_after_commit(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with NodeClient("hocuspocus").connect(server, diagram) as client:
        eventually("the first step 2 is acknowledged", lambda: client.ask("unsynced", "value")["value"] == 0)
        client.ask("burst", "done", prefix="x", count=20, rate=200)
        eventually("twenty updates are acknowledged", lambda: client.ask("unsynced", "value")["value"] == 0)
        assert len(client.ask("acknowledged", "acknowledged", prefix="x")["keys"]) >= 20


@pytest.mark.parametrize("protocol", ["yws", "yws4"])
def test_R1_y_websocket_hears_its_own_edits_back(server: Served, protocol: Protocol) -> None:
    diagram = server.create(DIAGRAM)
    with NodeClient(protocol).connect(server, diagram) as client:
        client.ask("burst", "done", prefix="y", count=20, rate=200)
        eventually(
            "all twenty came back",
            lambda: len(client.ask("acknowledged", "acknowledged", prefix="y")["keys"]) == 20,
        )


def test_R4_R6_awareness_reaches_joiners_carries_the_servers_user_and_vanishes(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with NodeClient("hocuspocus").connect(server, diagram) as watcher:
        with NodeClient("yws").connect(server, diagram) as guest:
            guest.ask("aware", "done", field="user", value={"name": "Somebody Else", "id": "forged"})
            guest.ask("aware", "done", field="cursor", value={"x": 1, "y": 2})
            me = guest.ask("awareness", "awareness")["me"]

            def seen() -> dict[str, object] | None:
                states = watcher.ask("awareness", "awareness")["states"]
                return next((s["state"] for s in states if s["client"] == me and "cursor" in s["state"]), None)

            state = eventually("the guest's cursor is seen", seen)
            assert state["cursor"] == {"x": 1, "y": 2}
            assert state["user"]["name"] != "Somebody Else"
            assert state["user"]["id"] != "forged"
            with NodeClient("yws").connect(server, diagram) as late:
                eventually(
                    "a joiner sees who was there",
                    lambda: any(s["client"] == me for s in late.ask("awareness", "awareness")["states"]),
                )
        eventually(
            "the leaver vanishes",
            lambda: all(s["client"] != me for s in watcher.ask("awareness", "awareness")["states"]),
            timeout=5,
        )


def test_a_new_top_level_type_is_kept_and_a_full_room_reload_has_it(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with NodeClient("yws").connect(server, diagram) as client:
        client.ask("text", "done", name="notes", insert="héllo ✓")
        eventually("it is acknowledged", lambda: client.ask("readText", "value", name="notes")["value"] == "héllo ✓")
        client.ask("burst", "done", prefix="z", count=1, rate=100)
        eventually("acknowledged", lambda: client.ask("acknowledged", "acknowledged", prefix="z")["keys"])
    server.stop()
    server.start()
    with NodeClient("hocuspocus").connect(server, diagram) as again:
        assert again.ask("readText", "value", name="notes")["value"] == "héllo ✓"


def test_unknown_and_malformed_ids_are_refused_alike(server: Served) -> None:
    for name in ("00000000-0000-7000-8000-000000000000", "no-such-diagram"):
        with NodeClient("hocuspocus") as client:
            client.tell("connect", protocol="hocuspocus", url=server.ws, name=name, token=server.token)
            client.wait_for("refused")
