"""argon2id beside the event loop: it goes on while people sign in, few at a time, and the line has an end."""

import asyncio

import pytest
from argon2 import PasswordHasher

from api import passwords
from api.problems import Problem


async def test_the_loop_goes_on_while_a_password_is_hashed_and_checked() -> None:
    rounds = 0
    async with asyncio.TaskGroup() as group:
        made = group.create_task(passwords.hashed("correct horse battery"))
        while not made.done():
            await asyncio.sleep(0)
            rounds += 1
    assert rounds > 100, "a loop that is held turns once"
    assert made.result().startswith("$argon2id$")
    assert await passwords.matches(made.result(), "correct horse battery")
    assert not await passwords.matches(made.result(), "correct horse")
    assert not await passwords.matches(None, "nobody has this password"), "the stand-in is no account"


async def test_the_line_has_an_end_and_empties_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    monkeypatch.setattr(passwords, "_line", passwords._Line())  # one of this loop
    most = passwords.AT_ONCE + passwords.WAITING
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(passwords.hashed("one of many")) for _ in range(most)]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refused:
            await passwords.hashed("one too many")
        assert (refused.value.code, refused.value.headers["Retry-After"]) == ("rate_limited", "5")
    assert all(task.result() for task in tasks)
    assert await passwords.hashed("later")
