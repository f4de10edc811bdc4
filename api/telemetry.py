"""Logs, metrics and error reports of the process: JSON lines, Prometheus series, Sentry for the unexpected.

`configure` is called once by the composition root. Logs go to stderr; every line carries what is bound to the request
or socket session (request_id, org, hashed user, diagram). Series have no unbounded labels: routes by template.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any, TextIO

import orjson
import sentry_sdk
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from sentry_sdk.transport import Transport

from storage.settings import Settings

# The edges of the objectives (0.1, 0.2, 0.6 s) are bucket edges, so that the share under an objective is exact.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0, 2.5, 5.0, 10.0, 30.0)

REQUESTS = Histogram(
    "colane_http_request_seconds",
    "Time from the first byte of a request to the last of its answer, by route template.",
    ("method", "route", "status"),
    buckets=SECONDS,
)
SAVES = Histogram(
    "colane_save_seconds",
    "Time of a save over REST, by how it ended (saved, unchanged, conflict, refused, failed).",
    ("result",),
    buckets=SECONDS,
)
LIMITED = Counter("colane_rate_limited_total", "Requests refused because of a rate.", ("policy",))


def metrics() -> tuple[bytes, str]:
    """All series of this process, and their media type."""
    return generate_latest(), CONTENT_TYPE_LATEST


def _encode(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z).decode()


def configure(
    settings: Settings, *, stream: TextIO | None = None, transport: Callable[..., Transport] | None = None
) -> None:
    """Set up logging and, where a DSN is given, error reports."""
    out = stream if stream is not None else sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        # Without local variables: tokens, tickets and diagrams stand in them.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
    ]
    renderer = structlog.processors.JSONRenderer(serializer=_encode)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # Libraries log through the standard module: the same lines, the same stream.
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    configure_reports(settings, transport=transport)


def configure_reports(settings: Settings, *, transport: Callable[..., Transport] | None = None) -> None:
    """Sentry, only where a DSN is given; only what the front door hands over, without bodies or headers."""
    if not settings.sentry_dsn:
        return
    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        transport=transport,  # type: ignore[arg-type]  # a factory is taken too
        default_integrations=False,
        auto_enabling_integrations=False,
        send_default_pii=False,
        include_local_variables=False,
        before_send=_name_request,
        shutdown_timeout=2,
    )


def _name_request(event: Any, _hint: Any) -> Any:
    event.setdefault("tags", {}).update(
        {k: str(v) for k, v in structlog.contextvars.get_contextvars().items() if k in ("request_id", "org", "diagram")}
    )
    return event
