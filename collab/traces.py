"""Traces across processes: taken from whoever asks, carried in the outbox, named on log lines.

Spans are made through OpenTelemetry's interface and cost nothing until api/telemetry.py is given a collector. Used by the
front door and by collab/delivery.py.
"""

from typing import Final

from opentelemetry import propagate, trace
from opentelemetry.context import Context

HEADER: Final = "traceparent"


def carried(traceparent: str | None) -> Context | None:
    """The context that a header or an event carries; None, or one without a trace, where it carries none."""
    return propagate.extract({HEADER: traceparent}) if traceparent else None


def named(span: trace.Span) -> dict[str, str]:
    """What log lines say of a trace; nothing where there is none."""
    context = span.get_span_context()
    return {"trace_id": trace.format_trace_id(context.trace_id)} if context.is_valid else {}
