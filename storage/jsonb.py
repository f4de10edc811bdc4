"""What goes into a jsonb column, whatever it was before.

Documents hold what any client wrote, and PostgreSQL refuses some of it: NUL in text, numbers that are none, bytes. Such a
value must never keep a fold or a version from being written, so it is spelled as near as JSON can.
"""

import json
import math
from typing import Any

_REPLACEMENT = "\ufffd"


def text_of(value: Any) -> str:
    """JSON that PostgreSQL takes."""
    return json.dumps(plain(value), ensure_ascii=False)


def plain(value: Any) -> Any:
    """The same value in what JSON and PostgreSQL can hold; anything unknown as its text."""
    if isinstance(value, dict):
        return {clean(str(key)): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return clean(str(value))


def clean(text: str) -> str:
    """Text that a column can hold: without NUL and without halves of characters."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", _REPLACEMENT).encode("utf-8", "replace").decode("utf-8")
