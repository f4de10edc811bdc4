"""Why a socket is closed. One table; collab/SPEC.md shows the same, and a test compares them.

4400-4499: do not come back as you are. 4500-4599, 1012, 1013: come back after a while.
"""

from enum import IntEnum


class Close(IntEnum):
    """Close codes we send; the words are the reason on the wire."""

    MALFORMED = 4400
    SIGNED_OUT = 4401
    NO_RIGHT = 4403
    GONE = 4404
    EPOCH = 4409
    TOO_LARGE = 4413
    DRAINING = 4500
    OVERLOADED = 4501
    STORAGE = 4503
    FRAME_TOO_LARGE = 1009
    SLOW = 1013

    @property
    def reason(self) -> str:
        """Plain words, short enough for a close frame."""
        return _REASONS[self]


_REASONS = {
    Close.MALFORMED: "a message that cannot be read",
    Close.SIGNED_OUT: "signed out, or the credential has expired",
    Close.NO_RIGHT: "no right to do this",
    Close.GONE: "the diagram is gone",
    Close.EPOCH: "the document has begun a new life: fetch it anew",
    Close.TOO_LARGE: "the update or the document is too large",
    Close.DRAINING: "the server is restarting: come back soon",
    Close.OVERLOADED: "too many connections: come back later",
    Close.STORAGE: "storage is not available: come back later",
    Close.FRAME_TOO_LARGE: "the frame is too large",
    Close.SLOW: "too slow to keep up: come back",
}
