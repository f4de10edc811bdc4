"""R5 on real sockets: a client that stops reading costs a bounded queue, holds nobody up, and ends with the same document."""

import os
import signal
from collections.abc import Iterator

import httpx
import pytest
from pycrdt import Doc, Map
from websockets.sync.client import ClientConnection

from collab.wire import messages
from tests.interop.clients import NodeClient, eventually
from tests.interop.test_one_room import DIAGRAM
from tests.interop.test_socket import joined, open_socket
from tests.serving import Served, served

pytestmark = [pytest.mark.node, pytest.mark.timeout(120)]
UPDATES = 320
SIZE = 60_000  # together more than two kernels' buffers hold


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("slow") / "data") as running:
        yield running


def heard(client: ClientConnection, doc: Doc[Map[object]]) -> object:
    """The burst as this client knows it after one more frame."""
    frame = client.recv(timeout=20)
    assert isinstance(frame, bytes)
    for message in messages.decode_frame(frame):
        if isinstance(message, messages.Update | messages.Step2):
            doc.apply_update(message.update)
    return doc.get("burst", type=Map).to_py()


def resyncs(server: Served) -> float:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith("colane_resyncs_total ")).split()[1])


def test_R5_a_client_that_stops_reading_ends_with_the_same_document(server: Served) -> None:
    diagram = server.create(DIAGRAM)
    with NodeClient("yws").connect(server, diagram) as slow, open_socket(server, diagram) as writer:
        joined(writer)
        os.kill(slow.pid, signal.SIGSTOP)
        mine: Doc[Map[object]] = Doc()
        written: Map[object] = mine.get("burst", type=Map)
        for number in range(UPDATES):
            before = mine.get_state()
            written[f"k{number % 4}"] = os.urandom(SIZE // 2).hex()
            written[f"n{number}"] = number
            writer.send(messages.update(mine.get_update(before)))
        saved: Doc[Map[object]] = Doc()
        eventually("the writer's edits are on disk", lambda: heard(writer, saved) == written.to_py(), 40)
        os.kill(slow.pid, signal.SIGCONT)
        eventually("the slow reader has caught up", lambda: slow.state()["burst"] == written.to_py(), 30)
        assert resyncs(server) >= 1
