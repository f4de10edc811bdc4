"""The front door: what every HTTP response has, whoever made it.

X-Request-Id (taken or made) on the response and on every log line of the request, security headers, HEAD without a body,
one access line, the span, the request metrics, and problem+json for what nobody expected. Pure ASGI, outermost of all.
"""

import time
from collections.abc import Callable

import structlog
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import telemetry
from api.dispatch import TEMPLATE
from api.problems import Problem, respond
from api.resources import Health
from api.translate import problem_for
from collab import traces
from collab.request_id import HEADER, request_id
from storage.settings import Settings

log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("colane.http")

_API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
_HSTS = "max-age=31536000; includeSubDomains"


class FrontDoor:
    """Wraps the whole app."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        health: Health,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.app = app
        self.proxies = settings.trusted_proxies
        self.health = health
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = _behind_proxy(scope, self.proxies)
        headers = Headers(scope=scope)
        scope["request_id"] = name = request_id(headers.get(HEADER))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=name)
        with _tracer.start_as_current_span(
            "request",
            context=traces.carried(headers.get(traces.HEADER)),
            kind=SpanKind.SERVER,
            attributes={"request_id": name},
        ) as span:
            structlog.contextvars.bind_contextvars(**traces.named(span))
            await self._answer(scope, receive, send, span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, span: Span) -> None:
        name = scope["request_id"]
        started = self.clock()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _dress(MutableHeaders(scope=message), scope)
            elif scope["method"] == "HEAD" and message["type"] == "http.response.body":
                message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
            await send(message)

        try:
            await self._serve(scope, receive, answer)
        except Exception as error:
            problem = problem_for(error)
            if problem is None:
                log.exception("unexpected error")
                problem = Problem("internal")
            if status:
                raise  # the answer had begun: only closing the connection tells the truth
            await respond(problem, name)(scope, receive, answer)
        finally:
            self._record(scope, status, self.clock() - started, span)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.health.draining and scope["path"].startswith("/api/"):
            await respond(Problem("draining", headers={"Connection": "close"}), scope["request_id"])(
                scope, receive, send
            )
            return
        await self.app(scope, receive, send)

    def _record(self, scope: Scope, status: int, seconds: float, span: Span) -> None:
        # The path may hold a secret (sign-in links), the query a ticket: only the route's template is written down.
        template = str(scope.get(TEMPLATE, "other"))
        if span.is_recording():
            span.update_name(f"{scope['method']} {template}")
            span.set_attribute("http.route", template)
            span.set_attribute("http.response.status_code", status)
            if status >= 500:
                span.set_status(StatusCode.ERROR)
        telemetry.REQUESTS.labels(scope["method"] if template != "other" else "any", template, str(status)).observe(
            seconds
        )
        log.info(
            "request", method=scope["method"], route=template, status=status, milliseconds=round(seconds * 1000, 1)
        )


def _behind_proxy(scope: Scope, proxies: frozenset[str]) -> Scope:
    """The client's own address and scheme, where a listed proxy tells them; nobody else is believed."""
    if not proxies or scope["client"] is None or scope["client"][0] not in proxies:
        return scope
    headers = Headers(scope=scope)
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    # From the right: each hop was added by the one that came after it, so the first unlisted one is the client.
    client = next((hop for hop in reversed(hops) if hop not in proxies), scope["client"][0])
    scheme = headers.get("x-forwarded-proto", "").strip().lower()
    return {**scope, "client": (client, 0), "scheme": scheme if scheme in ("http", "https") else scope["scheme"]}


def _dress(headers: MutableHeaders, scope: Scope) -> None:
    headers[HEADER] = scope["request_id"]
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Content-Security-Policy", _API_POLICY)
    headers.setdefault("Cache-Control", "no-store")
    if scope["scheme"] == "https":
        headers["Strict-Transport-Security"] = _HSTS
