"""What is wrong with a model, in plain words, with the element's id."""

from collab.bpmn.validate import validate
from tests.bpmn.test_merge import SMALL, small
from tests.people import TEXT


def rules(text: bytes) -> list[tuple[str, str | None, str]]:
    return [(one.rule, one.element, one.severity) for one in validate(text)]


def test_a_sound_model_has_no_problem() -> None:
    assert validate(SMALL) == []
    assert [one for one in validate(TEXT) if one.severity == "error"] == []


def test_a_reference_that_leads_nowhere() -> None:
    found = validate(small((b'targetRef="B"', b'targetRef="Nowhere"')))
    assert ("unresolved", "AB") in [(one.rule, one.element) for one in found]
    assert "Nowhere" in next(one.message for one in found if one.rule == "unresolved")


def test_what_the_schema_forbids_is_told_with_line_and_element() -> None:
    found = validate(small((b'<bpmn:task id="B" name="b"/>', b'<bpmn:task id="B" colour="b"/>')))
    assert [(one.rule, one.element) for one in found] == [("schema", "B")]
    assert "colour" in found[0].message


def test_flow_where_it_may_not_be() -> None:
    start = small((b'<bpmn:task id="B" name="b"/>', b'<bpmn:startEvent id="B"/>'))
    assert rules(start) == [("start", "AB", "warning")]
    end = small((b'<bpmn:task id="A" name="a"/>', b'<bpmn:endEvent id="A"/>'))
    assert rules(end) == [("end", "AB", "warning")]
    inside = b'<bpmn:subProcess id="S"><bpmn:task id="B" name="b"/></bpmn:subProcess>'
    assert rules(small((b'<bpmn:task id="B" name="b"/>', inside))) == [("crossing", "AB", "warning")]
