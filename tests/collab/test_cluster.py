"""The demo's proxy: bytes both ways, around nodes that are gone, a diagram to the same node where asked."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from collab.cluster import Node, Proxy, Route
from tests.serving import free_port

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def nodes(count: int) -> AsyncIterator[list[Node]]:
    """Servers that say their number, then repeat what they hear."""
    running = []
    servers = []
    for number in range(1, count + 1):

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int = number) -> None:
            writer.write(b"node %d;" % number)
            while data := await reader.read(100_000):
                writer.write(data)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        servers.append(server)
        process = await asyncio.create_subprocess_exec("sleep", "60")
        running.append(Node(number, server.sockets[0].getsockname()[1], process))
    try:
        yield running
    finally:
        for node in running:
            if node.alive:
                node.process.kill()
                await node.process.wait()
        for server in servers:
            server.close()


async def ask(port: int, head: bytes, more: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head + more)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@asynccontextmanager
async def proxied(count: int, route: Route) -> AsyncIterator[tuple[list[Node], int]]:
    async with nodes(count) as running, asyncio.TaskGroup() as group:
        port = free_port()
        serving = group.create_task(Proxy(running, route).serve("127.0.0.1", port))
        async with asyncio.timeout(5):
            while True:
                try:
                    (await asyncio.open_connection("127.0.0.1", port))[1].close()
                    break
                except OSError:
                    await asyncio.sleep(0.01)
        yield running, port
        serving.cancel()


def head(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


async def test_bytes_go_both_ways_and_nodes_take_turns() -> None:
    async with proxied(2, "turns") as (_, port):
        body = bytes(range(256)) * 4_000
        first, second = await ask(port, head("/a"), body), await ask(port, head("/a"), body)
        assert {first[:7], second[:7]} == {b"node 1;", b"node 2;"}
        assert first[7:] == second[7:] == head("/a") + body


async def test_a_diagram_stays_on_its_node_and_only_a_dead_nodes_diagrams_move() -> None:
    async with nodes(3) as running:
        proxy = Proxy(running, "hash")
        diagrams = [uuid4() for _ in range(300)]

        def placed() -> list[int]:
            return [proxy.order(head(f"/collab/{diagram}?ticket=x"))[0].number for diagram in diagrams]

        before = placed()
        assert before == placed() == [proxy.order(head(f"/api/v1/diagrams/{d}/content"))[0].number for d in diagrams]
        assert min(Counter(before).values()) > 60
        running[1].process.kill()
        await running[1].process.wait()
        for was, now in zip(before, placed(), strict=True):
            assert now == was if was != 2 else now in (1, 3)


async def test_a_node_that_does_not_answer_is_gone_around_and_without_any_there_is_an_answer() -> None:
    async with proxied(2, "turns") as (running, port):
        running[0] = Node(1, free_port(), running[0].process)  # nobody listens there
        for _ in range(3):
            assert (await ask(port, head("/a"))).startswith(b"node 2;")
        running[1].process.kill()
        await running[1].process.wait()
        assert (await ask(port, head("/a"))).startswith(b"HTTP/1.1 503 ")
