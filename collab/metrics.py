"""What the live side counts. Buckets carry the edges of our promises: 0.1, 0.2 and 0.6 seconds."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from collab.wire.close import Close

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 1.0, 2.5, 5.0, 10.0)

DURABLE = Histogram("colane_edit_durable_seconds", "From receiving an update to its commit", buckets=SECONDS)
OPENED = Histogram("colane_room_open_seconds", "From the first join to a loaded document", buckets=SECONDS)
CLOSED = Counter("colane_socket_closed_total", "Sockets closed, by close code: ours and the common ones", ("code",))
REFUSED = Counter("colane_socket_refused_total", "Sockets refused at the handshake, by HTTP status", ("status",))
SOCKETS = Gauge("colane_sockets", "Open sockets")
ROOMS = Gauge("colane_rooms", "Open rooms")
JOURNAL = Gauge("colane_journal_bytes", "Bytes of updates waiting for their commit")
BATCH = Histogram("colane_journal_batch_updates", "Updates in one commit", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500))
TROUBLE = Counter("colane_journal_failures_total", "Commits that failed and were tried again")
RESYNCS = Counter("colane_resyncs_total", "Slow readers brought up to date with one difference")
GAPS = Counter("colane_gaps_total", "Updates kept apart because what they depend on was missing")
FOLDS = Counter("colane_folds_total", "Folds of the log by the worker: ok or failed", ("result",))
UNFOLDED = Gauge("colane_log_unfolded_seconds", "Age of the oldest update that waits for the worker to fold it")
OUTBOX_AGE = Gauge("colane_outbox_age_seconds", "Age of the oldest event that waits and that nothing parked holds up")
OUTBOX_WAITING = Gauge("colane_outbox_waiting", "Events that are not handled yet")
OUTBOX_PARKED = Gauge(
    "colane_outbox_parked", "Events that failed too often; their aggregates wait for somebody to look"
)
OUTBOX_HANDLED = Counter(
    "colane_outbox_handled_total", "Events by how it ended: ok, later, parked or lost", ("result",)
)
OUTBOX_DELAY = Histogram(
    "colane_outbox_delay_seconds",
    "From an event's commit to that of its effects",
    buckets=(0.05, 0.1, 0.2, 0.6, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
BUS_AWAY = Gauge(
    "colane_bus_away", "1 while Redis is configured and not reached: other nodes hear by way of PostgreSQL"
)
BUS_READS = Counter("colane_bus_reads_total", "Reads of the log because messages of other nodes were missed")
BUS_DROPPED = Counter("colane_bus_dropped_total", "Messages between nodes not sent or not understood", ("reason",))
COMPARED = Counter("colane_comparisons_total", "Open rooms held against the database, by what was found", ("found",))
DIVERGENT = Gauge("colane_divergent_rooms", "Rooms found different from the database and not yet found equal again")
AUDIT_BROKEN = Gauge(
    "colane_audit_broken_chains", "Audit chains that are not as they were written, as the worker finds them"
)
AUDIT_ROUNDS = Counter("colane_audit_rounds_total", "Rounds of signing the audit chains: ok or failed", ("result",))

_CODES: Final = frozenset({1000, 1001, 1005, 1006, *map(int, Close)})


def closed(code: int) -> None:
    """One more socket is gone. A client may close with any number it likes; only known ones become a series."""
    CLOSED.labels(str(code) if code in _CODES else "other").inc()
