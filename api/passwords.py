"""Passwords: argon2id in a thread, and the same time spent for accounts that do not exist.

A few at a time, the others wait in a line; when that is full, whoever comes is told to come again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.problems import Problem

AT_ONCE: Final = (
    2  # each hash takes 64 MiB and four threads; more at once are no quicker, and the loop is late more often
)
WAITING: Final = 60

_HASHER = PasswordHasher()


@dataclass(slots=True)
class _Line:
    here: int = 0
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @asynccontextmanager
    async def stand(self) -> AsyncIterator[None]:
        if self.here >= AT_ONCE + WAITING:
            raise Problem("rate_limited", "Many people are signing in at this moment.", headers={"Retry-After": "5"})
        self.here += 1
        try:
            async with self.turn:
                yield
        finally:
            self.here -= 1


_line = _Line()


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody has this password")


def _verify(stored: str | None, password: str) -> bool:
    try:
        return _HASHER.verify(stored or _nobodys(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


async def hashed(password: str) -> str:
    """The hash to store."""
    async with _line.stand():
        return await asyncio.to_thread(_HASHER.hash, password)


async def matches(stored: str | None, password: str) -> bool:
    """Whether it is the password; `None` stands for an account that does not exist and takes as long."""
    async with _line.stand():
        return await asyncio.to_thread(_verify, stored, password)
