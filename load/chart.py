"""Diagrams of any size to work on, as XML: rows of tasks, each joined to the next, drawn with shapes and edges.

Made by us, so that figures can be compared from one machine to the next. Elements and sizes grow by about nine elements
and 900 bytes a task; HUGE stands just under what the server accepts (50,000 elements, 5 MiB).
"""

from typing import Final

SMALL: Final = 40
MEDIUM: Final = 270  # about 2,400 elements
HUGE: Final = 5_000
_WIDE: Final = 8


def place(number: int) -> tuple[int, int]:
    """Where the n-th task stands."""
    return 160 * (number % _WIDE), 120 * (number // _WIDE)


def chart(tasks: int, words: int = 0) -> bytes:
    """A process of that many tasks Task_0, Task_1, ...; each is described in so many words."""
    described = f"<bpmn:documentation>{'word ' * words}</bpmn:documentation>" if words else ""
    model: list[str] = []
    drawing: list[str] = []
    for one in range(tasks):
        x, y = place(one)
        coming = f"<bpmn:incoming>Flow_{one - 1}</bpmn:incoming>" if one else ""
        going = f"<bpmn:outgoing>Flow_{one}</bpmn:outgoing>" if one < tasks - 1 else ""
        model.append(f'<bpmn:task id="Task_{one}" name="step {one}">{described}{coming}{going}</bpmn:task>\n')
        drawing.append(
            f'<bpmndi:BPMNShape id="Shape_{one}" bpmnElement="Task_{one}">'
            f'<dc:Bounds x="{x}" y="{y}" width="100" height="80"/></bpmndi:BPMNShape>\n'
        )
        if going:
            u, v = place(one + 1)
            model.append(f'<bpmn:sequenceFlow id="Flow_{one}" sourceRef="Task_{one}" targetRef="Task_{one + 1}"/>\n')
            drawing.append(
                f'<bpmndi:BPMNEdge id="Edge_{one}" bpmnElement="Flow_{one}"><di:waypoint x="{x + 100}" y="{y + 40}"/>'
                f'<di:waypoint x="{u}" y="{v + 40}"/></bpmndi:BPMNEdge>\n'
            )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" '
        'xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" '
        'xmlns:di="http://www.omg.org/spec/DD/20100524/DI" id="Definitions_1" targetNamespace="urn:colane:load">\n'
        f'<bpmn:process id="Process_1" isExecutable="false">\n{"".join(model)}</bpmn:process>\n'
        '<bpmndi:BPMNDiagram id="Diagram_1"><bpmndi:BPMNPlane id="Plane_1" bpmnElement="Process_1">\n'
        f"{''.join(drawing)}</bpmndi:BPMNPlane></bpmndi:BPMNDiagram>\n</bpmn:definitions>\n"
    ).encode()
