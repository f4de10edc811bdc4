"""One spelling for plain data in both languages: JSON, keys in the order of their bytes, no spaces.

Vectors compare it, quirks hash it. Numbers are left out of what is hashed: the two languages spell them differently.
Mirror of frontend/src/document/view/bytes.ts.
"""

import json
from typing import Any

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def text_of(value: Any) -> str:
    """Canonical JSON."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_as_javascript)


def _as_javascript(value: Any) -> Any:
    """Bytes, which a foreign client may write into a register, look like an object of numbers over there."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {str(place): byte for place, byte in enumerate(bytes(value))}
    raise TypeError(f"a {type(value).__name__} is no value of a register")


def digest(text: str) -> int:
    """FNV-1a over UTF-8, 32 bits: short names that both languages make alike. Not for secrets."""
    value = 0x811C9DC5
    for byte in text.encode("utf-8", "surrogatepass"):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def base36(number: int) -> str:
    """A number in the fewest letters that an id may hold."""
    made = ""
    while number:
        number, digit = divmod(number, 36)
        made = _DIGITS[digit] + made
    return made or "0"
