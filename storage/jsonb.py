"""What goes into a jsonb column, whatever it was before.

Documents hold what any client wrote, and PostgreSQL refuses some of it: NUL in text, numbers that are none, bytes. Such a
value must never keep a fold or a version from being written, so it is spelled as near as JSON can.
"""

import json
import math
from decimal import Decimal
from typing import Any, Final

_REPLACEMENT = "\ufffd"
_SPELLED_OUT: Final = 1e16  # from here on Python writes 1e+16


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
    if isinstance(value, float) and math.isfinite(value):
        return _number(value)
    if value is None or isinstance(value, int):
        return value
    return clean(str(value))


def _number(value: float) -> float | int:
    """As it is read back: a column knows no negative zero, and spells large numbers out."""
    return int(Decimal(repr(value))) if abs(value) >= _SPELLED_OUT else value + 0.0


def clean(text: str) -> str:
    """Text that a column can hold: without NUL and without halves of characters."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", _REPLACEMENT).encode("utf-8", "replace").decode("utf-8")
