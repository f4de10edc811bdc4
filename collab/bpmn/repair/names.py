"""Which strings XML takes as names and text; the same character classes in both languages.

Mirror of frontend/src/document/view/names.ts.
"""

import re
from functools import lru_cache
from typing import Final

_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_MORE = _START + "\\-.0-9\u00b7\u0300-\u036f\u203f\u2040"
NAME: Final = re.compile(f"[:{_START}][:{_MORE}]*")
NCNAME: Final = re.compile(f"[{_START}][{_MORE}]*")
QNAME: Final = re.compile(f"[{_START}][{_MORE}]*(:[{_START}][{_MORE}]*)?")
UNFIT: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
INTEGER: Final = re.compile("[+-]?[0-9]+")
NUMBER: Final = re.compile(r"([+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?|-?INF|NaN)")
SPACE: Final = " \t\n\r"


@lru_cache(4096)
def is_tag(tag: str) -> bool:
    """May a record be called so: an element's name, "#", "!" or "?target"?"""
    if tag in ("#", "!"):
        return True
    if tag.startswith("?"):
        return NAME.fullmatch(tag, 1) is not None and tag[1:].lower() != "xml"
    return NAME.fullmatch(tag) is not None


@lru_cache(4096)
def is_name(name: str) -> bool:
    """May an attribute be called so?"""
    return NAME.fullmatch(name) is not None


def fits(text: str) -> bool:
    """Can XML hold all of it? What can be printed it can, and that is quick to see."""
    return text.isprintable() or UNFIT.search(text) is None


def fit(text: str) -> str:
    """The text with what XML cannot hold replaced."""
    return text if text.isprintable() else UNFIT.sub("\ufffd", text)
