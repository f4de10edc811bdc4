"""The worker's part in the audit log: it signs where each chain stands, and reads every chain again and again.

Once a minute the chains that went on are checked from the last signed row and signed; a chain that does not fit is not. A
signed head goes to a file and to this process' log first, where whoever can change the database cannot follow, then into
the database. Held against the file, a chain whose end was cut off together with its heads is found. One worker at a time
does it, by a lease that it keeps.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import structlog

from collab import metrics
from storage import folds
from storage.audit import keys, seals
from storage.audit.chain import BEGINNING, Break, Head, moment
from storage.audit.export import heads_in
from storage.audit.seals import Standing
from storage.audit.verify import Verdict, verify
from storage.database import Database
from storage.settings import Settings

EVERY_S: Final = 60.0
LEASE_S: Final = 150.0
READ_AGAIN: Final = 50_000  # lines of old chains a round: about a second's work
LEASE: Final = "audit"
_log = structlog.get_logger()


class Sealer:
    """Signs, and looks after what was signed."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._file = settings.heads_file
        self._signer, self._keys = keys.signer(settings), keys.believed(settings)
        self._holder = str(uuid4())
        self._kept: dict[UUID, Head] = {}  # the newest head of each chain outside of the database
        self._broken: dict[UUID, Break] = {}
        self._again: list[UUID] = []  # chains to be read again, the next one last
        self._place: tuple[int, bytes] = (0, BEGINNING)  # in the one that is being read

    async def run(self) -> None:
        """A round a minute, without end."""
        while True:
            try:
                await self.round()
            except Exception:  # noqa: BLE001 -- the next round tries again
                running = asyncio.current_task()
                if running is not None and running.cancelling():
                    raise asyncio.CancelledError from None
                metrics.AUDIT_ROUNDS.labels("failed").inc()
                _log.exception("audit.round_failed")
            await asyncio.sleep(EVERY_S)

    async def round(self) -> None:
        """Sign what went on, then read some of the old again."""
        async with self._db.transaction() as conn:
            if not await folds.claim(conn, LEASE, self._holder, LEASE_S):
                self._kept.clear()  # another worker's file has the newest; ours is read anew when it is our turn
                metrics.AUDIT_BROKEN.set(0)  # it is the other who tells
                return
        if not self._kept:
            self._kept = await asyncio.to_thread(self._read_file)
        async with self._db.transaction(read_only=True) as conn:
            standings = await seals.standings(conn)
        for one in standings:
            await self._look_at(one)
        for org_id in self._kept.keys() - {one.org_id for one in standings}:
            self._found(org_id, Break(1, "cut", f"Nothing is left; row {self._kept[org_id].seq} was signed."))
        await self._read_again([one.org_id for one in standings])
        metrics.AUDIT_BROKEN.set(len(self._broken))
        metrics.AUDIT_ROUNDS.labels("ok").inc()

    async def _look_at(self, one: Standing) -> None:
        """Sign a chain that went on, if all since the last signed row fits."""
        kept = self._kept.get(one.org_id)
        signed = (kept.seq, kept.hash) if kept else (0, BEGINNING)
        if (one.seq, one.hash) == signed or one.org_id in self._broken:
            return
        verdict = await self._verify(one.org_id, signed)
        if verdict.broken is not None:
            # Something is wrong somewhere: reading all of it, with the heads from the file, tells where.
            whole = await self._verify(one.org_id, (0, BEGINNING), others=await self._heads_of(one.org_id))
            self._found(one.org_id, whole.broken or verdict.broken)
        elif verdict.signed is not None and verdict.signed.seq == verdict.seq:
            await self._keep(verdict.signed)  # another worker signed it before us
        elif verdict.seq > signed[0]:
            await self._sign(one.org_id, verdict.seq, verdict.hash)

    async def _sign(self, org_id: UUID, seq: int, hashed: bytes) -> None:
        org, at, key = str(org_id), moment(datetime.now(UTC)), self._signer.public.id
        head = Head(org, seq, hashed, at, key, self._signer.sign(Head.statement(org, seq, hashed, at, key)))
        await self._keep(head)
        async with self._db.transaction(org=org_id) as conn:
            await seals.add(conn, head)

    async def _keep(self, head: Head) -> None:
        """Outside of the database, in two places."""
        await asyncio.to_thread(self._append, head)
        _log.info("audit.signed", head=head.shown())
        self._kept[UUID(head.org)] = head

    async def _read_again(self, everybody: Iterable[UUID]) -> None:
        """Every chain from its beginning, in turns: what was changed long ago is found too."""
        left, full_circle = READ_AGAIN, not self._again
        while left > 0:
            if not self._again:
                if not full_circle:
                    return
                self._again, full_circle = sorted(everybody, reverse=True), False
                if not self._again:
                    return
            org_id = self._again[-1]
            verdict = await self._verify(org_id, self._place, most=left)
            left -= max(verdict.lines, 1)
            if verdict.broken is None and not verdict.whole:
                self._place = (verdict.seq, verdict.hash)
                continue
            if verdict.broken is not None:
                self._found(org_id, verdict.broken)
            elif org_id in self._broken and self._fits(org_id, verdict):
                del self._broken[org_id]
                _log.info("audit.whole_again", org=str(org_id))
            self._again.pop()
            self._place = (0, BEGINNING)

    def _fits(self, org_id: UUID, verdict: Verdict) -> bool:
        """Whether a chain that is whole in itself reaches as far as was signed outside of the database."""
        kept = self._kept.get(org_id)
        return kept is None or verdict.seq > kept.seq or (verdict.seq, verdict.hash) == (kept.seq, kept.hash)

    def _found(self, org_id: UUID, broken: Break) -> None:
        self._broken[org_id] = broken
        _log.error("audit.broken", org=str(org_id), row=broken.row, what=broken.what, words=broken.words)

    async def _verify(
        self, org_id: UUID, after: tuple[int, bytes], *, most: int | None = None, others: Iterable[Head] = ()
    ) -> Verdict:
        async with self._db.transaction(org=org_id, read_only=True) as conn:
            return await verify(conn, org_id, self._keys, after=after, most=most, others=others)

    # -- the file --------------------------------------------------------------------------------------------------------

    def _append(self, head: Head) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._file.open("ab") as file:
            file.write(head.line())
            file.flush()

    def _read_file(self) -> dict[UUID, Head]:
        """The newest head of each chain. One that we did not sign is nobody's word."""
        newest: dict[UUID, Head] = {}
        with suppress(FileNotFoundError), self._file.open("rb") as file:
            for head in heads_in(file):
                org_id = UUID(head.org)
                if head.genuine(self._keys) and (org_id not in newest or head.seq > newest[org_id].seq):
                    newest[org_id] = head
        return newest

    async def _heads_of(self, org_id: UUID) -> list[Head]:
        def read() -> list[Head]:
            with suppress(FileNotFoundError), self._file.open("rb") as file:
                return [head for head in heads_in(file, str(org_id)) if head.genuine(self._keys)]
            return []

        return await asyncio.to_thread(read)
