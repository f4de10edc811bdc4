"""The bench's front: a text becomes an edit that touches nothing else; changes of elements are told register by register."""

import random
from pathlib import Path

import pytest
from pycrdt import Array, Map, XmlElement, XmlFragment

from collab.bpmn import diagram, document, xml
from collab.bpmn.errors import MalformedError
from collab.bpmn.records import Change
from collab.bpmn.tree import Node
from tests.interop.infoset import infoset

TEXT = (Path(__file__).resolve().parents[1] / "fixtures" / "golden" / "everything.bpmn").read_bytes()
CLIENT = 77
ROUNDS = 60


@pytest.fixture(scope="module")
def seed() -> bytes:
    return diagram.from_xml(TEXT, None, 1).update


def _edited(seed: bytes, text: bytes) -> tuple[bytes | None, bytes]:
    edited = diagram.edit_towards([seed], text, None, CLIENT)
    return edited.update, edited.rendered.xml


def test_the_same_text_is_no_edit(seed: bytes) -> None:
    assert _edited(seed, TEXT)[0] is None


def test_a_rename_writes_one_register(seed: bytes) -> None:
    update, shown = _edited(seed, TEXT.replace(b'name="Do"', b'name="Done"'))
    assert update is not None
    assert len(update) < 60
    assert infoset(shown) == infoset(TEXT.replace(b'name="Do"', b'name="Done"'))


def test_a_move_of_a_shape_is_at_most_a_hundred_bytes(seed: bytes) -> None:
    doc = document.load([seed], CLIENT)
    update = document.write(doc, [Change("Task_1_di", "b", ["dc:Bounds", "a0", "300", "160.5", "100", "80"])])
    assert update is not None
    assert len(update) <= 100


def test_somebody_elses_edit_meanwhile_survives(seed: bytes) -> None:
    doc = document.load([seed], 5)
    other = document.write(doc, [Change("Task_2", "@name", "Theirs")])
    update, _ = _edited(seed, TEXT.replace(b'name="Do"', b'name="Mine"'))
    assert other is not None
    assert update is not None
    for order in ([seed, other, update], [seed, update, other]):
        text = diagram.text(order)
        assert b'name="Theirs"' in text
        assert b'name="Mine"' in text


def test_random_texts_are_reached_exactly(seed: bytes) -> None:
    start = random.SystemRandom().randrange(2**32)
    print(f"seed {start}")
    rng = random.Random(start)
    for number in range(ROUNDS):
        tree = xml.parse(TEXT)
        for _ in range(rng.randrange(1, 4)):
            _change(tree.root, rng)
        wanted = xml.write(tree)
        update, shown = _edited(seed, wanted)
        assert infoset(shown) == infoset(wanted), f"seed {start}, round {number}"
        if update is not None:
            assert diagram.text([seed, update]) == shown


def _change(root: Node, rng: random.Random) -> None:
    pairs: list[tuple[Node, Node]] = []
    open_ = [root]
    while open_:
        node = open_.pop()
        children = [child for child in node.children if child.is_element]
        pairs += [(child, node) for child in children]
        open_ += children
    node, parent = rng.choice(pairs)
    match rng.randrange(3):
        case 0:
            node.attributes["name"] = f"name {rng.randrange(100)}"
        case 1:
            parent.children.remove(node)
        case _:
            same = [child for child in parent.children if child.tag == node.tag]
            a, b = rng.choice(same), rng.choice(same)
            i, j = parent.children.index(a), parent.children.index(b)
            parent.children[i], parent.children[j] = b, a


def test_changes_are_told_with_before_and_after(seed: bytes) -> None:
    doc = document.load([seed], 5)
    first = document.write(doc, [Change("Task_1", "@name", "One")])
    second = document.write(doc, [Change("Task_1", "@name", "Two"), Change("Task_2", "d", 1)])
    assert first is not None
    assert second is not None
    told = [
        (c.seq, c.node_key, c.register, c.before, c.after) for c in diagram.changes([seed], [(2, first), (3, second)])
    ]
    assert told == [
        (2, "Task_1", "@name", "Do", "One"),
        (3, "Task_1", "@name", "One", "Two"),
        (3, "Task_2", "d", None, 1),
    ]


def test_text_is_typed_into_not_replaced(seed: bytes) -> None:
    key = next(k for k, r in document.read(document.load([seed])).nodes.items() if r["t"] == "bpmn:text")
    a, b = document.load([seed], 5), document.load([seed], 6)
    one = document.write(a, [Change(key, "x", "  spaces kept, é😀  ")])
    two = document.write(b, [Change(key, "x", "very   spaces kept  ")])
    assert one is not None
    assert two is not None
    assert document.read(document.load([seed, one, two])).nodes[key]["x"] == "very   spaces kept, é😀  "


def test_a_blank_diagram_is_valid() -> None:
    made = diagram.from_xml(diagram.blank('A "title" & more'), None, 1)
    assert made.rendered.valid
    assert made.rendered.summary["title"] == 'A "title" & more'


@pytest.mark.parametrize("text", [b"<a/>", b'<definitions xmlns="urn:x"/>', b"<definitions/>"])
def test_what_is_not_bpmn_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedError) as raised:
        diagram.from_xml(text, None, 1)
    assert raised.value.rule == "root"


def test_compacting_keeps_everything(seed: bytes) -> None:
    doc = document.load([seed], 5)
    update = document.write(doc, [Change("Task_1", "@name", "One")])
    assert update is not None
    assert diagram.text([diagram.compact([seed, update])]) == diagram.text([seed, update])


def test_a_conflict_names_what_both_changed() -> None:
    mine = TEXT.replace(b'name="Do"', b'name="Mine"').replace(b'name="Inner"', b'name="Only mine"')
    theirs = TEXT.replace(b'name="Do"', b'name="Theirs"')
    told = diagram.conflict(TEXT, mine, theirs)
    assert told["auto_mergeable"] is False
    assert told["both"] == [
        {"element": "Task_1", "property": "name", "base": "Do", "yours": "Mine", "theirs": "Theirs"}
    ]
    assert {(d["element"], d["property"]) for d in told["yours"]} == {("Task_1", "name"), ("Task_2", "name")}
    assert diagram.conflict(TEXT, mine, TEXT)["auto_mergeable"] is True


@pytest.mark.parametrize(
    ("declared", "encoding", "charset", "kept"),
    [
        ("UTF-8", "utf-8", None, True),
        (None, "utf-8", None, True),
        ("UTF-8", "utf-8-sig", "UTF-8", True),
        (None, "utf-16", None, False),
        ("UTF-8", "utf-16", None, False),
        ("UTF-16", "utf-16", None, False),
        ("ISO-8859-1", "utf-8", "utf-8", False),
        ("ISO-8859-1", "iso-8859-1", None, False),
        ("UTF-8", "iso-8859-1", "iso-8859-1", False),
    ],
)
def test_what_is_kept_as_sent_reads_the_same_without_being_told_how(
    declared: str | None, encoding: str, charset: str | None, kept: bool
) -> None:
    text = diagram.blank("Prüfung").decode().partition("?>\n")[2]
    head = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else ""
    sent = (head + text).encode(encoding)
    imported = diagram.from_xml(sent, charset, 1)
    assert (imported.verbatim == sent) is kept
    assert diagram.from_xml(imported.verbatim, None, 1).rendered.sha256 == imported.rendered.sha256
    assert "Prüfung" in imported.verbatim.decode("utf-8-sig")


def test_what_no_record_may_hold_makes_no_document_unreadable(seed: bytes) -> None:
    """Any well-formed update is accepted, so what a foreign client may put into a record must be survived."""
    doc = document.load([seed], CLIENT)
    before = doc.get_state()
    nodes = doc.get("n", type=Map)
    with doc.transaction():
        nodes["Task_2"]["xml"] = XmlFragment([XmlElement("p")])
        nodes["Task_2"]["bytes"] = b"\x00\x01"
        nodes["Task_2"]["@odd"] = float("nan")
        nodes["Task_2"]["list"] = Array([1, Map({"a": float("inf")})])
        nodes["alien"] = XmlFragment()
        nodes["word"] = "no record"
        nodes["Task_2"]["@name"] = "renamed"
    update = doc.get_update(before)
    shown = diagram.render([seed, update]).xml
    assert b'name="renamed"' in shown
    changed = {(one.node_key, one.register) for one in diagram.changes([seed], [(2, update)])}
    assert ("Task_2", "@name") in changed
    assert diagram.edit_towards([seed, update], TEXT, None, CLIENT + 1).update is not None
