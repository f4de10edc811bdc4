"""Fractional indices: the place of a child among its siblings, as text that sorts by its bytes.

The same alphabet and form as the npm package `fractional-indexing`, which the browser uses to find a place between two:
a letter that says how many digits follow, then those digits in base 62.
"""

from typing import Final

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def nth(number: int) -> str:
    """The index of the n-th child of a fresh parent (0 -> "a0", 62 -> "b00"); increasing, by bytes too."""
    width = 1
    while number >= 62**width:
        number -= 62**width
        width += 1
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return chr(ord("a") + width - 1) + digits


def after(index: str) -> str:
    """An index greater than `index`, for a child that comes last."""
    head, digits = index[0], index[1:]
    if head < "a":
        return "a0"
    width = ord(head) - ord("a") + 1
    if 1 <= width <= 26 and len(digits) >= width:
        whole = digits[:width]
        bumped = _increment(whole)
        if bumped is not None:
            return head + bumped
        if width < 26:
            return chr(ord(head) + 1) + "0" * (width + 1)
    return index + "V"


def _increment(digits: str) -> str | None:
    at = len(digits) - 1
    while at >= 0:
        if digits[at] != "z":
            return digits[:at] + _DIGITS[_DIGITS.index(digits[at]) + 1] + "0" * (len(digits) - at - 1)
        at -= 1
    return None


def between(low: str, high: str) -> str:
    """An index strictly between two. Raises ValueError when `low` is not smaller than `high`."""
    if low >= high:
        raise ValueError(f"{low!r} is not before {high!r}")
    candidate = after(low)
    if candidate < high:
        return candidate
    # No whole step fits: go one digit deeper behind `low`, staying under `high`.
    tail = high[len(low) :] if high.startswith(low) else ""
    return low + (_half(tail) if tail else "V")


def before(index: str) -> str:
    """An index smaller than `index`, for a child that comes first."""
    head = index[0]
    if head >= "a":
        return "Zz"
    width = ord("Z") - ord(head) + 1
    digits = index[1 : 1 + width]
    at = width - 1
    while at >= 0:
        if digits[at] != "0":
            return head + digits[:at] + _DIGITS[_DIGITS.index(digits[at]) - 1] + "z" * (width - at - 1)
        at -= 1
    return chr(ord(head) - 1) + "z" * (width + 1)


def _half(high: str) -> str:
    """A non-empty digit string greater than "" and smaller than `high`, not ending in 0."""
    lead = 0
    while lead < len(high) and high[lead] == "0":
        lead += 1
    if lead == len(high):
        raise ValueError("no room before an index of zeros only")
    digit = _DIGITS.index(high[lead])
    if digit > 1:
        return high[:lead] + _DIGITS[digit // 2]
    return high[:lead] + "0V"
