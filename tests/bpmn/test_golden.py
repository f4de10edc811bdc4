"""Our own files hold every kind of element that BPMN 2.0 has, with every attribute, and all of it comes back.

The list of kinds is the schema's (collab/bpmn/grammar.json), so a kind that is forgotten turns this red. Each file is
valid against the schema but quirks.bpmn, which holds what the schema has no place for.
"""

import json
from functools import cache
from pathlib import Path

import pytest

from collab.bpmn import diagram, document, grammar, imports, kinds, repair, schema, xml
from collab.mirror import mirror
from tests.bpmn import make_grammar
from tests.interop.infoset import infoset

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "fixtures" / "golden").glob("*.bpmn"))


@cache
def _declared() -> dict[str, frozenset[str]]:
    """Every kind that may stand in a file, with its attributes."""
    table = json.loads((make_grammar.FOLDER / "grammar.json").read_text(encoding="utf-8"))
    abstract = {name for name, declared in table["types"].items() if "abstract" in declared}
    found = {}
    for kind, declared in table["elements"].items():
        known = grammar.shape(kind)
        if declared not in abstract and known is not None:
            found[kind] = frozenset(known.attributes)
    return found


@cache
def _used() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in GOLDEN:
        for node, kind in kinds.walk(xml.parse(path.read_bytes()).root):
            found.setdefault(kind, set()).update(node.attributes)
    return found


def test_the_table_is_what_the_schema_files_say() -> None:
    committed = (make_grammar.FOLDER / "grammar.json").read_text(encoding="utf-8")
    assert make_grammar.text(make_grammar.FOLDER / "xsd") == committed


def test_every_kind_of_element_is_in_a_golden_file() -> None:
    assert len(_declared()) > 170
    assert set(_declared()) - set(_used()) == set()


def test_every_attribute_of_bpmn_is_in_a_golden_file() -> None:
    wanted = {name for names in _declared().values() for name in names}
    there = {name for kind, names in _declared().items() for name in names & _used().get(kind, set())}
    assert wanted - there == set()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_file_is_valid_needs_no_repair_and_comes_back(path: Path) -> None:
    text = path.read_bytes()
    made = diagram.from_xml(text, None, 1)
    assert infoset(made.rendered.xml) == infoset(text), "seed, view, export"
    assert infoset(diagram.roundtrip(text)[0]) == infoset(text)
    assert diagram.text([made.update]) == made.rendered.xml
    assert made.rendered.repairs == []
    if path.stem != "quirks":
        assert schema.problems(text) == []
        assert "qk" not in "".join(
            name for record in imports.from_tree(xml.parse(text)).nodes.values() for name in record
        )
    svg = made.rendered.thumbnail
    assert svg.startswith("<svg")


def test_both_languages_show_the_golden_files_alike() -> None:
    with mirror() as ask:
        assert ask is not None
        for path in GOLDEN:
            snapshot = document.read(document.load([diagram.from_xml(path.read_bytes(), None, 1).update]))
            assert ask(snapshot) == repair.canonical(repair.view(snapshot)), path.stem
