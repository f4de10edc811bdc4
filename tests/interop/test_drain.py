"""R11 by real ends: SIGTERM while people write, with the database there, killed, and hung. The exit code tells the truth.

Clients come back as stock clients do. The figures with 2,000 sockets: `./run bench drain`.
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from pycrdt import Map, create_update_message

from load.drain import drain
from storage.embedded import Running, embedded
from tests.interop.test_one_room import DIAGRAM
from tests.interop.test_socket import closed_with, joined, open_socket
from tests.serving import Served

pytestmark = pytest.mark.timeout(120)
LONG = bool(os.environ.get("COLANE_LONG_MINUTES"))


def test_R11_writers_are_sent_away_come_back_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with Served(tmp_path / "data") as server:
        found = asyncio.run(drain(server, rooms=3, a_room=15, writers=3, seconds=1.5))
    assert found.kept, found
    assert found.acknowledged > 10, "too little was acknowledged to prove anything"
    assert set(found.closed) == {"4500"}
    assert found.closed["4500"] == 45


@contextmanager
def outside(tmp_path: Path) -> Iterator[tuple[Served, Running, str]]:
    """A server on a database of somebody else's, which nobody starts again; and a diagram of a user of it."""
    with embedded(tmp_path / "outside") as database:
        urls = {"DATABASE_URL": "colane_app", "COLANE_WORKER_URL": "colane_worker", "COLANE_OWNER_URL": "colane_owner"}
        settings = {name: database.url(role) for name, role in urls.items()}
        with Served(tmp_path / "data", settings=settings) as server:
            with httpx.Client(base_url=f"{server.url}/api/v1", headers={"Origin": server.url}) as http:
                person = {"email": "ann@example.org", "password": "correct horse battery", "name": "Ann"}
                http.post("/auth/register", json=person).raise_for_status()
                http.post("/auth/login", json=person).raise_for_status()
                server.token = http.post("/tokens", json={"name": "t"}).json()["token"]
            yield server, database, server.create(DIAGRAM)


@pytest.mark.parametrize("how", ["hung", pytest.param("killed", marks=pytest.mark.skipif(not LONG, reason="--long"))])
def test_R11_without_its_database_the_end_is_bounded_and_no_success(how: str, tmp_path: Path) -> None:
    with outside(tmp_path) as (server, database, diagram), open_socket(server, diagram) as writer:
        doc = joined(writer)
        family = [psutil.Process(database.process.pid), *psutil.Process(database.process.pid).children(recursive=True)]
        for process in family if how == "hung" else family[:1]:
            os.kill(process.pid, signal.SIGSTOP if how == "hung" else signal.SIGKILL)
        try:
            before = doc.get_state()
            doc.get("burst", type=Map)["k"] = "never said to be saved"
            writer.send(create_update_message(doc.get_update(before)))
            heard: list[bytes] = []
            server.tell_to_stop()
            began = time.monotonic()
            assert closed_with(writer, heard) == 4500
            assert server.ended() == 1
            assert time.monotonic() - began < 15
            assert not [frame for frame in heard if b"never said" in frame], "an acknowledgement without a commit"
        finally:
            for process in family if how == "hung" else []:
                process.send_signal(signal.SIGCONT)
