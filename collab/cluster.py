"""Several nodes on this machine, to look at: server processes on one database and one Redis, and a small proxy before them.

The proxy reads the head of a connection's first request, chooses a node, and from then on only passes bytes: every node
can answer everything, so nothing depends on its choice. `turns` takes the nodes in turn; `hash` sends a diagram to the
same node as long as that lives. Called by `colane demo`. Production brings its own proxy.
"""

import asyncio
import contextlib
import hashlib
import itertools
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import structlog

from storage.embedded import die_with_parent

Route = Literal["turns", "hash"]
HEAD_LIMIT: Final = 64 * 1024
HEAD_S: Final = 10.0
CONNECT_S: Final = 2.0
PIECE: Final = 64 * 1024
READY_S: Final = 60.0
STOP_S: Final = 20.0
AWAY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 2\r\nConnection: close\r\n\r\n"
_DIAGRAM: Final = re.compile(rb"/(?:collab|diagrams|d)/([0-9a-f-]{36})")
_log = structlog.get_logger()


@dataclass(frozen=True)
class Node:
    """One server process."""

    number: int
    port: int
    process: asyncio.subprocess.Process

    @property
    def alive(self) -> bool:
        return self.process.returncode is None


@asynccontextmanager
async def nodes(count: int, root: Path, environment: dict[str, str]) -> AsyncIterator[list[Node]]:
    """So many servers, all ready; asked to end and waited for when the block ends."""
    running: list[Node] = []
    try:
        for number in range(1, count + 1):
            running.append(await _start(number, root, environment))  # noqa: PERF401 -- what has started must be ended
        async with asyncio.timeout(READY_S):
            for node in running:
                assert node.process.stdout is not None
                if not (await node.process.stdout.readline()).startswith(b"Colane is ready"):
                    raise SystemExit(f"colane: node {node.number} did not start; the log above says why")
        yield running
    finally:
        for node in running:
            if node.alive:
                node.process.terminate()
        for node in running:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await node.process.wait()
            if node.alive:
                node.process.kill()
                await node.process.wait()


async def _start(number: int, root: Path, environment: dict[str, str]) -> Node:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "colane", "serve", "--port", str(port), cwd=root, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=die_with_parent, start_new_session=True,
    )  # fmt: skip
    return Node(number, port, process)


class Proxy:
    """In front of the nodes."""

    def __init__(self, behind: list[Node], route: Route) -> None:
        self._nodes, self._route = behind, route
        self._turn = itertools.count()

    def order(self, head: bytes) -> list[Node]:
        """Which nodes to try for a request, the best first."""
        living = [node for node in self._nodes if node.alive]
        found = _DIAGRAM.search(head.partition(b"\r\n")[0])
        if self._route == "hash" and found is not None:
            # The highest of all nodes' hashes: when a node goes, only its own diagrams move.
            return sorted(living, key=lambda node: hashlib.sha256(b"%d %b" % (node.number, found[1])).digest())[::-1]
        first = next(self._turn) % max(1, len(living))
        return [*living[first:], *living[:first]]

    async def serve(self, host: str, port: int) -> None:
        """Endless."""
        server = await asyncio.start_server(self._pass, host, port, limit=HEAD_LIMIT)
        async with server:
            await server.serve_forever()

    async def _pass(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEAD_S):
                head = await client.readuntil(b"\r\n\r\n")
            found = await self._connect(self.order(head))
            if found is None:
                answer.write(AWAY)
                return
            node, reader, writer = found
            if b"\r\nupgrade: websocket\r\n" in head.lower():
                _log.info(
                    "proxy.socket", node=node.number, path=head.split(b" ", 2)[1].partition(b"?")[0].decode("latin1")
                )
            writer.write(head)
            try:
                async with asyncio.TaskGroup() as group:
                    asking = group.create_task(_pump(client, writer))
                    await _pump(reader, answer)  # when the node has said all, it is over
                    asking.cancel()
            finally:
                writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            answer.close()

    async def _connect(self, order: Iterable[Node]) -> tuple[Node, asyncio.StreamReader, asyncio.StreamWriter] | None:
        for node in order:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    return node, *await asyncio.open_connection("127.0.0.1", node.port)
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes one way until the end; a slow reader holds up a fast writer, so nothing piles up here."""
    with contextlib.suppress(OSError):
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
