"""One diagram live, sans I/O: messages, ticks and commits in, effects out. No sockets, no clock, no tasks.

True at every moment: what is acknowledged is committed (R1); a session that joins gets everything before anything later
(R4); an update whose dependencies are missing is in neither the document nor the log (R9); a message is applied or ends
its session (R14). Driven by collab/live.py, and by the simulation with a clock of its own.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import exp
from typing import Final, NamedTuple
from uuid import UUID

from pycrdt import merge_updates

from collab.content import Content, OldError
from collab.effects import Acknowledge, Append, Effects, Part, Send, Spread
from collab.presence import Presences, Said
from collab.session import Person, Protocol, Session
from collab.wire import messages, structs
from collab.wire.close import Close
from collab.wire.lib0 import WireError

TICK_S: Final = 0.020  # the longest that an update waits for others to go out with it
DELIVERY_S: Final = 1.5e-6  # how much longer it waits for each delivery a second that a room would make without waiting
BUSY_S: Final = 0.004  # who waits so long for the next tick hears nothing before it
LOAD_S: Final = 0.25  # over how long those are counted
PATIENCE_S: Final = 0.2  # commits that take longer no longer keep from writers what others wrote
PARTED_MOST: Final = (
    50  # of so many updates a frame may be; to part larger ones for each writer costs more than it brings
)
UPDATE_LIMIT: Final = 1024 * 1024
DOCUMENT_LIMIT: Final = 32 * 1024 * 1024
GAP_LIMIT: Final = 256 * 1024  # bytes a session may have waiting for their dependencies
GAPS_LIMIT: Final = 50
DOUBT_S: Final = 1.0  # so long a viewer may have something that the document does not
GAPS_PAUSE_S: Final = (1.0, 30.0)  # between two attempts to fill them with what others have written meanwhile
MERGED_AT_ONCE: Final = 100  # merging many updates grows faster than their number
LARGE_STATE: Final = 1024 * 1024
REST_S: Final = 5.0  # who pauses for so long may wait a moment when they go on


class _Written(NamedTuple):
    """An update that goes out at the next tick: who brought it, unless it came from the log, and under which ticket.

    `author` is the Yjs client that wrote it; None when there are several, or one cannot tell.
    """

    update: bytes
    origin: Session | None
    ticket: int
    author: int | None


@dataclass(slots=True)
class _Held:
    """A frame with a y-websocket session's own structs: it is their acknowledgement, so it waits for their commit (R1)."""

    ticket: int
    session: Session
    payload: bytes
    since: float
    written: Sequence[_Written] = ()  # what is in the frame, where others' updates are in it too


class Room:
    """One open document. `seq` is the log's number up to which the document is known to hold everything.

    `retired` are the Yjs clients that began earlier epochs: who knows one of them has an old replica (R13).
    """

    def __init__(self, updates: Sequence[bytes], seq: int, retired: Collection[int] = ()) -> None:
        self.seq = seq
        self.sessions: list[Session] = []
        self.due: float | None = None  # when `tick` wants to be called
        self.changed_since_start = False
        self.shared = False  # other nodes may have it open too: they are to hear of presences
        self._content = Content(updates, retired)
        self._presences = Presences()
        self._doubts: deque[tuple[float, Session]] = deque()  # viewers who brought something new; until when they may
        self._gapped: list[Session] = []  # whose updates wait for others
        self._gaps_stirred = False  # the document has changed since they were tried
        self._gaps_pause, self._gaps_again = GAPS_PAUSE_S[0], 0.0
        self._outgoing: list[_Written] = []
        self._parts: list[bytes] = []  # the same, where several were taken in together as what they brought
        self._batch: list[tuple[Session, bytes]] = []  # updates to be taken in together
        self._held: list[_Held] = []
        self._owed: deque[tuple[int, Session]] = deque()  # Hocuspocus: an acknowledgement for each, by ticket
        self._ticket = 0
        self._committed = 0
        self._unsure: deque[tuple[int, int | None]] = deque()  # tickets that are not on disk yet, and who wrote them
        self._bound: dict[int, UUID] = {}
        self._last_flush = float("-inf")
        self._pace = 0.0  # seconds between ticks, at the present load
        self._load = 0.0
        self._news = 0  # what came in since the last tick
        self._gathering = False
        self._state_message: tuple[bytes, bytes] | None = None
        # State vectors: what everybody had been sent before the last frame of updates, and with it.
        self._sent = self._known = self._content.state

    # -- people ------------------------------------------------------------------------------------------------------

    def join(self, person: Person, protocol: Protocol, *, writes: bool) -> tuple[Session, Effects]:
        """Somebody comes in. y-websocket is greeted at once, unless it must first name its epoch; Hocuspocus asks."""
        session = Session(protocol, person, writes)
        self.sessions.append(session)
        effects: Effects = []
        if protocol is Protocol.YWS and not self._content.retired:
            effects.append(Send((session,), messages.step_1(self._content.state)))
        if self._presences:
            effects.append(Send((session,), self._presences.everybody()))
        return session, effects

    def leave(self, session: Session) -> Effects:
        """Somebody is gone: their presence vanishes for everybody else at once (R6)."""
        if session.gone:
            return []
        session.gone = True
        self.sessions.remove(session)
        farewell = self._presences.forget(session)
        self._held = [one for one in self._held if one.session is not session]
        self._owed = deque(one for one in self._owed if one[1] is not session)
        self._gapped = [one for one in self._gapped if one is not session]
        if farewell is None:
            return []
        effects: Effects = [Send(tuple(self.sessions), farewell.payload)] if self.sessions else []
        if self.shared:
            effects.append(Spread(farewell.ours))
        return effects

    def present(self) -> list[Person]:
        """Who is here, each session once."""
        return [session.person for session in self.sessions]

    def set_right(self, session: Session, *, writes: bool) -> Effects:
        """A right was changed while connected: who loses the right to write is asked to come back as a viewer."""
        if session.gone or writes == session.writes:
            return []
        if writes:
            session.writes = True
            return []
        return self._part(session, Close.NO_RIGHT)

    # -- what clients say ----------------------------------------------------------------------------------------------

    def receive(self, session: Session, message: messages.Message, now: float) -> Effects:
        """One message of a client. A message that cannot be applied ends its session and changes nothing for others (R3)."""
        if session.gone:
            return []
        # What was gathered before is taken in before, whatever becomes of this message.
        effects = self._settle_first(now) if isinstance(message, messages.Step1 | messages.Step2) else []
        try:
            return effects + self._deal_with(session, message, now)
        except WireError:
            return effects + self._part(session, Close.MALFORMED)
        except OldError:
            return effects + self._part(session, Close.EPOCH)

    def _deal_with(self, session: Session, message: messages.Message, now: float) -> Effects:
        match message:
            case messages.Step1(state):
                return self._answer_step_1(session, state)
            case messages.Step2(update):
                return self._step_2(session, update, now)
            case messages.Update(update):
                return self._update(session, update, now)
            case messages.Awareness(entries):
                return self._soon(now) if self._presences.hear(session, entries) else []
            case messages.QueryAwareness():
                return [Send((session,), self._presences.everybody(but=session))]
            case _:
                return []

    def _answer_step_1(self, session: Session, state: bytes) -> Effects:
        """The whole difference, and from now on every update (R4). What was to go out at the next tick is in it."""
        update = self.state_after(state)
        if self._content.retired and self._content.is_old(structs.clocks(state)):
            return [*self.leave(session), Part(session, Close.EPOCH, held=True)]
        first, session.synced = not session.synced, True
        if session.protocol is Protocol.YWS and state != b"\x00":
            session.claims = self._claims(structs.clocks(state))
        effects: Effects = [Send((session,), self._message_with(update))]
        if session.protocol is Protocol.HOCUSPOCUS:
            session.answering = True
        if session.protocol is Protocol.HOCUSPOCUS or (self._content.retired and first):
            effects.append(Send((session,), messages.step_1(self._content.state)))
        return effects

    def _claims(self, said: dict[int, int]) -> dict[int, int]:
        """What a session says it has that is not known to be on disk: some of it may be its own, and not acknowledged yet.

        Whoever brings that to the room, a colleague who had seen it before a crash, the session must not hear of it as of
        others' edits: a frame with structs of one's own is an acknowledgement (R1).
        """
        mine = self._content.clocks
        unsure = {author for _, author in self._unsure}
        return {
            client: clock
            for client, clock in said.items()
            if clock > mine.get(client, 0) or client in unsure or None in unsure
        }

    def _held_back(self, session: Session, ticket: int, gathered: Iterable[_Written]) -> int:
        """The ticket a frame waits for that may bring what a session claims; whatever comes later waits behind it."""
        claimed = [one.ticket for one in gathered if one.author is None or one.author in session.claims]
        ticket = max([ticket, *claimed])
        session.behind = max([session.behind, *claimed])
        mine = structs.clocks(self._known)
        session.claims = {client: clock for client, clock in session.claims.items() if clock > mine.get(client, 0)}
        return ticket

    def state_after(self, state: bytes) -> bytes:
        """What a document with this state vector lacks."""
        return self._content.after(state)

    def _message_with(self, update: bytes) -> bytes:
        """Step 2. That of the whole state is made once: however many read it slowly, its bytes are there once."""
        if len(update) < LARGE_STATE or update is not self._content.whole:
            return messages.step_2(update)
        if self._state_message is None or self._state_message[0] is not update:
            self._state_message = (update, messages.step_2(update))
        return self._state_message[1]

    @property
    def large(self) -> bool:
        """Is the state of a size that is better given to few at a time?"""
        return self._content.size >= LARGE_STATE

    def _step_2(self, session: Session, update: bytes, now: float) -> Effects:
        on_our_account = session.asked > 0
        if on_our_account:
            session.asked -= 1
        acknowledge = session.answering and not on_our_account
        if acknowledge:
            session.answering = False
        effects = self._write(session, update, now, acknowledge=acknowledge, whole=False, ask=not on_our_account)
        if session.gaps and self._gaps_stirred and not session.gone:
            effects += [*self._fill_gaps(now), *self._soon(now)]
        return effects

    def _update(self, session: Session, update: bytes, now: float) -> Effects:
        if len(update) > UPDATE_LIMIT:
            return self._part(session, Close.TOO_LARGE)
        if self._gathering and session.writes and not session.gaps:
            self._batch.append((session, update))
            return []
        return self._write(session, update, now, acknowledge=True, whole=True, ask=True)

    def _write(
        self, session: Session, update: bytes, now: float, *, acknowledge: bool, whole: bool, ask: bool
    ) -> Effects:
        if self._content.retired and not session.synced:
            return self._part(session, Close.EPOCH)  # nobody can tell what it was written on
        if not session.writes:
            return self._write_of_a_viewer(session, update, now, acknowledge=acknowledge, benefit=not whole)
        if self._content.size + len(update) > DOCUMENT_LIMIT:
            return self._part(session, Close.TOO_LARGE)
        outcome = self._content.take(update)
        if outcome == "gap":
            return self._keep_apart(session, update, acknowledge=acknowledge, ask=ask)
        if outcome == "nothing":
            return self._acknowledge_again(session, update, now) if acknowledge else []
        # A step 2 repeats what everybody has; only what it brought is logged and passed on.
        kept = update if whole else self._content.heard
        self.changed_since_start = self._gaps_stirred = True
        effects: Effects = [self._log(session, kept, bind=whole)]
        if acknowledge:
            effects += self._owe(session)
        return effects + self._pass_on(kept, session, now)

    def _write_of_a_viewer(
        self, session: Session, update: bytes, now: float, *, acknowledge: bool, benefit: bool
    ) -> Effects:
        """Nothing new is no offence: stock clients always answer a step 1.

        With the benefit of the doubt even something new is none for a moment: a viewer may have seen what was lost in a
        crash, or is on its way here from another node, and those who wrote it will bring it.
        """
        if not self._content.lacks(update):
            return self._acknowledge_again(session, structs.NOTHING, now) if acknowledge else []
        if not benefit or session.doubt is not None or len(update) > GAP_LIMIT:
            return self._part(session, Close.NO_RIGHT)
        session.doubt = update, acknowledge
        self._doubts.append((now + DOUBT_S, session))
        self.due = now + DOUBT_S if self.due is None else min(self.due, now + DOUBT_S)
        return []

    def _judge_again(self, now: float) -> Effects:
        """The moment is over."""
        effects: Effects = []
        while self._doubts and self._doubts[0][0] <= now:
            session = self._doubts.popleft()[1]
            if session.doubt is not None and not session.gone and not session.writes:
                (update, acknowledge), session.doubt = session.doubt, None
                effects += self._write_of_a_viewer(session, update, now, acknowledge=acknowledge, benefit=False)
        return effects

    def _log(self, session: Session, update: bytes, *, bind: bool) -> Append:
        """The next ticket. The first update under a Yjs client id says who writes under it."""
        self._ticket += 1
        client = structs.author_of(update)
        self._unsure.append((self._ticket, client))
        writers: tuple[tuple[int, UUID], ...] = ()
        if bind and client is not None and client not in self._bound:
            self._bound[client] = session.person.id
            writers = ((client, session.person.id),)
        if bind and session.writer is None:
            session.writer = client
        return Append(self._ticket, update, session.person.id, client, writers)

    # -- gaps --------------------------------------------------------------------------------------------------------

    def _keep_apart(self, session: Session, update: bytes, *, acknowledge: bool, ask: bool) -> Effects:
        """R9: kept raw, not acknowledged, not passed on; its sender is asked for what is missing.

        Not again, when this is the answer: what it lacks itself it cannot give. Others may bring that.
        """
        if all(update != known for known, _ in session.gaps):
            session.gaps.append((update, acknowledge))
        if len(session.gaps) > GAPS_LIMIT or sum(len(known) for known, _ in session.gaps) > GAP_LIMIT:
            return self._part(session, Close.MALFORMED)
        if session not in self._gapped:
            self._gapped.append(session)
        if not ask:
            return []
        session.asked += 1
        return [Send((session,), messages.step_1(self._content.state))]

    def _fill_gaps(self, now: float) -> Effects:
        """Tries again what waits for its dependencies, all at once: whatever still does costs one new document in all."""
        effects: Effects = []
        waiting = [(session, *gap) for session in self._gapped for gap in session.gaps]
        for session in self._gapped:
            session.gaps = []
        outcomes = self._content.take_together([update for _, update, _ in waiting])
        for outcome, (session, update, owed) in zip(outcomes, waiting, strict=True):
            if outcome == "gap":
                session.gaps.append((update, owed))
            elif outcome == "nothing":
                effects += self._acknowledge_again(session, update, now) if owed else []
            else:
                self.changed_since_start = True
                effects += [self._log(session, update, bind=True), *(self._owe(session) if owed else [])]
                self._outgoing.append(_Written(update, session, *self._unsure[-1]))
                self._parts.append(update)
        self._gapped = [session for session in self._gapped if session.gaps]
        self._gaps_stirred = False
        self._gaps_pause = GAPS_PAUSE_S[0] if "changed" in outcomes else min(self._gaps_pause * 2, GAPS_PAUSE_S[1])
        self._gaps_again = now + self._gaps_pause
        return effects

    # -- acknowledgements ----------------------------------------------------------------------------------------------

    def _owe(self, session: Session) -> Effects:
        """Hocuspocus counts: one acknowledgement when all that is handed in by now is committed."""
        if session.protocol is not Protocol.HOCUSPOCUS:
            return []  # the frame that carries its structs is its acknowledgement
        if self._ticket <= self._committed:
            return [Acknowledge(session, 1)]
        self._owed.append((self._ticket, session))
        return []

    def _acknowledge_again(self, session: Session, update: bytes, now: float) -> Effects:
        """What adds nothing is acknowledged too; it may repeat what is on its way to the disk, and waits for that (R1)."""
        if session.protocol is Protocol.HOCUSPOCUS:
            return self._owe(session)
        return [] if update == structs.NOTHING else self._hold(session, self._ticket, messages.update(update), now)

    def _hold(
        self, session: Session, ticket: int, payload: bytes, now: float, written: Sequence[_Written] = ()
    ) -> Effects:
        """Sends once this ticket is committed, and after everything that this session waits for already."""
        ticket = max(ticket, session.held)
        if ticket <= self._committed:
            return [Send((session,), payload)]
        session.held = ticket
        self._held.append(_Held(ticket, session, payload, now, written))
        return []

    def committed(self, ticket: int, seq: int) -> Effects:
        """Everything up to this ticket is on disk; `seq` is the number the log gave to it."""
        self._committed = max(self._committed, ticket)
        self.seq = max(self.seq, seq)
        while self._unsure and self._unsure[0][0] <= self._committed:
            self._unsure.popleft()
        # In the order of the ticks, so in order for each session; a frame that several wait for is one effect.
        ready: dict[bytes, list[Session]] = {}
        if any(one.ticket <= self._committed for one in self._held):
            waiting, self._held = self._held, []
            for one in waiting:
                if one.ticket > self._committed:
                    self._held.append(one)
                else:
                    ready.setdefault(one.payload, []).append(one.session)
        counts: dict[Session, int] = {}
        while self._owed and self._owed[0][0] <= self._committed:
            session = self._owed.popleft()[1]
            counts[session] = counts.get(session, 0) + 1
        effects: Effects = [Send(tuple(sessions), payload) for payload, sessions in ready.items()]
        effects += [Acknowledge(session, count) for session, count in counts.items()]
        return effects

    def lost(self, code: Close) -> Effects:
        """The log refuses for good: nobody may believe what is not on disk, so everybody comes back and offers it again."""
        return [effect for session in list(self.sessions) for effect in self._part(session, code)]

    @property
    def uncommitted(self) -> int:
        """Updates that are not on disk yet."""
        return self._ticket - self._committed

    # -- fan-out -----------------------------------------------------------------------------------------------------

    def _pass_on(self, update: bytes, origin: Session | None, now: float) -> Effects:
        # What was just logged has the last ticket.
        ticket, author = (0, None) if origin is None else self._unsure[-1]
        self._outgoing.append(_Written(update, origin, ticket, author))
        self._parts.append(update)
        return self._soon(now)

    @property
    def busy(self) -> bool:
        """Does it gather for so long that what comes can be dealt with together?"""
        return self._pace >= BUSY_S

    @property
    def next_tick(self) -> float:
        """When what comes now would go out."""
        return self._last_flush + self._pace

    def gather(self) -> None:
        """Several messages follow each other: updates among them are taken in together by `settle`."""
        self._gathering = True

    def _settle_first(self, now: float) -> Effects:
        """What was gathered before this is taken in before it."""
        if not self._batch:
            return []
        effects = self.settle(now)
        self._gathering = True
        return effects

    def settle(self, now: float) -> Effects:
        """Takes in what was gathered, as one; what becomes of it goes out at the next tick."""
        self._gathering = False
        batch, self._batch = self._batch, []
        effects: Effects = []
        if sum(len(update) for _, update in batch) + self._content.size > DOCUMENT_LIMIT:
            fresh = None
        else:
            fresh = self._content.take_all([update for _, update in batch]) if len(batch) > 1 else None
        if fresh is None:  # one by one: it will be seen whose is not to be taken in
            for session, update in batch:
                effects += self.receive(session, messages.Update(update), now)
            return effects
        for (session, update), brought in zip(batch, fresh, strict=True):
            if brought:
                effects += [self._log(session, update, bind=True), *([] if session.gone else self._owe(session))]
                self._outgoing.append(_Written(update, session, *self._unsure[-1]))
            elif not session.gone:
                effects += self._acknowledge_again(session, update, now)
        if not any(fresh):
            return effects
        self._parts.append(self._content.heard)
        self._news += len(batch)
        self.changed_since_start = self._gaps_stirred = True
        self.due = self.next_tick if self.due is None else min(self.due, self.next_tick)
        return effects

    def _soon(self, now: float) -> Effects:
        """A quiet room answers at once; the busier it is, the longer it gathers."""
        self._news += 1
        due = self._last_flush + self._pace
        if now >= due and not self._gathering:
            return self.tick(now)
        self.due = due if self.due is None else min(due, self.due)
        return []

    def tick(self, now: float) -> Effects:
        """Sends what has gathered: one merged frame of updates, one of presences."""
        self.due = None
        effects: Effects = self._judge_again(now) if self._doubts else []
        effects += self._fill_gaps(now) if self._gapped and self._gaps_stirred and now >= self._gaps_again else []
        stalled = bool(self._held) and now >= self._held[0].since + PATIENCE_S
        effects += self._part_held() if stalled else []
        if self._outgoing:
            effects += self._flush_updates(now, stalled=stalled)
        if (news := self._presences.news()) is not None:
            to = tuple(session for session in self.sessions if session is not news.alone)
            if to:
                effects.append(Send(to, news.payload, droppable=True))
            if self.shared and news.ours:
                effects.append(Spread(news.ours))
        if self._news:
            self._load = self._load * exp((self._last_flush - now) / LOAD_S) + self._news * len(self.sessions)
            self._pace = min(TICK_S, self._load / LOAD_S * DELIVERY_S)
            self._last_flush, self._news = now, 0
        if self._held and not stalled:
            self.due = self._held[0].since + PATIENCE_S
        if self._gapped and self._gaps_stirred:
            self.due = self._gaps_again if self.due is None else min(self.due, self._gaps_again)
        if self._doubts:
            self.due = self._doubts[0][0] if self.due is None else min(self.due, self._doubts[0][0])
        return effects

    def _flush_updates(self, now: float, *, stalled: bool) -> Effects:
        """One frame for all. Who speaks y-websocket takes its own structs in it for their acknowledgement: not before."""
        gathered, self._outgoing = self._outgoing, []
        parts, self._parts = self._parts, []
        self._sent, self._known = self._known, self._content.state
        frame = messages.update(_merged(parts))
        tickets = {one.origin: one.ticket for one in gathered if one.origin is not None}
        alone = gathered[0].origin if all(one.origin is gathered[0].origin for one in gathered) else None
        at_once: list[Session] = []
        effects: Effects = []
        for session in self.sessions:
            ticket = tickets.get(session, 0)
            if session.claims:
                ticket = self._held_back(session, ticket, gathered)
            if not session.synced or session.lagging_since is not None:
                if ticket and session.protocol is Protocol.YWS:
                    effects += self._apart(session, ticket, gathered, now, foreign_too=False)
            elif session.protocol is Protocol.HOCUSPOCUS:
                if session is not alone:
                    at_once.append(session)
            elif max(ticket, session.held) <= self._committed:
                at_once.append(session)
            elif not stalled or session.behind > self._committed or len(gathered) > PARTED_MOST:
                effects += self._hold(session, ticket, frame, now, gathered)
                if len(gathered) > PARTED_MOST:
                    session.behind = session.held  # it stays whole, so nothing may overtake it
            else:
                effects += self._apart(session, ticket, gathered, now, foreign_too=True)
        if at_once:
            effects.append(Send(tuple(at_once), frame, droppable=True))
        return effects

    def _apart(
        self, session: Session, ticket: int, gathered: Sequence[_Written], now: float, *, foreign_too: bool
    ) -> Effects:
        """What others wrote at once, unless a resync brings it; what this session wrote after its commit."""
        own, foreign = _parted(gathered, session)
        effects: Effects = []
        if foreign and foreign_too:
            effects.append(Send((session,), messages.update(_merged(foreign)), droppable=True))
        return effects + (self._hold(session, ticket, messages.update(_merged(own)), now) if own else [])

    def _part_held(self) -> Effects:
        """Storage is slow or away: what others wrote goes to those who wait for their own."""
        effects: Effects = []
        waiting, self._held = self._held, []
        for one in waiting:
            if one.written and one.session.behind <= self._committed:
                own, foreign = _parted(one.written, one.session)
                if foreign:
                    # Not to be missed: a resync begins with the last frame, and this may be an older one.
                    effects.append(Send((one.session,), messages.update(_merged(foreign)), droppable=False))
                if not own:
                    continue
                one.payload, one.written = messages.update(_merged(own)), ()
            self._held.append(one)
        return effects

    def from_log(self, seq: int, updates: Iterable[bytes], now: float) -> Effects:
        """Updates that somebody else committed: a save, a restore, another node."""
        effects: Effects = []
        for update in updates:
            if self._content.take(update, committed=True) == "changed":
                self.changed_since_start = self._gaps_stirred = True
                effects += self._pass_on(update, None, now)
        self.seq = max(self.seq, seq)
        return effects

    # -- other nodes -------------------------------------------------------------------------------------------------

    @property
    def state(self) -> bytes:
        """The document's state vector."""
        return self._content.state

    def present_here(self) -> tuple[Said, ...]:
        """The presences of this node's own clients."""
        return self._presences.ours()

    def hear_node(self, node: int, said: Iterable[Said], now: float, *, whole: bool) -> Effects:
        """Presences of another node's clients; `whole`: it has no others here."""
        return self._soon(now) if self._presences.hear_node(node, said, whole=whole) else []

    def forget_node(self, node: int) -> Effects:
        """Another node is gone, and everybody on it."""
        farewell = self._presences.forget_node(node)
        return [Send(tuple(self.sessions), farewell.payload)] if farewell is not None and self.sessions else []

    # -- quiet times -------------------------------------------------------------------------------------------------

    def rest(self, now: float) -> bool:
        """Nobody has written for a while, nothing waits: the document is kept as bytes until it is asked for again.

        Was it not already?
        """
        waits = self._outgoing or self._batch or self._held or self._gapped or self._doubts
        return now - self._last_flush >= REST_S and not waits and self._content.rest()

    # -- slow readers --------------------------------------------------------------------------------------------------

    def lag(self, session: Session) -> None:
        """Its buffer is full: this frame and all that follow are missed, and we remember what it has (R5).

        That is what had been sent before: the document holds what this very frame would have brought.
        """
        if session.lagging_since is None and session.synced:
            session.lagging_since = self._sent

    def resync(self, session: Session) -> Effects:
        """Its buffer has drained: one difference instead of all it missed."""
        since, session.lagging_since = session.lagging_since, None
        if since is None or session.gone:
            return []
        payload = messages.step_2(self._content.after(since))
        effects: Effects = [Send((session,), self._presences.missed(session))]
        if session.protocol is Protocol.YWS and self.uncommitted:
            # It may hold this client's own structs, and those it would take for acknowledged. What others write meanwhile
            # waits behind it, also while storage is away: pycrdt does not always take in what came before its turn.
            session.behind = self._ticket
            effects += self._hold(session, self._ticket, payload, self._last_flush)
        else:
            effects.append(Send((session,), payload))
        return effects

    # -- ends --------------------------------------------------------------------------------------------------------

    def part(self, session: Session, code: Close) -> Effects:
        """End a session for a reason of the shell's."""
        return self._part(session, code)

    def _part(self, session: Session, code: Close) -> Effects:
        if session.gone:
            return []
        return [*self.leave(session), Part(session, code)]


def _parted(gathered: Iterable[_Written], session: Session) -> tuple[list[bytes], list[bytes]]:
    """What a session wrote, and what others did."""
    own: list[bytes] = []
    foreign: list[bytes] = []
    for one in gathered:
        (own if one.origin is session else foreign).append(one.update)
    return own, foreign


def _merged(updates: Iterable[bytes]) -> bytes:
    waiting = list(updates)
    while len(waiting) > 1:
        waiting = [
            merge_updates(*waiting[at : at + MERGED_AT_ONCE])
            if len(waiting[at : at + MERGED_AT_ONCE]) > 1
            else waiting[at]
            for at in range(0, len(waiting), MERGED_AT_ONCE)
        ]
    return waiting[0]
