"""The diagrams a load run works on: made by us over REST, once a run (the data folder is the run's)."""

import threading

import requests

TASKS = 40
_made: dict[str, list[str]] = {}
_lock = threading.Lock()


def _xml() -> str:
    tasks = "".join(f'<bpmn:task id="Task_{i}" name="step {i}"/>' for i in range(TASKS))
    flows = "".join(
        f'<bpmn:sequenceFlow id="Flow_{i}" sourceRef="Task_{i}" targetRef="Task_{i + 1}"/>' for i in range(TASKS - 1)
    )
    shapes = "".join(
        f'<bpmndi:BPMNShape id="Shape_{i}" bpmnElement="Task_{i}"><dc:Bounds x="{160 * (i % 8)}" y="{120 * (i // 8)}" '
        f'width="100" height="80"/></bpmndi:BPMNShape>'
        for i in range(TASKS)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" '
        'xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" xmlns:dc="http://www.omg.org/spec/DD/20100524/DC" '
        'id="Definitions_1" targetNamespace="urn:colane:load">'
        f'<bpmn:process id="Process_1" isExecutable="false">{tasks}{flows}</bpmn:process>'
        f'<bpmndi:BPMNDiagram id="Diagram_1"><bpmndi:BPMNPlane id="Plane_1" bpmnElement="Process_1">{shapes}'
        "</bpmndi:BPMNPlane></bpmndi:BPMNDiagram></bpmn:definitions>"
    )


def shared_diagrams(host: str, token: str, count: int) -> list[str]:
    """Ids of `count` diagrams that all users of this process share; made on the first call."""
    with _lock:
        if host not in _made:
            _made[host] = [_create(host, token, number) for number in range(count)]
        return _made[host]


def _create(host: str, token: str, number: int) -> str:
    answer = requests.post(
        f"{host}/api/v1/diagrams",
        params={"title": f"Load {number}"},
        data=_xml(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/xml"},
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.json()["id"])
