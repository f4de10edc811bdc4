"""Ways in which concurrent editing leaves records: each takes a snapshot and changes it as merges do. Used for the shared
vectors (named) and for the fuzz (random). They write records directly, as a merge does: no rule is asked.
"""

import copy
import random
from collections.abc import Callable

from collab.bpmn.records import Record, Snapshot

Mutation = Callable[[Snapshot], None]


def _drop(s: Snapshot, *keys: str) -> None:
    for key in keys:
        s.nodes[key]["d"] = 1


def _make(s: Snapshot, key: str, tag: str, parent: str, **registers: object) -> None:
    made: Record = {"t": tag, "p": [parent, "z0", "Process_1"]}
    for name, value in registers.items():
        made[name.replace("at_", "@")] = value  # type: ignore[assignment]
    s.nodes[key] = made


def _set(s: Snapshot, key: str, register: str, value: object) -> None:
    s.nodes[key][register] = value  # type: ignore[assignment]


def _flow(s: Snapshot, key: str, source: str, target: str) -> None:
    _make(s, key, "bpmn:sequenceFlow", "Process_1", at_id="Flow" + key.replace("~", "_").replace(".", "_"))
    _set(s, key, "@sourceRef", {"r": source})
    _set(s, key, "@targetRef", {"r": target})


def _second_extension(s: Snapshot) -> None:
    _make(s, "~9.1", "bpmn:extensionElements", "Process_1")
    _make(s, "~9.2", "acme:late", "~9.1", **{"@v": "1"})


def _second_pool(s: Snapshot) -> None:
    _make(s, "~9.p", "bpmn:participant", "Collaboration_1", at_id="Participant_9")
    _set(s, "~9.p", "@processRef", {"r": "Process_1"})


def _drawn(s: Snapshot, element: str, plane: str, **registers: object) -> None:
    _make(
        s, f"{element}@{plane}", "bpmndi:BPMNShape", plane, b=["dc:Bounds", "a0", "10", "20", "100", "80"], **registers
    )
    _set(s, f"{element}@{plane}", "@bpmnElement", {"r": element})


def _drawn_on_a_plane_that_is_gone(s: Snapshot) -> None:
    _make(s, "~9.s", "bpmn:subProcess", "Process_1", at_id="Sub_9")
    _drawn(s, "~9.s", "Plane_2", at_isExpanded="true")
    for key in ("~9.a", "~9.z"):  # before and after what they stand in
        _make(s, key, "bpmn:task", "~9.s", at_id=f"Task{key[1:]}")
        _drawn(s, key, "Plane_2")
    _drop(s, "Plane_2")


def _all(*mutations: Mutation) -> Mutation:
    def run(s: Snapshot) -> None:
        for mutation in mutations:
            mutation(s)

    return run


# What editing by several people can leave behind, in the words of the rules it exercises. All over golden/everything.bpmn.
NAMED: dict[str, Mutation] = {
    "untouched": lambda _s: None,
    "task deleted while a flow was drawn to it": _all(
        lambda s: _drop(s, "Sub_1"), lambda s: _flow(s, "~9.f", "Task_1", "Sub_1")
    ),
    "task deleted while a flow was drawn from it to itself": _all(
        lambda s: _drop(s, "Sub_1"), lambda s: _flow(s, "~9.f", "Sub_1", "Sub_1")
    ),
    "two containers moved into each other": _all(
        lambda s: _make(s, "~9.s", "bpmn:subProcess", "Sub_1", at_id="Sub_9"),
        lambda s: _set(s, "Sub_1", "p", ["~9.s", "a0", "Process_1"]),
    ),
    "sub-process deleted while something was added inside": _all(
        lambda s: _drop(s, "Sub_1"),
        lambda s: _make(s, "~9.t", "bpmn:task", "Sub_1", at_id="Task_9", at_name="late"),
    ),
    "host deleted under a boundary event": lambda s: _drop(s, "Task_1"),
    "boundary event moved away from its host": lambda s: _set(s, "Boundary_1", "p", ["Sub_1", "z0", "Process_1"]),
    "flow reconnected": lambda s: _set(s, "Flow_2", "@targetRef", {"r": "End_1"}),
    "default flow leaves somebody else": lambda s: _set(s, "Flow_4", "@sourceRef", {"r": "Task_1"}),
    "lane deleted with members": lambda s: _drop(s, "Lane_1", "Lane_1_di"),
    "member moved to another lane": lambda s: _set(s, "Task_1", "l:LaneSet_1", ["Lane_2", "a0"]),
    "message deleted while an event uses it": lambda s: _drop(s, "Message_1"),
    "optional reference to nothing": lambda s: _set(s, "DataRef_1", "@dataObjectRef", {"r": "nowhere"}),
    "same id twice": lambda s: _set(s, "Task_2", "@id", "Task_1"),
    "id renamed, references follow": lambda s: _set(s, "Task_1", "@id", "Task_renamed"),
    "second extensionElements": _second_extension,
    "second participant of a process": _second_pool,
    "task without a shape": lambda s: _make(s, "~9.n", "bpmn:task", "Process_1", at_id="Task_9"),
    "flow without an edge": lambda s: _flow(s, "~9.e", "Start_1", "End_1"),
    "shape deleted without its element": lambda s: _drop(s, "Task_2_di"),
    "plane deleted while a sub-process was drawn on it": _drawn_on_a_plane_that_is_gone,
    "second shape of an element": lambda s: _make(
        s,
        "~9.d",
        "bpmndi:BPMNShape",
        "Plane_1",
        b=["dc:Bounds", "a0", "1", "2", "3", "4"],
        **{"@bpmnElement": {"r": "Task_1"}},
    ),
    "type changed under content it cannot hold": lambda s: _set(s, "Sub_1", "t", "bpmn:task"),
    "attribute no schema knows": lambda s: _set(s, "Task_1", "@nonsense", "1"),
    "value of the wrong type": lambda s: _set(s, "Process_1", "@isExecutable", "perhaps"),
    "characters XML cannot hold": lambda s: _set(s, "Task_1", "@name", "bell \x07 and \ufffe"),
    "foreign part moved out of its prefixes": lambda s: _set(s, "~9.x", "t", "x") if "~9.x" in s.nodes else None,
    "unreadable record": lambda s: s.nodes.__setitem__("broken", {"t": "not a name!", "p": "nowhere"}),
    "root named nowhere": lambda s: s.meta.__setitem__("root", "gone"),
    "process deleted": lambda s: _drop(s, "Process_1"),
    "siblings with one index": _all(
        lambda s: _set(s, "Start_1", "p", ["Process_1", "a5", "Process_1"]),
        lambda s: _set(s, "End_1", "p", ["Process_1", "a5", "Process_1"]),
    ),
    "time date beside time duration": lambda s: _make(s, "~9.c", "bpmn:timeDate", "Def_2", x="2026-11-24"),
    "message flow whose pool is gone": lambda s: _drop(s, "Participant_2", "Participant_2_di"),
}


def mutated(base: Snapshot, name: str) -> Snapshot:
    """A copy of a snapshot after a named mutation."""
    made = copy.deepcopy(base)
    NAMED[name](made)
    return made


def edited(base: Snapshot, rng: random.Random, times: int) -> Snapshot:
    """A copy as several people's unsynchronized edits leave it: each write is one our editor makes, none knows of the others."""
    made = copy.deepcopy(base)
    nodes = made.nodes
    flowing = [k for k, r in nodes.items() if str(r["t"]).endswith(("Task", "task", "Event", "Gateway", "subProcess"))]
    flows = [k for k, r in nodes.items() if r["t"] == "bpmn:sequenceFlow"]
    drawn = [k for k, r in nodes.items() if "@id" in r and str(r["t"]).startswith("bpmn:")]
    containers = ["Process_1", "Sub_1"]
    for number in range(times):
        key = rng.choice(flowing)
        match rng.randrange(7):
            case 0:
                for gone in (rng.choice(drawn), key):
                    nodes[gone]["d"] = 1
                    if f"{gone}_di" in nodes and rng.random() < 0.8:
                        nodes[f"{gone}_di"]["d"] = 1
            case 1:
                nodes[key]["p"] = [rng.choice(containers), rng.choice(["Zz", "a0", "a5", "z0"]), "Process_1"]
            case 2:
                nodes[rng.choice(flows)][rng.choice(["@sourceRef", "@targetRef"])] = {"r": rng.choice(flowing)}
            case 3:
                nodes[key]["@id"] = str(nodes[rng.choice(flowing)].get("@id"))
            case 4:
                flow = f"~9.f{number}"
                _flow(made, flow, rng.choice(flowing), rng.choice(flowing))
                flows.append(flow)
            case 5:
                task = f"~9.t{number}"
                _make(
                    made,
                    task,
                    rng.choice(["bpmn:task", "bpmn:userTask"]),
                    rng.choice(containers),
                    at_id=f"New_{number}",
                )
                flowing.append(task)
            case _:
                if key.startswith("~"):
                    nodes[key]["t"] = rng.choice(["bpmn:task", "bpmn:serviceTask", "bpmn:manualTask"])
                nodes[key]["@name"] = rng.choice(["", "ä€😀", "a\x00b", "<&>\"'"])
    return made


def randomly(base: Snapshot, rng: random.Random, times: int) -> Snapshot:
    """A copy after random damage: deletions, moves, re-targeted references, new records, type and id changes."""
    made = copy.deepcopy(base)
    keys = sorted(made.nodes)
    for number in range(times):
        key = rng.choice(keys)
        record = made.nodes[key]
        kind = rng.randrange(8)
        if kind == 0:
            record["d"] = 1
        elif kind == 1 and "p" in record:
            record["p"] = [rng.choice(keys), rng.choice(["Zz", "a0", "a5", "z0"]), "Process_1"]
        elif kind == 2:
            for name, value in list(record.items()):
                if isinstance(value, dict) and "r" in value:
                    record[name] = {**value, "r": rng.choice(keys)}
        elif kind == 3:
            record["t"] = rng.choice(
                ["bpmn:task", "bpmn:subProcess", "bpmn:endEvent", "bpmn:lane", "acme:x", "bpmndi:BPMNEdge"]
            )
        elif kind == 4 and "@id" in record:
            record["@id"] = str(made.nodes[rng.choice(keys)].get("@id", "x"))
        elif kind == 5:
            made.nodes[f"~9.{number}"] = {
                "t": rng.choice(["bpmn:task", "bpmn:sequenceFlow", "bpmn:boundaryEvent", "bpmn:dataObjectReference"]),
                "p": [rng.choice(keys), "z0", "Process_1"],
                "@id": f"New_{number}",
                "@sourceRef": {"r": rng.choice(keys)},
                "@targetRef": {"r": rng.choice(keys)},
            }
        elif kind == 6 and record:
            record.pop(rng.choice(sorted(record)))
        else:
            record["@name"] = rng.choice(["", "ä€😀", "a\x00b", "<&>\"'"])
    return made
