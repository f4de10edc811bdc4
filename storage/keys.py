"""One way to make the key of something that is kept under a name: in Redis, and in tables of this process.

Different parts give different keys, whatever is in them: each part carries its kind and its length. There are no patterns
and no parsing; a key is only ever made again and compared.
"""

from uuid import UUID

Part = str | int | UUID
PREFIX = b"colane:"


def key_of(*parts: Part) -> bytes:
    """The key of these parts in this order."""
    return PREFIX + b"".join(_part(part) for part in parts)


def _part(part: Part) -> bytes:
    if isinstance(part, UUID):
        return b"u" + part.bytes.hex().encode()
    if isinstance(part, int):
        return b"i%d;" % part
    text = part.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(text), text)
