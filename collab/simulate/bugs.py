"""Bugs on purpose: rooms that break one promise each, to see that a simulated history finds it. Never part of a server.

Each is a mistake somebody made or could make, at the place where it would be made. Used by `colane simulate --plant` and the
tests.
"""

from collections.abc import Mapping
from typing import Final

from collab.content import Content
from collab.effects import Append
from collab.presence import News, Presences
from collab.room import Room
from collab.session import Session
from collab.simulate.node import MakeRoom


class _AcknowledgesEarly(Room):
    """Takes what was handed in for what is on disk, as servers do that store later (R1)."""

    def _log(self, session: Session, update: bytes, *, bind: bool) -> Append:
        append = super()._log(session, update, bind=bind)
        self._committed = self._ticket
        return append


class _Trusting(Content):
    """Believes that what came is there."""

    def _misses(self, update: bytes, state: bytes) -> bool:  # noqa: ARG002 -- it does not look
        return False


class _NeverMissesAnything(Room):
    """Logs and acknowledges what came, whether the document could take it in or not (R9)."""

    def __init__(self, updates: list[bytes], seq: int, retired: frozenset[int]) -> None:
        super().__init__(updates, seq, retired)
        self._content = _Trusting(updates, retired)


class _ForgetsOneFrame(Room):
    """A slow reader's difference begins with what it was about to be sent, and never was (R5). Ours, once."""

    def lag(self, session: Session) -> None:
        super().lag(session)
        if session.lagging_since is not None:
            session.lagging_since = self._known


class _Ghosts(Presences):
    """Remembers people who have left."""

    def forget(self, session: Session) -> News | None:  # noqa: ARG002 -- as it says
        return None


class _KeepsGhosts(Room):
    """Who leaves stays on everybody's canvas (R6)."""

    def __init__(self, updates: list[bytes], seq: int, retired: frozenset[int]) -> None:
        super().__init__(updates, seq, retired)
        self._presences = _Ghosts()


def _takes_old_replicas(updates: list[bytes], seq: int, _retired: frozenset[int]) -> Room:
    """Knows nothing of earlier epochs (R13)."""
    return Room(updates, seq)


BUGS: Final[Mapping[str, MakeRoom]] = {
    "ack-before-commit": _AcknowledgesEarly,
    "no-gap-test": _NeverMissesAnything,
    "dropped-delta": _ForgetsOneFrame,
    "stale-epoch": _takes_old_replicas,
    "ghost": _KeepsGhosts,
}
