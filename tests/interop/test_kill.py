"""R2 by a real outage: the server is killed with SIGKILL while clients write, and started again on the same folder.

Every update that a client was allowed to believe saved must be in the document a fresh client receives. How often:
COLANE_KILLS (default 2 a protocol in the usual run; `./run test --long` does ten).
"""

import os
import random
import time
from pathlib import Path

import pytest

from tests.interop.clients import NodeClient, Protocol
from tests.interop.test_one_room import DIAGRAM
from tests.serving import Served

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

KILLS = int(os.environ.get("COLANE_KILLS", "2"))
RATE = 50


@pytest.mark.parametrize("protocol", ["yws", "hocuspocus"])
def test_R2_every_acknowledged_update_survives_kill_9(protocol: Protocol, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    print(f"seed {seed}")
    promised = 0
    with Served(tmp_path / "data") as server:
        diagram = server.create(DIAGRAM)
        believed: set[str] = set()
        for run in range(KILLS):
            with NodeClient(protocol).connect(server, diagram) as a, NodeClient(protocol).connect(server, diagram) as b:
                prefixes = {a: f"r{run}a", b: f"r{run}b"}
                for client, prefix in prefixes.items():
                    client.tell("burst", prefix=prefix, count=RATE * 20, rate=RATE)
                time.sleep(rng.uniform(0.4, 1.6))  # they write meanwhile, for a while that differs from run to run
                server.kill()
                for client, prefix in prefixes.items():
                    keys = client.ask("acknowledged", "acknowledged", prefix=prefix)["keys"]
                    believed.update(keys)
                    promised += len(keys)
            server.start()
            with NodeClient("yws").connect(server, diagram) as fresh:
                present = set(fresh.state()["burst"])
            assert believed <= present, f"lost {sorted(believed - present)[:10]} of {len(believed)}, seed {seed}"
    print(f"{protocol}: {KILLS} kills, {promised} acknowledged updates, 0 lost")
    assert promised > KILLS * 5, "the run acknowledged too little to prove anything"
