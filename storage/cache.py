"""What need not be read again: bytes under keys that say which version they are, so that nothing kept can be out of date.

Two caches of one shape: `LocalCache` in this process, `SharedCache` before Redis with one of those in front. Nothing is ever
changed under a key, so nothing has to be called back, after an outage of Redis either; what nobody asks for any more is
pushed out or runs out. Who may see a value is decided before the cache is asked. Called by api/cached.py. What when it is
full? The longest unused goes first; a value too large for its share is not kept.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Protocol

from storage.redis import AwayError, Redis

MOST_ENTRIES: Final = 20_000
SHARE: Final = 8  # one value takes this part of the room at most
ENTRY: Final = 200  # what an entry costs beside key and value
KEPT_S: Final = 3_600  # in Redis
LARGEST_SHARED: Final = 1024 * 1024


class Cache(Protocol):
    """Bytes by key; whatever was put may be gone."""

    async def get(self, key: bytes) -> bytes | None:
        """What was put under this key, if it is still here."""

    async def put(self, key: bytes, value: bytes) -> None:
        """Keep this for a while. A key always comes with the same value."""


@dataclass(slots=True)
class LocalCache:
    """In this process, within so many bytes; with 0 it keeps nothing."""

    most_bytes: int
    most_entries: int = MOST_ENTRIES
    bytes_held: int = 0
    held: OrderedDict[bytes, bytes] = field(default_factory=OrderedDict)

    async def get(self, key: bytes) -> bytes | None:
        value = self.held.get(key)
        if value is not None:
            self.held.move_to_end(key)
        return value

    async def put(self, key: bytes, value: bytes) -> None:
        if _size(key, value) > self.most_bytes // SHARE:
            return
        before = self.held.pop(key, None)
        if before is not None:
            self.bytes_held -= _size(key, before)
        self.held[key] = value
        self.bytes_held += _size(key, value)
        while self.bytes_held > self.most_bytes or len(self.held) > self.most_entries:
            self.bytes_held -= _size(*self.held.popitem(last=False))


def _size(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + ENTRY


@dataclass(slots=True)
class SharedCache:
    """In Redis for all nodes, with this process' own in front; that alone while Redis is away."""

    redis: Redis
    here: LocalCache

    async def get(self, key: bytes) -> bytes | None:
        value = await self.here.get(key)
        if value is not None:
            return value
        try:
            found = await self.redis.ask("GET", key)
        except AwayError:
            return None
        if not isinstance(found, bytes):
            return None
        await self.here.put(key, found)
        return found

    async def put(self, key: bytes, value: bytes) -> None:
        await self.here.put(key, value)
        if len(value) > LARGEST_SHARED:
            return
        try:
            await self.redis.ask("SET", key, value, "EX", KEPT_S)
        except AwayError:
            return  # it is read from the database again
