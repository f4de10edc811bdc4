"""Refused requests on their way into the log: counted as they happen, written beside them, once a minute each.

`note` is all that a request does: it never waits and never fails. The first refusal of its kind (who, what, why) is written
within a second, in a transaction of its own; what repeats is counted and written as one line when the minute is over. A
refusal goes to the chain of an organization only where the caller is known to belong there, else to the system's; nobody
else's chain hears of it (DECISIONS).

When full: of one caller at one route no more than RESOURCES are told apart in a minute, the rest is counted together; and
when OPEN kinds wait, further ones are counted in one line of the system chain, "refusals.lost", and in a series. While the
database is away everything stays counted where it is. A node that is killed loses what it has counted and not written.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self
from uuid import UUID

import structlog
from prometheus_client import Counter

from storage.audit import SYSTEM, record
from storage.audit.chain import moment
from storage.database import Database
from storage.failures import is_unavailable

EVERY_S: Final = 60.0
ROUND_S: Final = 0.5
OPEN: Final = 10_000
RESOURCES: Final = 20
BATCH: Final = 50  # lines in one transaction, which holds the chain's head
LAST_S: Final = 2.0  # for what is left when the server ends

WRITTEN = Counter("colane_audit_refusals_total", "Refused requests that the audit log tells of")
LOST = Counter("colane_audit_refusals_lost_total", "Refused requests of which the audit log has the number only")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Refusal:
    """What makes two refusals the same: who asked for what, and why not."""

    org_id: UUID  # whose chain it goes to
    actor: UUID | None
    address: str
    action: str
    route: str
    resource: str
    diagram_id: UUID | None
    result: str


@dataclass(slots=True)
class _Kind:
    """Refusals of one kind: how many wait to be written, since when, and when the next line is due."""

    due: float
    count: int = 0
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    request_id: str | None = None


def account(name: str) -> str:
    """An account that somebody tried to sign in to, as it is written: the same for the same, and nobody's address."""
    return "account:" + hashlib.sha256(name.strip().lower().encode("utf-8", "replace")).hexdigest()[:32]


class Refusals:
    """The refusals of this process."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._db, self._clock = db, clock
        self._kinds: dict[Refusal, _Kind] = {}
        self._told_apart: dict[tuple[UUID, UUID | None, str, str, str], int] = {}
        self._lost = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, db: Database) -> AsyncIterator[Self]:
        """Refusals and the task that writes them; what is left at the end is written in a moment or not at all."""
        made = cls(db)
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(made._keep_writing())
            try:
                yield made
            finally:
                writing.cancel()
        try:
            async with asyncio.timeout(LAST_S):
                await made.write(everything=True)
        except Exception as error:  # noqa: BLE001 -- the database may be gone before us; the end goes on
            _log.warning("audit.refusals_unwritten", kinds=made.waiting, error=type(error).__name__)

    @property
    def waiting(self) -> int:
        """Kinds with something to be written."""
        return sum(one.count > 0 for one in self._kinds.values())

    def note(self, what: Refusal, request_id: str | None) -> None:
        """One more refusal."""
        kind = self._kinds.get(what)
        if kind is None:
            what = self._apart(what)
            kind = self._kinds.get(what)
        if kind is None:
            if len(self._kinds) >= OPEN:
                self._lost += 1
                LOST.inc()
                return
            kind = self._kinds[what] = _Kind(self._clock())
        if kind.count == 0:
            kind.since, kind.request_id = datetime.now(UTC), request_id
        kind.count += 1

    def _apart(self, what: Refusal) -> Refusal:
        """The same with its own resource, or with everybody else's when there have been many."""
        caller = (what.org_id, what.actor, what.address, what.route, what.result)
        many = self._told_apart.get(caller, 0)
        if many >= RESOURCES:
            name = what.resource.partition(":")[0]
            return Refusal(
                what.org_id, what.actor, what.address, what.action, what.route, f"{name}:many", None, what.result
            )
        if len(self._told_apart) < OPEN:
            self._told_apart[caller] = many + 1
        return what

    async def _keep_writing(self) -> None:
        trouble = False
        while True:
            await asyncio.sleep(ROUND_S)
            try:
                await self.write()
                trouble = False
            except Exception as error:  # noqa: BLE001 -- whatever it is, the counts are kept and the next round tries again
                if not trouble:
                    known = is_unavailable(error)
                    _log.warning("audit.refusals_wait", error=type(error).__name__, exc_info=None if known else error)
                trouble = True

    async def write(self, *, everything: bool = False) -> None:
        """Write what is due, and forget what has been quiet for its minute."""
        now = self._clock()
        due = [(what, kind) for what, kind in self._kinds.items() if kind.count and (everything or kind.due <= now)]
        chains: dict[UUID, list[tuple[Refusal, _Kind]]] = {}
        for what, kind in due:
            chains.setdefault(what.org_id, []).append((what, kind))
        for org_id, several in chains.items():
            for begin in range(0, len(several), BATCH):
                await self._write(org_id, several[begin : begin + BATCH], now)
        if self._lost:
            await self._write_lost()
        quiet = [what for what, kind in self._kinds.items() if not kind.count and kind.due <= now]
        for what in quiet:
            del self._kinds[what]
        if quiet:
            self._count_apart(self._kinds)

    def _count_apart(self, kinds: Iterable[Refusal]) -> None:
        self._told_apart.clear()
        for what in kinds:
            caller = (what.org_id, what.actor, what.address, what.route, what.result)
            self._told_apart[caller] = self._told_apart.get(caller, 0) + 1

    async def _write(self, org_id: UUID, several: list[tuple[Refusal, _Kind]], now: float) -> None:
        counts = [kind.count for _, kind in several]
        async with self._db.transaction(org=org_id) as conn:
            for (what, kind), count in zip(several, counts, strict=True):
                metadata: dict[str, object] = {"route": what.route, "count": count}
                if count > 1:
                    metadata["since"] = moment(kind.since)
                if what.address and org_id == SYSTEM:
                    metadata["address"] = what.address
                await record(
                    conn, org_id=org_id, actor=what.actor, action=what.action, resource=what.resource, result=what.result,
                    metadata=metadata, diagram_id=what.diagram_id, request_id=kind.request_id,
                )  # fmt: skip
        for (_, kind), count in zip(several, counts, strict=True):
            kind.count -= count  # what came while it was written waits for the next line
            kind.since, kind.due = datetime.now(UTC), now + EVERY_S
            WRITTEN.inc(count)

    async def _write_lost(self) -> None:
        lost = self._lost
        async with self._db.transaction(org=SYSTEM) as conn:
            await record(
                conn, org_id=SYSTEM, actor=None, action="refusals.lost", resource="log:audit", result="lost",
                metadata={"count": lost},
            )  # fmt: skip
        self._lost -= lost
