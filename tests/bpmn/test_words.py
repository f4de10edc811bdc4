"""Words as search compares them: what people type finds what people wrote, in German and English."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.bpmn import texts, words

# Text, and queries that must find it.
FOUND = [
    ("Rechnung prüfen", ["rechnung", "Rechnungen", "prüfen", "prufen", "pruefen", "PRÜFEN", "rech"]),
    ("Antrag genehmigen", ["Anträge", "genehmigung", "genehm"]),
    ("Großbestellung für Büromöbel", ["grossbestellung", "Büromöbel", "bueromoebel", "buromobel", "bürom"]),
    ("Kündigungen bearbeiten", ["Kündigung", "kuendigung", "bearbeitung"]),
    ("Approve the invoices", ["invoice", "approved", "approving", "INVOICES", "appr inv"]),
    ("Handle customer's complaint", ["complaints", "customers", "handling"]),
    ("Prüfung/Freigabe (2. Stufe)", ["freigabe", "stufe 2", "prüfung stufe"]),
    ("Check order_id of ACME-GmbH", ["order", "id", "acme gmbh", "ACME-GmbH", "check-order"]),
    ("Crème brûlée für Zoë", ["creme brulee", "zoe"]),
    ("注文 を確認", ["注文"]),
    ("Ship 42 parcels", ["42", "parcel 42", "4"]),
]
# The same, and queries that must not.
NOT_FOUND = [
    ("Rechnung prüfen", ["Bestellung", "rechnung versenden", "nung", "Recht"]),
    ("Approve the invoices", ["approve orders", "voice", "reject"]),
    ("Handle complaint", ["complement", "hand-me-down"]),
]
# What a dictionary would know and stems do not: participles, parts of compounds. Written down so that nobody is surprised.
MISSED = [("Rechnung prüfen", "geprüft"), ("Antrag genehmigen", "genehmigt"), ("Rechnungsprüfung", "Prüfung")]


def found(text: str, query: str) -> bool:
    """Found word by word: what PostgreSQL decides by the index (tests/storage/test_search.py)."""
    asked = [word.forms for word in words.words(query)]
    return all(any(words._matches(word.forms, one) for word in words.words(text)) for one in asked)


@pytest.mark.parametrize(("text", "query"), [(text, query) for text, queries in FOUND for query in queries])
def test_what_people_type_finds_what_people_wrote(text: str, query: str) -> None:
    assert found(text, query)
    assert words.highlights(text, query)


@pytest.mark.parametrize(
    ("text", "query"), [(text, query) for text, queries in NOT_FOUND for query in queries] + MISSED
)
def test_what_was_not_asked_for_is_not_found(text: str, query: str) -> None:
    assert not found(text, query)


def test_highlights_are_places_in_the_text() -> None:
    text = "Die Prüfung & <b>Prüfungen</b>"
    assert [text[a:b] for a, b in words.highlights(text, "prüfung")] == ["Prüfung", "Prüfungen"]
    assert words.highlights("nothing", "else") == []


@pytest.mark.parametrize("empty", ["", " ", "!!!", "&|!<->:*", "'\\'", "\x00", "😀", "___", "´"])
def test_a_query_without_words_asks_for_nothing(empty: str) -> None:
    assert words.query(empty, "o") == ""


@given(st.text(max_size=300))
def test_nothing_but_letters_and_digits_comes_through(text: str) -> None:
    """What goes to PostgreSQL is spelled from lexemes that cannot end their quotes."""
    for spelled in (words.query(text, "o"), words.vector(text, "B", "o")):
        outside = spelled.split("'")[0::2]
        assert all(set(part) <= set("0123456789B:,*&|() ") for part in outside)
        assert all(one.removeprefix("o").lstrip("=").isalnum() for one in spelled.split("'")[1::2])
    for start, end in words.highlights(text, text):
        assert 0 <= start < end <= len(text)


def test_texts_are_those_of_elements() -> None:
    xml = b"""<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:x="urn:x" targetNamespace="t">
    <process id="P" name="Main"><documentation id="D">about <![CDATA[<b>P</b>]]></documentation>
    <task id="T" name=" Check "><documentation>first</documentation><documentation>second</documentation>
    <extensionElements><x:thing id="X" name="foreign"/></extensionElements></task>
    <textAnnotation id="N"><text>a note</text></textAnnotation><task name="nobody"/></process></definitions>"""
    assert [(e.field, e.element_id, e.element_type, e.body) for e in texts.entries(xml, "o")] == [
        ("name", "P", "process", "Main"),
        ("documentation", "P", "process", "about <b>P</b>"),
        ("name", "T", "task", "Check"),
        ("documentation", "T", "task", "first\nsecond"),
        ("text", "N", "textAnnotation", "a note"),
    ]
