"""What is wrong with a model, in plain words, with the element's id. Each rule has a good case and a bad one."""

from pathlib import Path

import pytest

from collab.bpmn import diagram, xml
from collab.bpmn.errors import MalformedError
from collab.bpmn.validate import GRAVE, RULES, Problem, read, sound, validate
from collab.bpmn.validate.model import Model
from tests.bpmn.test_merge import SMALL, small
from tests.people import TEXT

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "fixtures" / "golden").glob("*.bpmn"))
HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:t="urn:t" xmlns:other="urn:other" '
    'xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" '
    'xmlns:di="http://www.omg.org/spec/DD/20100524/DI" targetNamespace="urn:t">'
)
MESSAGE = '<messageEventDefinition id="MD"/>'


def process(inside: str, around: str = "") -> str:
    return f'{HEAD}{around}<process id="P">{inside}</process></definitions>'


def flow(source: str, target: str, inside: str = "") -> str:
    return f'<sequenceFlow id="{source}{target}" sourceRef="{source}" targetRef="{target}">{inside}</sequenceFlow>'


def drawn(inside: str, forms: str) -> str:
    return (
        f'{HEAD}<process id="P">{inside}</process><bpmndi:BPMNDiagram><bpmndi:BPMNPlane bpmnElement="P">{forms}'
        "</bpmndi:BPMNPlane></bpmndi:BPMNDiagram></definitions>"
    )


def shape(element: str, width: str = "100") -> str:
    return f'<bpmndi:BPMNShape bpmnElement="{element}"><dc:Bounds x="0" y="0" width="{width}" height="80"/></bpmndi:BPMNShape>'


def edge(element: str) -> str:
    points = '<di:waypoint x="0" y="0"/><di:waypoint x="9" y="0"/>'
    return f'<bpmndi:BPMNEdge bpmnElement="{element}">{points}</bpmndi:BPMNEdge>'


A, B, AB = '<task id="A"/>', '<task id="B"/>', flow("A", "B")
SUB = '<subProcess id="S"><task id="B"/></subProcess>'
TWO = '<collaboration id="C"><participant id="P1" processRef="P"/><participant id="P2"/>{}</collaboration>'
LANES = '<laneSet><lane id="L1"><flowNodeRef>A</flowNodeRef></lane><lane id="L2"><flowNodeRef>{}</flowNodeRef></lane></laneSet>'
GATEWAY = '<eventBasedGateway id="A"/>' + flow("A", "B") + flow("A", "C") + '<receiveTask id="C"/>'
EVENT_SUB = '<subProcess id="S" triggeredByEvent="true">{}</subProcess>'
LINK = '<linkEventDefinition name="{}"/>'
THROW, CATCH = (f'<intermediate{way}Event id="{way}">{LINK}</intermediate{way}Event>' for way in ("Throw", "Catch"))

# rule, the element told of, severity, a text without the fault, a text with it
CASES: list[tuple[str, str | None, str, str, str]] = [
    ("duplicate", "A", "error", process(A + B), process(A + A)),
    ("ambiguous", "AB", "error", process(A + B + AB), process(A + A + B + AB)),
    ("unresolved", "AB", "error", process(A + B + AB), process(A + AB)),
    ("unresolved", "R", "error", process('<receiveTask id="R" messageRef="t:M"/>', '<message id="M"/>'), process('<receiveTask id="R" messageRef="t:M"/>')),
    ("unresolved", "R", "error", process('<receiveTask id="R" messageRef="other:M"/>'), process('<receiveTask id="R" messageRef="M"/>')),
    ("unresolved", "B", "error", process(f"{A}{B}{AB}"), process(f'{A}<task id="B"><incoming>Z</incoming></task>{AB}')),
    ("target", "R", "error", process('<receiveTask id="R" messageRef="M"/>', '<message id="M"/>'), process('<receiveTask id="R" messageRef="M"/>', '<error id="M"/>')),
    ("target", "AB", "error", process(A + B + AB), process(A + '<dataObject id="B"/>' + AB)),
    ("target", "E", "error", process(f'{A}<boundaryEvent id="E" attachedToRef="A">{MESSAGE}</boundaryEvent>'), process(f'<exclusiveGateway id="A"/><boundaryEvent id="E" attachedToRef="A">{MESSAGE}</boundaryEvent>')),
    ("empty", None, "error", process(""), HEAD + "</definitions>"),
    ("call", "K", "warning", process('<callActivity id="K" calledElement="elsewhere"/>'), process('<callActivity id="K"/>')),
    ("lane", "A", "warning", process(LANES.format("B") + A + B), process(LANES.format("A") + A + B)),
    ("lane", "L2", "warning", process(LANES.format("S") + A + SUB), process(LANES.format("B") + A + SUB)),
    ("start", "AB", "warning", process('<startEvent id="A"/>' + B + AB), process(A + '<startEvent id="B"/>' + AB)),
    ("end", "AB", "warning", process(A + '<endEvent id="B"/>' + AB), process('<endEvent id="A"/>' + B + AB)),
    ("crossing", "AB", "warning", process(A + B + AB), process(A + SUB + AB)),
    ("boundary", "BE", "warning", process(f'{A}{B}<boundaryEvent id="E" attachedToRef="A">{MESSAGE}</boundaryEvent>{flow("E", "B")}'), process(f'{A}{B}<boundaryEvent id="E" attachedToRef="A">{MESSAGE}</boundaryEvent>{flow("B", "E")}')),
    ("apart", "S", "warning", process(A + B + AB), process(EVENT_SUB.format(f'<startEvent id="T">{MESSAGE}</startEvent>') + A + flow("A", "S"))),
    ("apart", "B", "warning", process(A + B + AB), process(A + '<task id="B" isForCompensation="true"/>' + AB)),
    ("default", "B", "error", process(f'<task id="A" default="AB"/>{B}{AB}'), process(f'{A}<task id="B" default="AB"/>{AB}')),
    ("default", "AB", "warning", process(f'<task id="A" default="AB"/>{B}{AB}'), process(f'<task id="A" default="AB"/>{B}{flow("A", "B", "<conditionExpression/>")}')),
    ("condition", "AB", "warning", process(f'<exclusiveGateway id="A"/>{B}{flow("A", "B", "<conditionExpression/>")}'), process(f'<parallelGateway id="A"/>{B}{flow("A", "B", "<conditionExpression/>")}')),
    ("gateway", "AB", "warning", process(f'{GATEWAY}<intermediateCatchEvent id="B">{MESSAGE}</intermediateCatchEvent>'), process(GATEWAY + B)),
    ("gateway", "A", "warning", process(f'{GATEWAY}<receiveTask id="B"/>'), process('<eventBasedGateway id="A"/><receiveTask id="B"/>' + AB)),
    ("lists", "B", "warning", process(f'{A}<task id="B"><incoming>AB</incoming></task>{AB}'), process(f'<task id="A"><outgoing>AB</outgoing></task><task id="B"><outgoing>AB</outgoing></task>{AB}')),
    ("lists", "B", "warning", process(f'{A}{B}<task id="C"/>{AB}{flow("C", "B")}'), process(f'{A}<task id="B"><incoming>AB</incoming></task><task id="C"/>{AB}{flow("C", "B")}')),
    ("loose", "C", "warning", process(A + B + '<task id="C"/>'), process(A + B + AB + '<task id="C"/>')),
    ("message", "F", "warning", process(A, TWO.format('<messageFlow id="F" sourceRef="A" targetRef="P2"/>')), process(A + B, TWO.format('<messageFlow id="F" sourceRef="A" targetRef="B"/>'))),
    ("message", "F", "warning", process(A, TWO.format('<messageFlow id="F" sourceRef="P2" targetRef="P1"/>')), process(A, TWO.format('<messageFlow id="F" sourceRef="A" targetRef="P1"/>'))),
    ("host", "E", "error", process(f'{A}<boundaryEvent id="E" attachedToRef="A">{MESSAGE}</boundaryEvent>'), process(f'{SUB}<boundaryEvent id="E" attachedToRef="B">{MESSAGE}</boundaryEvent>')),
    ("trigger", "E", "warning", process(f'<intermediateCatchEvent id="E">{MESSAGE}</intermediateCatchEvent>'), process('<intermediateCatchEvent id="E"/>')),
    ("trigger", "S", "warning", process(EVENT_SUB.format(f'<startEvent id="T">{MESSAGE}</startEvent>')), process(EVENT_SUB.format(""))),
    ("trigger", "T", "warning", process(EVENT_SUB.format(f'<startEvent id="T">{MESSAGE}</startEvent>')), process(EVENT_SUB.format('<startEvent id="T"/>'))),
    ("cancel", "E", "warning", process('<transaction id="S"><endEvent id="E"><cancelEventDefinition/></endEvent></transaction>'), process('<endEvent id="E"><cancelEventDefinition/></endEvent>')),
    ("timer", "E", "warning", process('<startEvent id="E"><timerEventDefinition><timeCycle>R/P1D</timeCycle></timerEventDefinition></startEvent>'), process('<startEvent id="E"><timerEventDefinition/></startEvent>')),
    ("link", "Throw", "warning", process(THROW.format("x") + CATCH.format("x")), process(THROW.format("x"))),
    ("link", "Catch", "warning", process(THROW.format("x") + CATCH.format("x")), process(CATCH.format("x"))),
    ("drawing", None, "warning", drawn(A, shape("A")), process(A)),
    ("drawing", "B", "warning", drawn(A + B, shape("A") + shape("B")), drawn(A + B, shape("A"))),
    ("drawing", "AB", "warning", drawn(A + B + AB, shape("A") + shape("B") + edge("AB")), drawn(A + B + AB, shape("A") + shape("B"))),
    ("drawing", "A", "warning", drawn(A, shape("A")), drawn(A, shape("A") * 2)),
    ("drawing", "A", "warning", drawn(A, shape("A")), drawn(A, shape("A", "0"))),
    ("drawing", None, "error", drawn(A + B + AB, shape("A") + shape("B") + edge("AB")), drawn(A + B + AB, shape("A") + shape("B") + shape("AB"))),
    ("drawing", None, "error", drawn(A, shape("A")), drawn(A, edge("A"))),
]  # fmt: skip


def told(text: str, rule: str) -> list[Problem]:
    return [one for one in validate(text.encode()) if one.rule == rule]


@pytest.mark.parametrize(("rule", "element", "severity", "good", "bad"), CASES, ids=lambda case: str(case)[:12])
def test_a_rule_speaks_of_a_fault_and_of_nothing_else(
    rule: str, element: str | None, severity: str, good: str, bad: str
) -> None:
    assert told(good, rule) == []
    found = told(bad, rule)
    assert (element, severity) in [(one.element, one.severity) for one in found]
    assert all(one.message and not one.message[0].isspace() and one.message[-1] != "." for one in found)


def test_every_rule_has_a_case_and_only_the_grave_ones_find_errors() -> None:
    models = [Model(xml.parse(case[4].encode())) for case in CASES]
    for rule in RULES:
        found = [one.severity for model in models for one in rule(model)]
        assert found, rule.__name__
        assert ("error" in found) == (rule in GRAVE), rule.__name__


@pytest.mark.parametrize("path", [path for path in GOLDEN if path.stem != "quirks"], ids=lambda path: path.stem)
def test_a_sound_model_has_no_problem(path: Path) -> None:
    assert validate(path.read_bytes()) == []


def test_models_without_a_drawing_or_with_loose_ends_are_no_errors() -> None:
    assert {(one.rule, one.severity) for one in validate(SMALL)} == {("loose", "warning"), ("drawing", "warning")}
    assert [one for one in validate(TEXT) if one.severity == "error"] == []


def test_the_references_of_the_interchange_group_are_sound(corpus: Path) -> None:
    found = {path.stem: validate(path.read_bytes()) for path in sorted((corpus / "miwg-reference").glob("*.bpmn"))}
    assert {name: [one.rule for one in problems] for name, problems in found.items() if problems} == {
        "C.1.0": ["timer"]
    }


def test_what_the_schema_forbids_is_told_with_the_line_of_the_file_and_the_element() -> None:
    found = validate(small((b'<bpmn:task id="B" name="b"/>', b'\n\n\n<bpmn:task id="B" colour="b"/>')))
    assert [(one.rule, one.element) for one in found if one.severity == "error"] == [("schema", "B")]
    assert found[0].message.startswith("line 9: ")
    assert "colour" in found[0].message


def test_a_message_says_what_to_do() -> None:
    text = process(
        f'<task id="A" name="Pack" default="AB"/>{flow("B", "A")}{B}{AB}'.replace('default="AB"', 'default="BA"')
    )
    found = [one for one in validate(text.encode()) if one.rule == "default"]
    assert found == [
        Problem("default", "A", "the default flow of task “Pack” is sequence flow “BA”, which does not leave it; choose one that does", "error")
    ]  # fmt: skip


def test_what_is_no_bpmn_cannot_be_judged() -> None:
    with pytest.raises(MalformedError) as raised:
        validate(b"<a/>")
    assert raised.value.rule == "root"


@pytest.mark.parametrize("bad", [case[4] for case in CASES if case[2] == "error"])
def test_an_error_marks_the_diagram_as_not_valid_and_refuses_nothing(bad: str) -> None:
    made = diagram.from_xml(bad.encode(), None, 1)
    assert not made.rendered.valid
    assert not sound(read(bad.encode())) or made.rendered.problems


def test_a_warning_does_not() -> None:
    assert diagram.from_xml(process(A + SUB + AB).encode(), None, 1).rendered.valid
    assert sound(read(SMALL))
