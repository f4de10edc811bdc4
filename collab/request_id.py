"""The name of one request or one socket, on every log line of it and in what it leaves behind (outbox, audit).

Taken from X-Request-Id when it is fit to be written down, else made. Called by both doors.
"""

import re
from typing import Final

import uuid_utils.compat as uuids

HEADER: Final = "X-Request-Id"
_FIT: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")


def request_id(given: str | None) -> str:
    """What the client sent, or a new one where that is nothing we would repeat."""
    return given if given is not None and _FIT.fullmatch(given) else str(uuids.uuid7())
