"""Logs, metrics, traces and error reports of the process: JSON lines, Prometheus, OpenTelemetry, Sentry for the unexpected.

`configure` is called once by the composition root. Logs go to stderr; every line carries what is bound to the request
or socket session (request_id, org, hashed user, diagram). What is logged with a traceback is what nobody expected: it is
reported too. Secrets and people's addresses are masked on the way out, values cut to one line: the second line of a
database's or a validator's message repeats what was sent. Series have no unbounded labels: routes by template.
"""

import logging
import re
import sys
from typing import Any, Final, TextIO

import orjson
import sentry_sdk
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest, start_http_server
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
READY = Gauge("colane_ready", "1 while /readyz answers 200.")
DEGRADED = Gauge("colane_degraded", "1 while the database does not answer.")
REDIS_AWAY = Gauge("colane_redis_away", "1 while Redis is configured and does not answer: each node counts alone.")
CACHED = Counter(
    "colane_cached_total", "Texts and drawings of heads asked for, by whether they were kept.", ("kind", "found")
)
LIMITED = Counter("colane_rate_limited_total", "Requests refused because of a rate.", ("policy",))


def redis_is(up: bool) -> None:  # noqa: FBT001 -- the shape of a listener
    """Told by storage/redis.py."""
    REDIS_AWAY.set(not up)


def metrics() -> tuple[bytes, str]:
    """All series of this process, and their media type."""
    return generate_latest(), CONTENT_TYPE_LATEST


def serve_metrics(settings: Settings) -> None:
    """A page of this process' own, for a worker: it has no door of its own. Working goes on without it."""
    if settings.worker_metrics is None:
        return
    try:
        start_http_server(settings.worker_metrics, settings.host)
    except OSError as error:
        structlog.get_logger().error("the worker's metrics have no port", error=str(error))


# Access tokens, tickets and visits, bearer and cookie values, one-time and share links, what a provider sends along, what is
# called a password or a secret, passwords in addresses of databases, e-mail addresses. A route's template stays readable.
_SECRET: Final = re.compile(
    r"(?P<known>cl[tkv]_|colane_\w+=|[Bb]earer\s+|[?&](?:\w*token|\w*secret|ticket|password|code|state|nonce)="
    r"|\b(?:\w*password|\w*secret)[\"']?\s*[:=]\s*[\"']?"
    r"|/(?:signin|share|share-links|invitation|invitations|reset|reset-links)/(?!\{))[^\s\"'&;,)\\]+"
    r"|(?P<url>\w://[^\s\"'/@:]*:)[^\s\"'/@]+@"
    r"|[\w.+-]+@[\w-]+\.[\w.-]+"
)
EXPORT_S: Final = 3.0  # for one batch of spans; the process ends without waiting for a collector that does not answer
LONGEST: Final = 500  # characters of one value


def masked(text: str) -> str:
    """A text without what must stay secret: tokens, tickets, cookies, passwords in URLs, e-mail addresses."""
    return _SECRET.sub(lambda found: f"{found['known'] or found['url'] or ''}***", text)


def one_line(text: str) -> str:
    """The first line, masked, within reason."""
    return masked(text.partition("\n")[0][:LONGEST])


def _encode(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z).decode()


def _tidy(_logger: Any, _method: str, event: Any) -> Any:
    """Every value on one line and without secrets; those of tracebacks too."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = one_line(value)
    for trace in event.get("exception") or ():
        _tidy_trace(trace)
    return event


def _tidy_trace(trace: dict[str, Any]) -> None:
    trace["exc_value"] = one_line(trace["exc_value"])
    trace["exc_notes"] = [one_line(note) for note in trace.get("exc_notes", ())]
    for group in trace.get("exceptions", ()):
        for one in group:
            _tidy_trace(one)


def _report(_logger: Any, _method: str, event: Any) -> Any:
    """Hands what comes with a traceback to Sentry, if that is on; from anywhere in the house, through one place."""
    found = event.get("exc_info")
    if found and sentry_sdk.get_client().is_active():
        error = (
            found if isinstance(found, BaseException) else found[1] if isinstance(found, tuple) else sys.exc_info()[1]
        )
        if error is not None:
            sentry_sdk.capture_exception(error)
    return event


def configure(settings: Settings, *, stream: TextIO | None = None, transport: Transport | None = None) -> None:
    """Set up logging and, where a DSN is given, error reports."""
    out = stream if stream is not None else sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _report,
        # Without local variables: tokens, tickets and diagrams stand in them.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
        _tidy,
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


def configure_traces(settings: Settings, service: str) -> None:
    """Spans go to the collector of OTEL_EXPORTER_OTLP_ENDPOINT, where set, by OTLP over HTTP.

    OpenTelemetry's other settings it reads by itself. What waits is bounded; when that is full, spans are lost.
    """
    if not settings.otlp_endpoint:
        return
    from opentelemetry import trace  # noqa: PLC0415 -- a tenth of a second that few need
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=EXPORT_S)))
    trace.set_tracer_provider(provider)


def configure_reports(settings: Settings, *, transport: Transport | None = None) -> None:
    """Sentry, only where a DSN is given; only what is logged with a traceback, without bodies, headers or variables."""
    if not settings.sentry_dsn:
        return
    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        transport=transport,
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        server_name="",
        before_send=_before_send,
        shutdown_timeout=2,
    )


def _before_send(event: Any, _hint: Any) -> Any:
    event.setdefault("tags", {}).update(
        {k: str(v) for k, v in structlog.contextvars.get_contextvars().items() if k in ("request_id", "org", "diagram")}
    )
    for one in event.get("exception", {}).get("values", ()):
        one["value"] = one_line(str(one.get("value") or ""))
    return event
