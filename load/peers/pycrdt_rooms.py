"""pycrdt-websocket as an ASGI application for uvicorn; its server lives as long as uvicorn's lifespan."""

from collections.abc import Awaitable, Callable
from typing import Any

from pycrdt.websocket import ASGIServer, WebsocketServer, exception_logger

server = WebsocketServer(exception_handler=exception_logger)
rooms = ASGIServer(server)


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    """One connection, or the life of the server."""
    if scope["type"] != "lifespan":
        await rooms(scope, receive, send)
        return
    await receive()
    async with server:
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})
