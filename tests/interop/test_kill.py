"""R2 by a real outage: the server is killed with SIGKILL while clients write, and started again on the same folder.

Every update that a client was allowed to believe saved must be in the document a fresh client receives; every save that
was answered must be a version, and one that was not answered can be sent again and happens once. How often: COLANE_KILLS
(one or two in the usual run; `./run bench kill` and `./run test --long` do ten).
"""

import os
import random
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.interop.clients import NodeClient, Protocol
from tests.interop.test_one_room import DIAGRAM
from tests.serving import Served

pytestmark = pytest.mark.timeout(600)


RATE = 50


def kills(usual: int) -> int:
    return int(os.environ.get("COLANE_KILLS") or (10 if os.environ.get("COLANE_LONG_MINUTES") else usual))


@pytest.mark.node
@pytest.mark.parametrize("protocol", ["yws", "hocuspocus"])
def test_R2_every_acknowledged_update_survives_kill_9(protocol: Protocol, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    print(f"seed {seed}")
    promised, times = 0, kills(usual=2)
    with Served(tmp_path / "data") as server:
        diagram = server.create(DIAGRAM)
        believed: set[str] = set()
        for run in range(times):
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
    print(f"{protocol}: {times} kills, {promised} acknowledged updates, 0 lost")
    assert promised > times * 5, "the run acknowledged too little to prove anything"


def test_R2_every_answered_save_survives_kill_9_and_an_unanswered_one_happens_once(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    rng = random.Random(seed)
    print(f"seed {seed}")
    replayed, times = 0, kills(usual=1)
    with Served(tmp_path / "data") as server:
        diagram = server.create(DIAGRAM)
        texts = {1: DIAGRAM}

        def save(number: int) -> httpx.Response:
            """Number n goes on top of the version before it: a lost or doubled one would be a conflict."""
            text = DIAGRAM.replace(b'name="one"', b'name="save %d"' % number)
            texts[number] = text
            headers = {
                "Content-Type": "application/xml",
                "If-Match": f'"v{number - 1}"',
                "Idempotency-Key": f"k{number}",
            }
            with server.http(**headers) as http:
                return http.put(f"/diagrams/{diagram}/content", content=text)

        last = 1
        for _ in range(times):
            answered = rng.randrange(2, 8)
            killing = threading.Timer(rng.uniform(0, 0.06), server.kill)  # anywhere in a save, also after its commit
            while True:
                if answered == 0:
                    killing.start()
                answered -= 1
                try:
                    answer = save(last + 1)
                except httpx.TransportError:
                    break
                last += 1
                assert (answer.status_code, answer.json()["version"]) == (200, last), f"{answer.text}, seed {seed}"
            killing.join()
            server.start()
            again = save(last + 1)
            last += 1
            assert (again.status_code, again.json()["version"]) == (200, last), f"{again.text}, seed {seed}"
            replayed += again.headers.get("idempotent-replayed") == "true"
            with server.http() as http:
                kept = [one["version"] for one in http.get(f"/diagrams/{diagram}/versions").json()["items"]]
            assert kept == list(range(last, last - len(kept), -1))
            for version in kept:
                assert server.content(diagram, str(version)) == texts[version], f"version {version}, seed {seed}"
    print(f"saves: {times} kills, {last - 1} saves, {replayed} were on disk without an answer, 0 lost, 0 twice")
