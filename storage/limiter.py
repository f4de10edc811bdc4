"""Rate limits by GCRA: one number a key, the time at which the allowance would be whole again.

Two limiters of one shape: `LocalLimiter` in this process, `SharedLimiter` in Redis for all nodes together. Times are whole
microseconds in both, so both come to the same verdicts. A request takes from all its slots or from none. While Redis is
away the shared one counts here, on top of what it last heard, and says so to Redis when that is back, however empty: an
outage gives nobody a new allowance on the same node. Called by api/limits.py. What when the table here is full? It first
forgets what is whole again, then the keys that are nearest to whole.
"""

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from storage.keys import key_of
from storage.redis import AwayError, Redis

MOST_KEYS: Final = 100_000
SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Policy:
    """So many in so many seconds, as a burst or spread out."""

    name: str
    quota: int
    window_s: int = 60

    @property
    def interval(self) -> int:
        """Microseconds in which one comes back."""
        return self.window_s * SECOND // self.quota


Slot = tuple[Policy, str]  # an allowance: a policy, and who is counted


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it passes, how many more would, and in how many seconds one more comes back."""

    allowed: bool
    remaining: int
    wait_s: int


class Limiter(Protocol):
    """Allowances, wherever they are kept; one verdict a slot."""

    async def take(self, slots: Sequence[Slot]) -> list[Verdict]:
        """Take one from each, or from none when one of them has none left."""

    async def peek(self, slots: Sequence[Slot]) -> list[Verdict]:
        """How they stand, nothing taken."""

    async def give_back(self, slots: Sequence[Slot]) -> list[Verdict]:
        """Return one to each, for something that turned out to be free."""


def verdict(policy: Policy, full: int, now: int, *, allowed: bool) -> Verdict:
    """What it means that an allowance is whole at `full`."""
    used, interval = max(0, full - now), policy.interval
    remaining = max(0, policy.quota - -(-used // interval))
    wait = used - (policy.quota - remaining - 1) * interval if used else 0
    return Verdict(allowed, remaining, max(0, -(-wait // SECOND)))


def _now() -> int:
    return time.monotonic_ns() // 1_000


@dataclass(slots=True)
class LocalLimiter:
    """Allowances of this process."""

    clock: Callable[[], int] = _now  # microseconds
    whole_at: dict[Slot, int] = field(default_factory=dict)

    async def take(self, slots: Sequence[Slot]) -> list[Verdict]:
        return self.change(slots, 1)

    async def peek(self, slots: Sequence[Slot]) -> list[Verdict]:
        return self.change(slots, 0)

    async def give_back(self, slots: Sequence[Slot]) -> list[Verdict]:
        return self.change(slots, -1)

    def change(self, slots: Sequence[Slot], by: int) -> list[Verdict]:
        """The same steps as the script below."""
        now = self.clock()
        full = [max(self.whole_at.get(slot, now), now) for slot in slots]
        fits = [by < 1 or at + slot[0].interval <= now + slot[0].quota * slot[0].interval
                for slot, at in zip(slots, full, strict=True)]  # fmt: skip
        if all(fits) and by:
            full = [at + by * slot[0].interval for slot, at in zip(slots, full, strict=True)]
            for slot, at in zip(slots, full, strict=True):
                self.learn(slot, at - now)
        return [verdict(slot[0], at, now, allowed=ok) for slot, at, ok in zip(slots, full, fits, strict=True)]

    def learn(self, slot: Slot, ahead: int) -> None:
        """An allowance is whole after so many microseconds."""
        if ahead <= 0:
            self.whole_at.pop(slot, None)
            return
        now = self.clock()
        if slot not in self.whole_at and len(self.whole_at) >= MOST_KEYS:
            self._forget(now)
        self.whole_at[slot] = now + ahead

    def ahead(self, slot: Slot) -> int:
        """Microseconds until an allowance is whole."""
        return max(0, self.whole_at.get(slot, 0) - self.clock())

    def _forget(self, now: int) -> None:
        for slot in [slot for slot, full in self.whole_at.items() if full <= now]:
            del self.whole_at[slot]
        if len(self.whole_at) >= MOST_KEYS:
            for slot in heapq.nsmallest(MOST_KEYS // 10, self.whole_at, key=self.whole_at.__getitem__):
                del self.whole_at[slot]


# KEYS: one a slot. ARGV: how many are taken (1, 0, -1), then for each slot its interval, its quota, and how far ahead of now
# it is whole for all that the asking node knows. Answers: now, then for each slot when it is whole and whether it fits.
_SCRIPT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local by = tonumber(ARGV[1])
local full, fits, all_fit = {}, {}, true
for i, key in ipairs(KEYS) do
  local interval, quota, known = tonumber(ARGV[3*i-1]), tonumber(ARGV[3*i]), tonumber(ARGV[3*i+1])
  full[i] = math.max(now + known, tonumber(redis.call('GET', key) or '0'))
  fits[i] = by < 1 or full[i] + interval <= now + quota * interval
  all_fit = all_fit and fits[i]
end
local answer = {now}
for i, key in ipairs(KEYS) do
  local known = tonumber(ARGV[3*i+1])
  if all_fit then full[i] = full[i] + by * tonumber(ARGV[3*i-1]) end
  if full[i] <= now then
    redis.call('DEL', key)
  elseif (all_fit and by ~= 0) or known > 0 then
    redis.call('SET', key, string.format('%.0f', full[i]), 'PX', math.ceil((full[i] - now) / 1000))
  end
  answer[2*i], answer[2*i+1] = full[i], fits[i] and 1 or 0
end
return answer
"""


@dataclass(slots=True)
class SharedLimiter:
    """Allowances of all nodes together, in Redis; of this process alone while Redis is away."""

    redis: Redis
    here: LocalLimiter = field(default_factory=LocalLimiter)
    _losses: int = 0
    _untold: set[Slot] = field(default_factory=set)  # what Redis may have forgotten

    async def take(self, slots: Sequence[Slot]) -> list[Verdict]:
        return await self._change(slots, 1)

    async def peek(self, slots: Sequence[Slot]) -> list[Verdict]:
        return await self._change(slots, 0)

    async def give_back(self, slots: Sequence[Slot]) -> list[Verdict]:
        return await self._change(slots, -1)

    async def _change(self, slots: Sequence[Slot], by: int) -> list[Verdict]:
        if self._losses != self.redis.losses:
            self._losses, self._untold = self.redis.losses, set(self.here.whole_at)
        known = [self.here.ahead(slot) if slot in self._untold else 0 for slot in slots]
        numbers = [n for slot, ahead in zip(slots, known, strict=True)
                   for n in (slot[0].interval, slot[0].quota, ahead)]  # fmt: skip
        keys = [key_of("limit", policy.name, who) for policy, who in slots]
        try:
            now, *answer = await self.redis.ask("EVAL", _SCRIPT, len(keys), *keys, by, *numbers)
        except AwayError:
            self._untold.update(slots)
            if len(self._untold) > MOST_KEYS:
                self._untold &= self.here.whole_at.keys()
            return self.here.change(slots, by)
        self._untold.difference_update(slots)
        for slot, full in zip(slots, answer[::2], strict=True):
            self.here.learn(slot, full - now)
        return [verdict(slot[0], full, now, allowed=bool(fits))
                for slot, full, fits in zip(slots, answer[::2], answer[1::2], strict=True)]  # fmt: skip
