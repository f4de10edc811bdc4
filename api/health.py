"""/livez, /readyz and /metrics: cheap answers, whatever else is going on.

/livez does no I/O. /readyz tells what a background probe found out last, so it cannot hang; degraded is still ready.
"""

import asyncio

import structlog
from starlette.requests import Request
from starlette.responses import Response

from api.answers import JSON, dumps
from api.resources import Resources
from api.telemetry import DEGRADED, READY, metrics

log = structlog.get_logger(__name__)

PROBE_EVERY_S = 1.0
PROBE_TIMEOUT_S = 2.0


async def watch(resources: Resources) -> None:
    """Look after the parts we depend on, for as long as the server runs."""
    health = resources.health
    while True:
        await probe(resources)
        READY.set(health.ready and not health.draining)
        DEGRADED.set("storage" in health.reasons)
        if resources.redis is not None and not resources.redis.up:
            health.reasons["redis"] = "Redis does not answer. Nodes hear each other later, and each counts for itself."
        else:
            health.reasons.pop("redis", None)
        await asyncio.sleep(PROBE_EVERY_S)


async def probe(resources: Resources) -> None:
    """One look; the first good one makes the server ready."""
    health = resources.health
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            async with resources.db.transaction(read_only=True):
                pass  # beginning it took a round trip
    except Exception as error:  # noqa: BLE001 -- whatever it is, storage does not answer
        if "storage" not in health.reasons:
            log.warning("storage does not answer", error=type(error).__name__)
        health.reasons["storage"] = "The database does not answer. Open rooms go on; saving waits."
        return
    if health.reasons.pop("storage", None) is not None:
        log.info("storage answers again")
    health.ready = True


def livez(request: Request) -> Response:
    """The process answers."""
    return Response(dumps({"status": "ok"}), media_type=JSON)


def ready_of(resources: Resources, request: Request) -> Response:
    """Whether to send people here."""
    health = resources.health
    status = (
        "draining" if health.draining else "starting" if not health.ready else "degraded" if health.reasons else "ok"
    )
    body = {"status": status, "reasons": health.reasons}
    return Response(dumps(body), 503 if status in ("draining", "starting") else 200, media_type=JSON)


def metrics_page(request: Request) -> Response:
    """Prometheus series of this process."""
    content, media_type = metrics()
    return Response(content, media_type=media_type)
