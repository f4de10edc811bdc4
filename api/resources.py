"""What the routes need, opened by the composition root and closed by it. Nothing here is global.

`Health` is the cached answer of /readyz, written by the background probe in api/health.py.
"""

from dataclasses import dataclass, field

from collab.journal import Journal
from collab.rooms import Rooms
from collab.workshop import Workshop
from storage.audit.refusals import Refusals
from storage.cache import Cache
from storage.database import Database
from storage.limiter import Limiter
from storage.notices import Notices
from storage.redis import Redis
from storage.settings import Settings
from storage.updates import UpdateLog


@dataclass(slots=True)
class Health:
    """What is known about the parts we depend on; `reasons` name what is degraded, `draining` ends readiness."""

    ready: bool = False
    draining: bool = False
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resources:
    """Open connections and settings, shared by all requests of this process."""

    settings: Settings
    db: Database
    log: UpdateLog
    workshop: Workshop
    rooms: Rooms
    notices: Notices
    journal: Journal
    health: Health
    limiter: Limiter
    cache: Cache
    refusals: Refusals
    redis: Redis | None = None
