"""R8 by a real outage: PostgreSQL is killed while clients write. Nothing is acknowledged meanwhile, nothing lost after."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.interop.clients import NodeClient, Protocol, eventually
from tests.interop.test_one_room import DIAGRAM
from tests.serving import Served

pytestmark = pytest.mark.timeout(120)
COUNT = 100


def saved(writer: NodeClient) -> list[str]:
    """What it may believe is on disk."""
    return list(writer.ask("acknowledged", "acknowledged", prefix="a")["keys"])


@pytest.mark.node
@pytest.mark.parametrize("protocol", ["yws", "hocuspocus"])
def test_R8_an_embedded_database_that_is_killed_comes_back_and_all_is_saved(protocol: Protocol, tmp_path: Path) -> None:
    with Served(tmp_path / "data") as server:
        diagram = server.create(DIAGRAM)
        with NodeClient(protocol).connect(server, diagram) as writer:
            writer.tell("burst", prefix="a", count=COUNT, rate=100)
            time.sleep(0.4)
            os.kill(int((server.data / "pg" / "postmaster.pid").read_text().splitlines()[0]), signal.SIGKILL)
            assert len(saved(writer)) < COUNT, "it is still writing"
            eventually("the log tells", lambda: "database.started_again" in server.log(), 20)
            eventually("it is ready again", lambda: httpx.get(f"{server.url}/readyz").json()["status"] == "ok", 20)
            eventually("everything is saved", lambda: len(saved(writer)) == COUNT, 20)
            with NodeClient("yws").connect(server, diagram) as reader:
                assert set(reader.state()["burst"]) == {f"a{n}" for n in range(COUNT)}
        assert server.stop() == 0
