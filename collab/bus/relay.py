"""The shell around the bus' core: gives it the clock, Redis, the log, and carries out what it decides.

One a process, where Redis is configured. Nothing a client waits for waits for this: updates are published after they were
acknowledged, and all that fails here ends in a read of the log. Opened by colane.py; told of rooms by collab/rooms.py.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, Self
from uuid import UUID

import structlog

from collab import metrics
from collab.bus import compare, core
from collab.bus.compare import Judgement
from collab.bus.replica import DEAD_S, NEVER
from collab.live import LiveRoom
from collab.presence import Said
from collab.rooms import Rooms
from collab.session import Person
from collab.wire.close import Close
from collab.workshop import Workshop, WorkshopError
from storage.bus import Channels
from storage.updates import Append, LoadError, Refused, Stored, UpdateLog

READS_AT_ONCE: Final = 3  # the log's connections are the journal's too: acknowledgements go first
PEOPLE_S: Final = 1.0  # how soon others can read who has come and gone here
PEOPLE_AGAIN_S: Final = 10.0
HINT_PAUSE_S: Final = 0.5
_log = structlog.get_logger()


class Relay:
    """What rooms.Neighbours and storage.bus.Ears ask for."""

    def __init__(self, rooms: Rooms, log: UpdateLog, workshop: Workshop, node: int) -> None:
        self._rooms, self._updates, self._workshop = rooms, log, workshop
        self._bus = core.Bus(node, random.Random())  # noqa: S311 -- jitter
        self._live: dict[UUID, LiveRoom] = {}
        self._apart: set[UUID] = set()  # rooms found different from the log, until they are found equal
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._comparing = asyncio.Lock()
        self._hints: dict[UUID, int] = {}
        self._hinting = self._polling = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = NEVER
        self._channels: Channels
        self._work: asyncio.TaskGroup
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: dict[UUID, tuple[list[Person], float]] = {}  # who was here when the others were last told, and when
        self._ended = False

    @classmethod
    @asynccontextmanager
    async def open(cls, rooms: Rooms, log: UpdateLog, workshop: Workshop, url: str, node: int) -> AsyncIterator[Self]:
        """Works until the `with` block ends; rooms opened before that are not shared."""
        relay = cls(rooms, log, workshop, node)
        metrics.BUS_AWAY.set(1)
        async with asyncio.TaskGroup() as relay._work, Channels.open(url, node, relay) as relay._channels:
            rooms.neighbours = relay
            relay._start(relay._tell_people())
            try:
                yield relay
            finally:
                rooms.neighbours, relay._ended = None, True
                if relay._timer is not None:
                    relay._timer.cancel()
                for task in relay._tasks:
                    task.cancel()

    # -- from the rooms ------------------------------------------------------------------------------------------------

    def opened(self, room: LiveRoom) -> None:
        """A room was loaded."""
        self._live[room.diagram_id] = room
        self._channels.subscribe(str(room.diagram_id))
        self._do(self._bus.open(room.diagram_id, room.epoch, room.core, time.monotonic()))

    def closed(self, room: LiveRoom) -> None:
        """It is no longer where people are sent."""
        if self._live.get(room.diagram_id) is room:
            self._do(self._bus.close(room.diagram_id, time.monotonic()))
            self._channels.unsubscribe(str(room.diagram_id))
            del self._live[room.diagram_id]
            if self._told.pop(room.diagram_id, None) is not None:
                self._channels.keep(f"people:{room.diagram_id}", str(self._bus.node), None, int(DEAD_S))
            self._found_equal(room.diagram_id)

    def committed(self, room: LiveRoom, seq: int, update: bytes) -> None:
        """An update of this room is on disk and acknowledged."""
        if self._live.get(room.diagram_id) is room:
            self._do(self._bus.committed(room.diagram_id, seq, update, time.monotonic()))
        else:  # it ended meanwhile, and perhaps another has been opened that does not hold this update
            self._do(self._bus.orphaned(room.diagram_id, seq, time.monotonic()))

    def spread(self, room: LiveRoom, said: tuple[Said, ...]) -> None:
        """Presences of this node's clients."""
        if self._live.get(room.diagram_id) is room:
            self._do(self._bus.spread(room.diagram_id, said))

    def caught_up(self, room: LiveRoom, *, well: bool) -> None:
        """A read of the room's log has ended."""
        if self._live.get(room.diagram_id) is room:
            self._do(self._bus.caught_up(room.diagram_id, time.monotonic(), well=well))

    # -- who is where --------------------------------------------------------------------------------------------------

    async def people(self, diagram: UUID) -> list[Person]:
        """Who has a diagram open on other nodes, as they said within the last DEAD_S; nobody while Redis is away."""
        found: list[Person] = []
        for node, told in (await self._channels.kept(f"people:{diagram}")).items():
            try:
                at, listed = json.loads(told)
                if node != str(self._bus.node) and time.time() - at < DEAD_S:
                    found += [Person(UUID(user), str(name), str(color)) for user, name, color in listed]
            except (ValueError, TypeError):
                metrics.BUS_DROPPED.labels("unreadable").inc()
        return found

    async def _tell_people(self) -> None:
        """Keeps the others able to read who is here: after a change, and from time to time."""
        while True:
            await asyncio.sleep(PEOPLE_S)
            now = time.time()
            for diagram, room in self._live.items():
                here = room.core.present()
                before, at = self._told.get(diagram, ([], 0.0))
                if here == before and (not here or now - at < PEOPLE_AGAIN_S):
                    continue
                self._told[diagram] = (here, now)
                listed = json.dumps([now, [(str(one.id), one.name, one.color) for one in here]]).encode()
                self._channels.keep(f"people:{diagram}", str(self._bus.node), listed, int(DEAD_S))

    # -- from Redis ----------------------------------------------------------------------------------------------------

    def linked(self, *, up: bool) -> None:
        """Redis is reached, or not any more."""
        metrics.BUS_AWAY.set(0 if up else 1)
        self._do(self._bus.linked(time.monotonic(), up=up))

    def subscribed(self, channel: str) -> None:
        """A diagram's channel is heard from now on."""
        self._do(self._bus.subscribed(UUID(channel), time.monotonic()))

    def heard(self, channel: str, payload: bytes) -> None:
        """A message of a node."""
        self._do(self._bus.heard(UUID(channel), payload, time.monotonic()))

    # -- carrying out ----------------------------------------------------------------------------------------------------

    def _do(self, effects: core.Effects) -> None:
        if self._ended:
            return
        for effect in effects:
            match effect:
                case core.Publish(diagram, payload):
                    if not self._channels.publish(str(diagram), payload):
                        metrics.BUS_DROPPED.labels("full").inc()
                        self._bus.unsent(diagram, time.monotonic())
                case core.Carry(diagram, carried):
                    if (room := self._live.get(diagram)) is not None:
                        room.carry(carried)
                case core.Read(diagram):
                    metrics.BUS_READS.inc()
                    self._start(self._read(diagram))
                case core.Hint(heads):
                    self._hints.update(heads)
                    self._start(self._hint())
                case core.Poll():
                    self._start(self._poll())
                case core.Compare(diagram):
                    self._start(self._compare(diagram))
        self._set_timer()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._work.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _set_timer(self) -> None:
        due = self._bus.due
        if due >= self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, NEVER
        self._do(self._bus.tick(time.monotonic()))

    async def _read(self, diagram: UUID) -> None:
        async with self._reads:
            if (room := self._live.get(diagram)) is None:
                return
            try:
                await self._rooms.catch_up(room)  # which says `caught_up`
            except Exception:  # noqa: BLE001 -- the core asks again
                _log.warning("bus.read_failed", diagram=str(diagram), exc_info=False)

    async def _hint(self) -> None:
        """Tells the others through PostgreSQL; while that does not answer either, nothing is committed anyway."""
        if self._hinting:
            return  # the one that runs takes them along
        self._hinting = True
        try:
            while self._hints:
                hints, self._hints = self._hints, {}
                try:
                    await self._updates.hint(hints)
                except Exception:  # noqa: BLE001 -- tried again with what has come meanwhile
                    self._hints = {**hints, **self._hints}
                    await asyncio.sleep(HINT_PAUSE_S)
        finally:
            self._hinting = False

    async def _poll(self) -> None:
        """Asks how far the logs of all open rooms go."""
        if self._polling:
            return
        self._polling = True
        try:
            by_org: dict[UUID, list[UUID]] = {}
            for room in self._live.values():
                by_org.setdefault(room.org_id, []).append(room.diagram_id)
            for diagram, seq in (await self._updates.heads(by_org)).items():
                self._do(self._bus.told(diagram, seq))
        except Exception:  # noqa: BLE001 -- the next poll is a second away
            _log.warning("bus.poll_failed", exc_info=False)
        finally:
            self._polling = False

    # -- comparing -----------------------------------------------------------------------------------------------------

    async def _compare(self, diagram: UUID) -> None:
        verdict = "skipped"
        try:
            async with self._comparing:  # one at a time: it is never urgent
                if (room := self._live.get(diagram)) is not None:
                    verdict = await self._judge(room)
        except (LoadError, WorkshopError):
            pass  # the next one will tell
        except Exception:  # noqa: BLE001 -- one room's trouble is not the others'
            _log.exception("bus.compare_failed", diagram=str(diagram))
        finally:
            metrics.COMPARED.labels(verdict).inc()
            apart = verdict not in ("equal", "skipped")
            self._do(self._bus.compared(diagram, time.monotonic(), again=apart))

    async def _judge(self, room: LiveRoom) -> str:
        if room.core.uncommitted:
            return "skipped"
        seq, state = room.core.seq, room.core.state_after(b"\x00")
        stored = await self._updates.load(room.org_id, room.diagram_id)
        log = _up_to(stored, seq)
        if stored.epoch != room.epoch or log is None:
            return "skipped"
        judgement = await self._workshop.do(compare.judge, state, log)
        if judgement.verdict == "equal":
            self._found_equal(room.diagram_id)
        elif self._live.get(room.diagram_id) is room:
            self._found_apart(room, judgement, seq, stored.seq)
        return judgement.verdict

    def _found_apart(self, room: LiveRoom, judgement: Judgement, seq: int, head: int) -> None:
        """Counted, told, and mended: each side gets what it lacks; where neither lacks anything the log is right."""
        self._apart.add(room.diagram_id)
        metrics.DIVERGENT.set(len(self._apart))
        _log.error("bus.diverged", diagram=str(room.diagram_id), verdict=judgement.verdict, seq=seq, head=head)
        if judgement.room_lacks is not None:
            room.carry(room.core.from_log(seq, [judgement.room_lacks], time.monotonic()))
        if judgement.log_lacks is not None:
            lacking = judgement.log_lacks
            item = Append(room.org_id, room.diagram_id, room.epoch, lacking, None)
            self._rooms.journal.submit(item, lambda result: self._mended(room, lacking, result))
        if judgement.verdict == "content":
            room.end(Close.EPOCH)  # two clients wrote under one id: replicas of the room are fetched anew

    def _mended(self, room: LiveRoom, update: bytes, result: int | Refused) -> None:
        if not isinstance(result, Refused):
            self.committed(room, result, update)

    def _found_equal(self, diagram: UUID) -> None:
        self._apart.discard(diagram)
        metrics.DIVERGENT.set(len(self._apart))


def _up_to(stored: Stored, seq: int) -> list[bytes] | None:
    """The log's document at a number; None where it is folded beyond that."""
    folded = stored.tail[0][0] - 1 if stored.tail else stored.seq
    if folded > seq:
        return None
    snapshot = [stored.snapshot] if stored.snapshot is not None else []
    return [*snapshot, *(data for number, data in stored.tail if number <= seq)]
