"""The little of a Yjs update's inside that the room must know: who wrote it, and what it deletes. Pure.

Format (v1): the number of clients; for each the number of structs, the client, its first clock and the structs; then the
delete set: the number of clients; for each the client, the number of ranges, and ranges of (clock, length).
"""

from collab.wire.lib0 import Reader, WireError

Ranges = dict[int, list[tuple[int, int]]]
NOTHING = b"\x00\x00"


def author_of(update: bytes) -> int | None:
    """The Yjs client of an update that one client wrote; None for updates of none or of several."""
    reader = Reader(update)
    try:
        if reader.uint() != 1:
            return None
        reader.uint()
        return reader.uint()
    except WireError:
        return None


def has_structs(update: bytes) -> bool:
    """Does it bring anything but deletions?"""
    return update[:1] != b"\x00"


def deletions(update: bytes) -> Ranges:
    """The delete set of an update without structs. Raises WireError."""
    reader = Reader(update)
    if reader.uint() != 0:
        raise WireError("an update with structs")
    found: Ranges = {}
    for _ in range(reader.uint()):
        client = reader.uint()
        found[client] = [(reader.uint(), reader.uint()) for _ in range(reader.uint())]
    return found


def clocks(state: bytes) -> dict[int, int]:
    """A state vector as client -> clock. Raises WireError."""
    reader = Reader(state)
    return {reader.uint(): reader.uint() for _ in range(reader.uint())}


def known(deleted: Ranges, state: dict[int, int]) -> bool:
    """Are all deletions of things that this state has?"""
    return all(clock + length <= state.get(client, 0) for client, ranges in deleted.items() for clock, length in ranges)


def covered(deleted: Ranges, by: Ranges) -> bool:
    """Is everything here deleted there already? Ranges there are sorted and apart, as Yjs writes them."""
    for client, ranges in deleted.items():
        have = by.get(client, [])
        for clock, length in ranges:
            if not any(start <= clock and clock + length <= start + run for start, run in have):
                return False
    return True


def joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges sorted, those that touch as one."""
    found: list[tuple[int, int]] = []
    for clock, length in sorted(ranges):
        if found and clock <= found[-1][0] + found[-1][1]:
            start, run = found[-1]
            found[-1] = (start, max(run, clock + length - start))
        else:
            found.append((clock, length))
    return found
