"""Rate limits by GCRA: one number a key, the time at which the allowance would be whole again.

The in-process limiter, and the shape every limiter has. Called by api/limits.py with a clock of its own; a full table
first forgets what is whole again, then refuses to grow by dropping the keys that are nearest to whole.
"""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_KEYS = 100_000


@dataclass(frozen=True, slots=True)
class Policy:
    """So many in so many seconds, as a burst or spread out."""

    name: str
    quota: int
    window_s: int = 60

    @property
    def interval(self) -> float:
        return self.window_s / self.quota


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it passes, how many more would, and in how many seconds one more comes back."""

    allowed: bool
    remaining: int
    wait_s: int


@dataclass(slots=True)
class Limiter:
    """Allowances of this process."""

    clock: Callable[[], float]
    whole_at: dict[tuple[str, str], float] = field(default_factory=dict)

    def peek(self, policy: Policy, key: str) -> Verdict:
        """The state of an allowance, nothing taken."""
        now = self.clock()
        return self._verdict(policy, max(self.whole_at.get((policy.name, key), now), now), now, allowed=True)

    def take(self, policy: Policy, key: str) -> Verdict:
        """Take one, if there is one."""
        now = self.clock()
        full = max(self.whole_at.get((policy.name, key), now), now)
        if full + policy.interval > now + policy.window_s + 1e-9:
            return self._verdict(policy, full, now, allowed=False)
        if len(self.whole_at) >= MOST_KEYS:
            self._forget(now)
        self.whole_at[policy.name, key] = full + policy.interval
        return self._verdict(policy, full + policy.interval, now, allowed=True)

    def give_back(self, policy: Policy, key: str) -> None:
        """Return one that was taken for something free."""
        full = self.whole_at.get((policy.name, key))
        if full is not None:
            self.whole_at[policy.name, key] = full - policy.interval

    def _verdict(self, policy: Policy, full: float, now: float, *, allowed: bool) -> Verdict:
        used = (full - now) / policy.interval
        remaining = max(0, math.floor(policy.quota - used + 1e-9))
        # One more comes back when the used part falls to the next whole number.
        wait = (used - (policy.quota - remaining - 1)) * policy.interval if used > 0 else 0.0
        return Verdict(allowed, remaining, max(0, math.ceil(wait - 1e-9)))

    def _forget(self, now: float) -> None:
        for key in [key for key, full in self.whole_at.items() if full <= now]:
            del self.whole_at[key]
        if len(self.whole_at) >= MOST_KEYS:
            nearest = heapq.nsmallest(MOST_KEYS // 10, self.whole_at, key=self.whole_at.__getitem__)
            for key in nearest:
                del self.whole_at[key]
