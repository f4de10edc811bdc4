"""Different things have different keys, whatever is in them: in the cache, in Redis, in locks, leases, cursors and ETags.

A key that two tenants share is one tenant's row in the other's answer. Each way to make one is tried with everything that
could run together: separators, lengths, patterns, numbers that look like words. A module that makes keys is listed here.
"""

import itertools
import re
from collections.abc import Callable, Iterable
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from api.answers import weak_etag
from api.app import TABLE
from api.call import Call
from api.keys import KeyUse
from api.limits import Limits, network
from api.paging import open_cursor, seal_cursor
from api.problems import Problem
from storage.access import Identity
from storage.bus import PREFIX
from storage.idempotency import Once
from storage.keys import key_of
from storage.limiter import LocalLimiter, Policy
from tests.conftest import ROOT

ONE, OTHER = UUID(int=0x61), UUID("00000000-0000-0000-0000-0000000000a1")
# What parts of keys are made of where somebody wants them to run together.
NASTY: tuple[Any, ...] = (
    "", ":", "a", "a:b", "b", "1", "s1:a", "i1;", "*", "\0", "\\", "é", "e\u0301", "\ud800", "people:", str(ONE), ONE, OTHER,
    1, -1, 11, 0,
)  # fmt: skip


def apart(made: Iterable[tuple[Any, Any]]) -> int:
    """Nothing shares a key; how many there are."""
    seen: dict[Any, Any] = {}
    for parts, key in made:
        assert seen.setdefault(key, parts) == parts, f"{parts} and {seen[key]} are both {key}"
    return len(seen)


def tuples(most: int) -> Iterable[tuple[Any, ...]]:
    for length in range(most + 1):
        yield from itertools.product(NASTY, repeat=length)


def test_parts_never_run_together() -> None:
    assert apart((parts, key_of(*parts)) for parts in tuples(3)) == sum(len(NASTY) ** n for n in range(4))


PARTS = st.lists(st.one_of(st.text(), st.integers(), st.uuids()), max_size=5)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(PARTS, PARTS)
def test_parts_never_run_together_whatever_they_are(one: list[Any], other: list[Any]) -> None:
    assert (key_of(*one) == key_of(*other)) == (one == other)


def test_an_idempotency_key_is_its_users_and_its_routes() -> None:
    words = [word for word in NASTY if isinstance(word, str) and "\ud800" not in word]
    made = [
        (parts, Once(parts[0], parts[1], parts[2], b"", _never)._number)
        for parts in itertools.product((ONE, OTHER), words, words)
    ]
    assert apart(made) == 2 * len(words) ** 2


async def _never(*_: Any) -> Any:
    raise AssertionError


def test_allowances_are_counted_apart() -> None:
    """A person, an address, an account and a link are never one another, whatever somebody says they are called."""
    limits = Limits(LocalLimiter(lambda: 0), {name: Policy(name, 10) for name in ("signin", "read", "read-address")})
    users = [str(ONE), str(OTHER), "1.2.3.4", None]
    addresses = ["1.2.3.4", "1.2.3.5", "2001:db8::1", str(ONE), ""]
    made: list[tuple[Any, Any]] = []
    for name in ("signin", "read"):
        for user, address in itertools.product(users, addresses):
            slots = limits._slots(name, user, address)
            told = (
                [("user", name, user), ("address", name, network(address))]
                if user
                else [("address", name, network(address))]
            )
            made += zip(told, [key_of("limit", policy.name, who) for policy, who in slots], strict=True)
    assert apart(made) == 2 * 3 + 2 * 5


async def test_accounts_are_counted_apart() -> None:
    limiter = LocalLimiter(lambda: 0)
    limits = Limits(limiter, {"signin": Policy("signin", 10)})
    for kind, name in itertools.product(
        ("person", "share link"), (str(ONE), "share link", f"share link:{ONE}", "person")
    ):
        before = len(limiter.whole_at)
        await limits.take_account(kind, name)
        assert len(limiter.whole_at) == before + 1, (kind, name)


def test_a_cursor_is_its_lists() -> None:
    """Of every pair of lists: what the one gave out, the other does not take."""
    lists: list[list[Any]] = [
        *([kind, one] for kind in ("versions", "mentions") for one in (ONE, OTHER)),
        *(["audit", one, diagram] for one in (ONE, OTHER) for diagram in (None, ONE, OTHER)),
        *(["element", one, element] for one in (ONE, OTHER) for element in NASTY if isinstance(element, str) and element != "\ud800"),
        *(["comments", one, element, done] for one in (ONE, OTHER) for element in (None, "", "null") for done in (None, True)),
        *([one, q, project, None, deleted] for one in (ONE, OTHER) for q in (None, "", "null", str(ONE))
          for project in (None, OTHER) for deleted in (True, False)),
    ]  # fmt: skip
    for given_out in lists:
        cursor = seal_cursor([1], given_out)
        assert open_cursor(cursor, given_out) == [1]
        for other in lists:
            if other is not given_out:
                with pytest.raises(Problem):
                    open_cursor(cursor, other)


def test_etags_do_not_run_together() -> None:
    words = [b"", b"a", b"ab", b"b", b"\0", bytes(8), b"\0\0\0\0\0\0\0\1a"]
    every = [parts for length in range(4) for parts in itertools.product(words, repeat=length)]
    assert apart((one, weak_etag(*one)) for one in every) == len(every)


def test_what_redis_holds_does_not_meet() -> None:
    """Values and allowances, tables of nodes, channels: each begins otherwise, and channels are no keys at all."""
    made = key_of("xml", ONE, OTHER, 1, "x")
    for parts in tuples(2):
        key = key_of(*parts)
        assert not key.startswith(PREFIX + b"people:")
        assert not key.startswith(PREFIX + b"node:")
    assert made.startswith(PREFIX)
    assert not set(b"*?[]") & set(key_of(ONE, 1)), "no pattern is in what we make ourselves"


def test_locks_on_diagrams_are_numbered_apart() -> None:
    """Each kind of advisory lock on a diagram has its own seed, or its own hash; two kinds of work never wait for each other."""
    seeds: dict[str, str] = {}
    for path in sources():
        for found in re.finditer(r"hashtextextended\((.*?), (\d+)\)\)", path.read_text()):
            assert seeds.setdefault(found[2], path.name) == path.name, (
                f"{path.name} and {seeds[found[2]]} use seed {found[2]}"
            )
    assert len(seeds) >= 2


def sources() -> Iterable[Any]:
    return (path for folder in ("storage", "api", "collab") for path in sorted((ROOT / folder).rglob("*.py")))


# Who makes keys of any kind, by what gives them away, and where the test of it is.
MAKERS: dict[str, tuple[Callable[[str], bool], set[str]]] = {
    "Redis": (
        lambda text: bool(re.search(r"from (storage\.(redis|bus)|redis)\b", text)),
        {"storage/redis.py", "storage/bus.py", "storage/limiter.py", "storage/cache.py", "collab/bus/relay.py",
         "api/resources.py", "api/telemetry.py"},
    ),
    "the cache": (lambda text: bool(re.search(r"\bcache\.(get|put)\(", text)), {"api/cached.py"}),
    "advisory locks": (
        lambda text: "advisory" in text and "xact_lock(" in text,
        {"storage/idempotency.py", "storage/outbox.py", "storage/readmodels.py", "storage/migrations/env.py"},
    ),
    "cursors": (
        lambda text: "seal_cursor(" in text,
        {"api/paging.py", "api/audit.py", "api/comments.py", "api/diagrams.py", "api/elements.py", "api/search.py",
         "api/versions.py"},
    ),
    "leases": (lambda text: "colane.leases" in text and "INSERT" in text, {"storage/folds.py"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", MAKERS)
def test_whoever_makes_keys_is_known(kind: str) -> None:
    gives_away, known = MAKERS[kind]
    found = {
        str(path.relative_to(ROOT))
        for path in sources()
        if "versions" not in path.parts and gives_away(path.read_text())
    }
    assert found <= known, (
        f"{sorted(found - known)}: keys of {kind} are made here. See that different things have different ones (storage/keys.py"
        " is for that), try it above, and add the file to MAKERS"
    )


def test_a_fingerprint_is_of_the_whole_request() -> None:
    """Method, path, query and body are told apart, wherever the one ends and the next begins."""
    (route,) = (one.endpoint for one in TABLE if (one.method, one.path) == ("POST", "/api/v1/diagrams"))
    who = Identity(ONE, "Ann", "ann@example.org", "#000000", "session", ONE)

    def fingerprint(method: str, path: str, query: str, body: str) -> bytes:
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
                 "headers": [(b"idempotency-key", b"k")], "scheme": "http", "server": ("colane", 80)}  # fmt: skip
        call = Call(Request(scope), cast("Any", None), cast("Any", None), "", "", identity=who)
        use = KeyUse.of(route, call, body.encode())
        assert use is not None
        return use.once.fingerprint

    words = ("", "a", "aa", "aaa")
    every = [(m, "/" + p, q, b) for m in ("POST", "POSTa") for p, q, b in itertools.product(words, repeat=3)]
    assert apart((one, fingerprint(*one)) for one in every) == len(every)
