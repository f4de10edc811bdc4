"""Passwords: argon2id in a thread, and the same time spent for accounts that do not exist."""

import asyncio
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher()
_AT_ONCE = asyncio.Semaphore(4)  # each hash takes 64 MiB and a core for about 90 ms


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
    async with _AT_ONCE:
        return await asyncio.to_thread(_HASHER.hash, password)


async def matches(stored: str | None, password: str) -> bool:
    """Whether it is the password; `None` stands for an account that does not exist and takes as long."""
    async with _AT_ONCE:
        return await asyncio.to_thread(_verify, stored, password)
