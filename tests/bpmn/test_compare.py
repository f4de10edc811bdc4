"""The difference of two texts in people's words."""

from collab.bpmn.compare import Compared, Entry, compare
from tests.bpmn.test_merge import ADD, DOC, FLOW, MOVE, NO_A, NO_AB, NO_C, SMALL, TASK, edited, small
from tests.people import TEXT


def ids(entries: list[Entry]) -> list[str]:
    return [one.element for one in entries]


def told(found: Compared) -> dict[str, list[str]]:
    lists = ("added", "removed", "changed", "moved", "layout_only")
    return {name: ids(getattr(found, name)) for name in lists if getattr(found, name)}


def test_nothing_is_nothing() -> None:
    assert compare(TEXT, TEXT).nothing


def test_a_name_a_text_and_a_layout() -> None:
    found = compare(TEXT, edited(TASK, DOC, MOVE))
    names = {(one.element, p.property, p.base, p.value) for one in found.changed for p in one.properties}
    assert ("Task_1", "name", "Do", "Done") in names
    assert not found.layout_only, "what changed otherwise is not layout only"
    only = compare(TEXT, edited(MOVE))
    assert told(only) == {"layout_only": ["Task_1"]}
    assert only.layout_only[0].properties[0].property == "bounds"


def test_what_came_and_what_went() -> None:
    assert told(compare(SMALL, small(ADD))) == {"added": ["N"]}
    assert told(compare(SMALL, small(NO_C))) == {"removed": ["C"]}
    assert told(compare(SMALL, small(NO_A, NO_AB, FLOW))) == {"added": ["BC"], "removed": ["A", "AB"]}
    found = compare(SMALL, small((b"<bpmn:documentation>c</bpmn:documentation>", b"")))
    (one,) = found.changed
    assert (one.element, one.properties[0].property, one.properties[0].value) == ("C", "documentation", None)


def test_another_parent_is_a_move() -> None:
    sub = (
        b'    <bpmn:task id="B" name="b"/>\n',
        b'    <bpmn:subProcess id="S"><bpmn:task id="B" name="b"/></bpmn:subProcess>\n',
    )
    found = compare(SMALL, small(sub))
    assert told(found) == {"added": ["S"], "moved": ["B"]}
    assert (found.moved[0].properties[0].base, found.moved[0].properties[0].value) == ("P", "S")
