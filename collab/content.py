"""The document of a room: whole updates and nothing else. Sans I/O; pycrdt is asked here.

True at every moment: it holds what was taken in, all of it; nothing half-read, nothing that waits for its dependencies
(R9), nothing that an earlier epoch began with (R13). Used by room.py.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Literal, TypeVar

from pycrdt import Doc, Subscription, TransactionEvent, get_update

from collab.wire import structs
from collab.wire.lib0 import WireError

T = TypeVar("T")
Outcome = Literal["changed", "nothing", "gap"]

KEPT_APPLIED: Final = 1_000  # applied updates kept for a rebuild, before they are folded into one
KEPT_MOST: Final = 1024 * 1024  # bytes of them, or as many as the document has: what is overwritten soon does not count
KEPT_BYTES: Final = 256  # and one more for so many bytes of the document, whose folding costs that much more
RESTS_MOST: Final = 256 * 1024  # larger documents do not rest: to wake one would hold up the loop


class OldError(Exception):
    """An update of an earlier epoch."""


class _Ear:
    """Keeps what a transaction changed."""

    __slots__ = ("heard",)

    def __init__(self) -> None:
        self.heard = structs.NOTHING

    def __call__(self, event: TransactionEvent) -> None:
        # Called inside the transaction: take the bytes, touch nothing.
        self.heard = event.update


class Content:
    """`retired` are the Yjs clients that began earlier epochs: whatever knows one of them is old."""

    def __init__(self, updates: Sequence[bytes], retired: Collection[int]) -> None:
        self.retired = frozenset(retired)
        self.size = self._base_size = sum(map(len, updates))
        self._base: list[bytes] = list(updates)
        self._applied: list[bytes] = []
        self._ear = _Ear()
        self._clocks: dict[int, int] = {}
        self._awake: Doc[Any] | None = None
        self._subscription: Subscription | None = None
        self._state = b""  # while it rests
        self._rebuild()

    # -- what there is -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> bytes:
        """The state vector."""
        return self._state if self._awake is None else self._awake.get_state()

    @property
    def clocks(self) -> dict[int, int]:
        """The same, by client."""
        return structs.clocks(self.state)

    @property
    def whole(self) -> bytes:
        """The whole state as an update, encoded once for all who ask before it changes."""
        # As loaded it is encoded already: opening a large diagram holds the loop for a quarter less time.
        if self._applied or len(self._base) != 1:
            self._fold_all()
        return self._base[0]

    def after(self, state: bytes) -> bytes:
        """What a document with this state vector lacks. Raises WireError."""
        return self.whole if state == b"\x00" else _decoded(lambda: self._doc.get_update(state))

    def lacks(self, update: bytes) -> bool:
        """Would this add something? Raises WireError."""
        state = self.state
        rest = _decoded(lambda: get_update(update, state))
        if structs.has_structs(rest) or rest == structs.NOTHING:
            return rest != structs.NOTHING
        mine = get_update(self.whole, state) if self._awake is None else self._awake.get_update(state)
        return not structs.covered(structs.deletions(rest), structs.deletions(mine))

    def is_old(self, clocks: Collection[int]) -> bool:
        """Does somebody who knows these clients have an old replica?"""
        return not self.retired.isdisjoint(clocks)

    # -- what comes --------------------------------------------------------------------------------------------------

    @property
    def heard(self) -> bytes:
        """What was taken in last brought, without what was there before."""
        return self._ear.heard

    def take(self, update: bytes, *, committed: bool = False) -> Outcome:
        """Takes in a whole update, or leaves no trace of it. Raises WireError for bytes that are none, OldError."""
        if self._awake is None and not self.lacks(update):
            return "nothing"  # as all answer our step 1 who have nothing of their own
        self._ear.heard = structs.NOTHING
        try:
            _decoded(lambda: self._doc.apply_update(update))
        except WireError:
            self._rebuild()
            raise
        if self.retired and not committed and self._brought_old(update):
            self._rebuild()
            raise OldError
        # Where it brought what it says to the letter, nothing of it is missing: so it is with nearly all that is written.
        if self._ear.heard != update and self._misses(update, self._doc.get_state()):
            self._rebuild()
            return "gap"
        if self._ear.heard == structs.NOTHING:
            return "nothing"
        self._keep(update)
        self._fold()
        return "changed"

    def take_all(self, updates: Sequence[bytes]) -> list[bool] | None:
        """Takes in whole updates as one: which of them brought something? None, and no trace, if any must not be in it."""
        if self.retired:
            return None
        self._ear.heard = structs.NOTHING
        before = self._doc.get_state()
        try:
            with self._doc.transaction():
                for update in updates:
                    _decoded(lambda update=update: self._doc.apply_update(update))  # type: ignore[misc]
        except WireError:
            self._rebuild()
            return None
        state = self._doc.get_state()
        if any(self._misses(update, state) for update in updates):
            self._rebuild()
            return None
        fresh = [get_update(update, before) != structs.NOTHING for update in updates]
        for update, brought in zip(updates, fresh, strict=True):
            if brought:
                self._keep(update)
        self._fold()
        return fresh

    def take_together(self, updates: Sequence[bytes]) -> list[Outcome]:
        """The same for updates that had a gap before: those that still do cost one new document in all."""
        before = self._doc.get_state()
        for update in updates:
            self._doc.apply_update(update)
        outcomes: list[Outcome] = []
        state = self._doc.get_state()
        for update in updates:
            if self._misses(update, state) or (self.retired and self._brought_old(update)):
                outcomes.append("gap")
            elif get_update(update, before) == structs.NOTHING:
                outcomes.append("nothing")
            else:
                outcomes.append("changed")
                self._keep(update)
        if "gap" in outcomes:
            self._rebuild()
        return outcomes

    def _keep(self, update: bytes) -> None:
        self._applied.append(update)
        self.size += len(update)

    def _fold(self) -> None:
        base = self._base_size
        if len(self._applied) >= KEPT_APPLIED + base // KEPT_BYTES or self.size - base > max(base, KEPT_MOST):
            self._fold_all()

    def _fold_all(self) -> None:
        self._base, self._applied = [self._doc.get_update()], []
        self.size = self._base_size = len(self._base[0])

    def _brought_old(self, update: bytes) -> bool:
        """Did an update that was just applied bring what an earlier epoch began with?"""
        author = structs.author_of(update)
        if author is not None:
            return author in self.retired
        return structs.has_structs(update) and self.is_old(self.clocks)

    def _misses(self, update: bytes, state: bytes) -> bool:
        """Is something of an update that was just applied not in the document, because what it depends on is missing?"""
        rest = get_update(update, state)
        return structs.has_structs(rest) or (rest != structs.NOTHING and not self._has(structs.deletions(rest)))

    def _has(self, deleted: structs.Ranges) -> bool:
        """Does it have all that is deleted here? Clocks only rise: what was read of them before mostly says so."""
        if not structs.known(deleted, self._clocks):
            self._clocks = self.clocks
        return structs.known(deleted, self._clocks)

    def rest(self) -> bool:
        """Nobody writes just now: what it holds is kept as bytes, a tenth of what it takes to be written to.

        Was it not already?
        """
        if self._awake is None or self.size > RESTS_MOST:
            return False
        self._state, self._base = self.state, [self.whole]
        self._let_go()
        return True

    @property
    def awake(self) -> bool:
        """Is it there to be written to?"""
        return self._awake is not None

    @property
    def _doc(self) -> Doc[Any]:
        return self._wake() if self._awake is None else self._awake

    def _wake(self) -> Doc[Any]:
        doc: Doc[Any] = Doc()
        with doc.transaction():
            for update in (*self._base, *self._applied):
                doc.apply_update(update)
        self._awake, self._subscription = doc, doc.observe(self._ear)
        return doc

    def _let_go(self) -> None:
        # A pycrdt document that is observed holds itself, where Python sees no circle to collect.
        if self._awake is not None and self._subscription is not None:
            self._awake.unobserve(self._subscription)
        self._awake = self._subscription = None

    def __del__(self) -> None:
        self._let_go()

    def _rebuild(self) -> None:
        """From what was taken in whole; the only way back from an update that must not be in it."""
        self._let_go()
        self._clocks = {}  # what the old one held half-read does not count
        self._wake()


def _decoded(read: Callable[[], T]) -> T:
    """Runs pycrdt on a client's bytes: the one place where its panics, which are no Exceptions, are caught."""
    try:
        return read()
    except Exception as error:
        raise WireError("an update that cannot be decoded") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise WireError("an update that cannot be decoded") from None
