"""Rates: which policies exist, who is counted, and the IETF headers that tell clients where they stand.

A user and an address are counted separately and both must pass; an address is allowed twenty times as much. Called by
api/dispatch.py for every limited route, and by sign-in for the account named in the body.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from api.problems import Problem
from api.telemetry import LIMITED
from storage.limiter import Limiter, Policy, Verdict
from storage.settings import Settings

ADDRESS_FACTOR = 20
SIGNIN_PER_ADDRESS = 60


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken for one request, to be given back when it turns out to be free."""

    slots: tuple[tuple[Policy, str], ...] = ()


@dataclass(slots=True)
class Limits:
    """The rates of this process. With `policies` empty there are none."""

    limiter: Limiter
    policies: Mapping[str, Policy] = field(default_factory=dict)

    def _slots(self, name: str, user: str | None, address: str) -> list[tuple[Policy, str]]:
        policy = self.policies.get(name)
        if policy is None:
            return []
        per_address = SIGNIN_PER_ADDRESS if name == "signin" else policy.quota * ADDRESS_FACTOR
        slots = [(Policy(f"{name}-address", per_address, policy.window_s), address)]
        return [(policy, user), *slots] if user is not None else slots

    def take(self, name: str, user: str | None, address: str) -> Taken:
        """Take one from the caller and from the address, or raise 429."""
        taken: list[tuple[Policy, str]] = []
        for policy, key in self._slots(name, user, address):
            verdict = self.limiter.take(policy, key)
            if not verdict.allowed:
                self.give_back(Taken(tuple(taken)))
                raise _refusal(policy, verdict)
            taken.append((policy, key))
        return Taken(tuple(taken))

    def take_account(self, account: str) -> None:
        """One attempt to sign in to this account, whoever makes it."""
        policy = self.policies.get("signin")
        if policy is not None:
            verdict = self.limiter.take(policy, account)
            if not verdict.allowed:
                raise _refusal(policy, verdict)

    def give_back(self, taken: Taken) -> None:
        for policy, key in taken.slots:
            self.limiter.give_back(policy, key)

    def headers(self, name: str, user: str | None, address: str) -> dict[str, str]:
        """RateLimit and RateLimit-Policy for the tightest policy that counts this caller."""
        slots = self._slots(name, user, address)
        if not slots:
            return {}
        policy, key = slots[0]
        verdict = self.limiter.peek(policy, key)
        return {
            "RateLimit": f'"{policy.name}";r={verdict.remaining};t={verdict.wait_s}',
            "RateLimit-Policy": f'"{policy.name}";q={policy.quota};w={policy.window_s}',
        }


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


def _refusal(policy: Policy, verdict: Verdict) -> Problem:
    LIMITED.labels(policy.name).inc()
    return Problem(
        "rate_limited",
        f"At most {policy.quota} in {policy.window_s} seconds. Try again in {verdict.wait_s} seconds.",
        headers={"Retry-After": str(max(1, verdict.wait_s))},
        members={"violated_policies": [policy.name]},
    )
