"""`colane demo`: two nodes behind one address; one is killed, and people go on at the other. Only with --long."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.valkey import ValkeyError, find_binary
from tests.interop.clients import NodeClient, eventually
from tests.interop.test_one_room import DIAGRAM
from tests.serving import ROOT, TOKEN, Served, free_port

pytestmark = [pytest.mark.node, pytest.mark.timeout(180)]


@pytest.mark.skipif(not os.environ.get("COLANE_LONG_MINUTES"), reason="only with ./run test --long")
def test_two_nodes_behind_one_address(tmp_path: Path) -> None:
    try:
        find_binary()
    except ValkeyError as error:
        pytest.skip(f"NO REDIS: {error}")
    port = free_port()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "colane", "demo", "--port", str(port), "--data", str(tmp_path / "data")],
            cwd=ROOT, env={**os.environ, "COLANE_TOKEN": TOKEN, "COLANE_LIMITS": "off"},
            stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        try:
            greeting = [process.stdout.readline() for _ in range(5)]
            assert greeting[0] == f"Colane is ready at http://127.0.0.1:{port}\n"
            nodes = [int(line.rsplit(" ", 1)[1]) for line in greeting if line.startswith("Node ")]
            assert len(nodes) == 2
            server = Served(tmp_path / "data", port=port)
            diagram = server.create(DIAGRAM)
            # The client that comes back by itself with the same credentials; a ticket would be spent.
            with (
                NodeClient("hocuspocus").connect(server, diagram) as a,
                NodeClient("hocuspocus").connect(server, diagram) as b,
            ):
                a.ask("set", "done", key="Task_1", register="@name", value="crossed")
                eventually("it crosses", lambda: b.get("Task_1", "@name") == "crossed")
                os.kill(nodes[0], signal.SIGKILL)
                a.ask("set", "done", key="Task_1", register="@name", value="after")
                b.ask("set", "done", key="Start_1", register="@name", value="after too")
                eventually("both go on", lambda: b.get("Task_1", "@name") == "after", 30)
                eventually("both go on", lambda: a.get("Start_1", "@name") == "after too", 30)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            process.stdout.close()
