"""Words as search compares them: without case and accents, and by their stems in German and English.

The same function makes the index, the query and the highlights, so what is found can always be shown. A word has several
forms: as it is written without its accents, with "ue" for "ü", and its stems (marked with "="). A query's word finds what
begins like it, or has a stem in common with it. Every word is kept: there are no stop words. What goes into the index
begins with the owner's tag: one index serves all tenants, and the list behind a word is one tenant's. Pure.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

import snowballstemmer

QUERY_WORDS: Final = 12  # of a query; the rest is not looked for
LONGEST: Final = 60  # characters of a word that count
PLACES: Final = 16_000  # words of a text; PostgreSQL knows no later place
_WORD: Final = re.compile(r"[^\W_]+")
_SPELLED: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_STEMMERS: Final = tuple(snowballstemmer.stemmer(language) for language in ("english", "german"))
_SHORTEST_STEM: Final = 3


@dataclass(frozen=True, slots=True)
class Forms:
    """One word: how it may begin, and its stems."""

    spellings: frozenset[str]
    stems: frozenset[str]


@dataclass(frozen=True, slots=True)
class Word:
    """A word at its place in a text."""

    start: int
    end: int
    forms: Forms


def words(text: str) -> list[Word]:
    """The words of a text, in their order."""
    return [Word(one.start(), one.end(), forms(one.group()[:LONGEST])) for one in _WORD.finditer(text)]


@lru_cache(20_000)
def forms(word: str) -> Forms:
    """All that a word is known by."""
    folded = unicodedata.normalize("NFC", word.casefold())
    spellings = {_bare(folded), _bare(folded.translate(_SPELLED))} - {""}
    stems = {stemmer.stemWord(one) for stemmer in _STEMMERS for one in (folded, *spellings)}
    return Forms(frozenset(spellings), frozenset(_bare(one) for one in stems if len(one) >= _SHORTEST_STEM))


def _bare(word: str) -> str:
    """Without accents, and nothing but letters and digits: what decomposing leaves may be neither."""
    return "".join(c for c in unicodedata.normalize("NFKD", word) if c.isalnum()).casefold()


def vector(text: str, weight: str, tag: str) -> str:
    """The words of a text as PostgreSQL's tsvector takes them; `weight` A to D, A counts most; `tag`: letters, digits."""
    places: dict[str, list[int]] = {}
    for place, word in enumerate(words(text)[:PLACES], 1):
        for lexeme in (*word.forms.spellings, *(f"={stem}" for stem in word.forms.stems)):
            places.setdefault(lexeme, []).append(place)
    return " ".join(
        f"'{tag}{lexeme}':{','.join(f'{place}{weight}' for place in found[:200])}" for lexeme, found in places.items()
    )


def query(text: str, tag: str) -> str:
    """What is looked for, as PostgreSQL's tsquery takes it: every word of it. "" when there is none."""
    return " & ".join(f"({' | '.join(_alternatives(one, tag))})" for one in _asked(text))


def _alternatives(one: Forms, tag: str) -> Iterable[str]:
    yield from (f"'{tag}{spelling}':*" for spelling in sorted(one.spellings))
    yield from (f"'{tag}={stem}'" for stem in sorted(one.stems))


def tag_of(owner: UUID) -> str:
    """What all lexemes of an owner begin with. Two may share one: it parts lists, it protects nothing."""
    return f"o{owner.hex[-7:]}"


def _asked(text: str) -> list[Forms]:
    return list(dict.fromkeys(word.forms for word in words(text) if word.forms.spellings))[:QUERY_WORDS]


def highlights(text: str, asked: str) -> list[tuple[int, int]]:
    """Where in a text the words of a query stand: from, to (in characters)."""
    wanted = _asked(asked)
    return [(word.start, word.end) for word in words(text) if any(_matches(word.forms, one) for one in wanted)]


def _matches(found: Forms, wanted: Forms) -> bool:
    return bool(found.stems & wanted.stems) or any(
        spelling.startswith(beginning) for spelling in found.spellings for beginning in wanted.spellings
    )
