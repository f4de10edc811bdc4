"""pycrdt-websocket's `Provider` over the `websockets` library: the stock Python client of the interop tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pycrdt import Channel, Doc, Provider
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.serving import Served


class SocketChannel(Channel):
    """What `Provider` asks of a transport, over one websocket."""

    def __init__(self, socket: ClientConnection, path: str) -> None:
        self._socket = socket
        self._path = path

    @property
    def path(self) -> str:
        return self._path

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except ConnectionClosed as closed:
            raise StopAsyncIteration from closed

    async def send(self, message: bytes) -> None:
        await self._socket.send(message)

    async def recv(self) -> bytes:
        message = await self._socket.recv()
        assert isinstance(message, bytes)
        return message


@asynccontextmanager
async def python_client(server: Served, diagram: str) -> AsyncIterator[Doc[Any]]:
    """A document that follows the room for the length of a `with` block."""
    doc: Doc[Any] = Doc()
    url = f"{server.ws}/{diagram}"
    async with (
        connect(url, additional_headers={"Authorization": f"Bearer {server.token}"}) as socket,
        Provider(doc, SocketChannel(socket, url)) as provider,
    ):
        await provider.synced.wait()
        yield doc
