"""Rates: which policies exist, who is counted, and the IETF headers that tell clients where they stand.

A user and an address are counted separately and both must pass; an address is allowed twenty times as much, and all of an
IPv6 network of 64 bits is one address. Called by api/dispatch.py for every limited route, and by sign-in for the account
named in the body.
"""

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from api.problems import Problem
from api.telemetry import LIMITED
from storage.keys import key_of
from storage.limiter import Limiter, Policy, Slot, Verdict
from storage.settings import Settings

ADDRESS_FACTOR = 20
SIGNIN_PER_ADDRESS = 60


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken for one request, to be given back when it turns out to be free, and how things stand since."""

    slots: tuple[Slot, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


@dataclass(slots=True)
class Limits:
    """The rates of this server. With `policies` empty there are none."""

    limiter: Limiter
    policies: Mapping[str, Policy] = field(default_factory=dict)

    def _slots(self, name: str, user: str | None, address: str) -> list[Slot]:
        policy = self.policies.get(name)
        if policy is None:
            return []
        per_address = SIGNIN_PER_ADDRESS if name == "signin" else policy.quota * ADDRESS_FACTOR
        slots = [(Policy(f"{name}-address", per_address, policy.window_s), network(address))]
        return [(policy, user), *slots] if user is not None else slots

    async def take(self, name: str, user: str | None, address: str) -> Taken:
        """Take one from the caller and from the address, or raise 429 and take none."""
        return await self._take(self._slots(name, user, address))

    async def take_account(self, kind: str, account: str) -> None:
        """One attempt at the password of this account, or whatever else has one, whoever makes it."""
        policy = self.policies.get("signin")
        if policy is not None:
            await self._take([(policy, hashlib.sha256(key_of(kind, account)).hexdigest())])

    async def _take(self, slots: Sequence[Slot]) -> Taken:
        taken = Taken(tuple(slots), tuple(await self.limiter.take(slots)) if slots else ())
        if not all(verdict.allowed for verdict in taken.verdicts):
            raise _refusal(taken)
        return taken

    async def give_back(self, taken: Taken) -> Taken:
        """It was free; how things stand now."""
        return Taken(taken.slots, tuple(await self.limiter.give_back(taken.slots))) if taken.slots else taken

    async def standing(self, name: str, user: str | None, address: str) -> Taken:
        """How the caller stands, nothing taken: for answers that ended before anything was."""
        slots = self._slots(name, user, address)
        return Taken(tuple(slots), tuple(await self.limiter.peek(slots)) if slots else ())


def headers(taken: Taken) -> dict[str, str]:
    """RateLimit and RateLimit-Policy: the policy that counts the caller, and the address' too when that is used up."""
    pairs = list(zip(taken.slots, taken.verdicts, strict=True))
    shown = pairs[:1] + [(slot, one) for slot, one in pairs[1:] if one.remaining == 0]
    if not shown:
        return {}
    return {
        "RateLimit": ", ".join(f'"{slot[0].name}";r={one.remaining};t={one.wait_s}' for slot, one in shown),
        "RateLimit-Policy": ", ".join(f'"{slot[0].name}";q={slot[0].quota};w={slot[0].window_s}' for slot, _ in shown),
    }


def network(address: str) -> str:
    """Who counts as one address: an IPv4 address, or the IPv6 network that a single customer has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))


def policies(settings: Settings) -> dict[str, Policy]:
    """The rates a server is set up with."""
    if settings.limits == "off":
        return {}
    quotas = {
        "save": settings.limit_save,
        "create": settings.limit_create,
        "write": settings.limit_write,
        "read": settings.limit_read,
        "ai": settings.limit_ai,
        "signin": settings.limit_signin,
    }
    return {name: Policy(name, quota) for name, quota in quotas.items()}


def _refusal(taken: Taken) -> Problem:
    refused = [(slot[0], one) for slot, one in zip(taken.slots, taken.verdicts, strict=True) if not one.allowed]
    for policy, _ in refused:
        LIMITED.labels(policy.name).inc()
    policy, longest = max(refused, key=lambda pair: pair[1].wait_s)
    wait = max(1, longest.wait_s)
    return Problem(
        "rate_limited",
        f"At most {policy.quota} in {policy.window_s} seconds. Try again in {wait} seconds.",
        headers={**headers(taken), "Retry-After": str(wait)},
        members={"violated_policies": [policy.name for policy, _ in refused]},
    )
