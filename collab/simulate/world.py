"""Time, chance and what happened: all of one history that is neither program nor fault. A seed gives all of it again.

Whatever takes time in a history is put on the agenda; nothing else moves the clock. A process may be struck down in the
middle of anything: it raises Struck, and the agenda goes on without it. Used by every other file here.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from typing import Final

TOLD: Final = 4_000  # lines of a history that are kept


class Struck(Exception):  # noqa: N818 -- no error: an event
    """The process that was at work is gone, between any two of its steps."""


class Violation(AssertionError):  # noqa: N818
    """Something promised did not hold. `rule` is that of collab/SPEC.md, or a word for it."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule, self.detail = rule, detail


class World:
    """The clock in seconds, the agenda, the dice, and the story so far."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311 -- to be had again
        self.now = 0.0
        self.story: deque[str] = deque(maxlen=TOLD)
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []

    def tell(self, who: str, what: str) -> None:
        """One line of the history."""
        self.story.append(f"{self.now:9.3f}  {who:<8} {what}")

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Puts something on the agenda."""
        heapq.heappush(self._agenda, (self.now + max(0.0, seconds), next(self._order), what))

    def soon(self, most: float, what: Callable[[], None]) -> None:
        """The same, after any time up to `most` seconds."""
        self.later(self.rng.random() * most, what)

    def chance(self, share: float) -> bool:
        """Does it happen?"""
        return self.rng.random() < share

    def run(self, seconds: float) -> None:
        """Lets time pass, and everything happen that is due in it."""
        end = self.now + seconds
        while self._agenda and self._agenda[0][0] <= end:
            when, _, what = heapq.heappop(self._agenda)
            self.now = max(self.now, when)
            try:
                what()
            except Struck:
                continue
        self.now = end
