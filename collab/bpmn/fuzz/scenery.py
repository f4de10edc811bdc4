"""The edits of an editor on what stands around the flow: pools, lanes, data, notes, and how all of it is drawn.

Each takes a page and gives the registers that one command writes, as those of edits.py.
"""

from collab.bpmn.fuzz.edits import WORDS, gone_with
from collab.bpmn.fuzz.page import Page
from collab.bpmn.records import Change, Value


def move(page: Page) -> list[Change]:
    """A shape elsewhere, and the edges that hang on it laid anew."""
    shape = page.one(key for key, record in page.nodes.items() if isinstance(record.get("b"), list))
    if shape is None:
        return []
    bounds = page.nodes[shape]["b"]
    assert isinstance(bounds, list)
    where = [str(page.rng.randrange(900)), str(page.rng.randrange(600))]
    element = page.target(shape, "@bpmnElement")
    flows = [
        one
        for one in page.of("sequenceFlow")
        if element in (page.target(one, "@sourceRef"), page.target(one, "@targetRef"))
    ]
    laid = [_lay(page, edge) for flow in flows for edge in page.drawings(flow)]
    return [Change(shape, "b", [*bounds[:2], *where, *bounds[4:]]), *(one for one in laid if one)]


def resize(page: Page) -> list[Change]:
    """A shape grows or shrinks."""
    shape = page.one(key for key, record in page.nodes.items() if isinstance(record.get("b"), list))
    if shape is None:
        return []
    bounds = page.nodes[shape]["b"]
    assert isinstance(bounds, list)
    size = [str(page.rng.randrange(30, 900)), str(page.rng.randrange(30, 600))]
    return [Change(shape, "b", [*bounds[:4], *size])]


def bend(page: Page) -> list[Change]:
    """An edge is laid another way."""
    edge = page.one(key for key, record in page.nodes.items() if isinstance(record.get("w"), list))
    laid = _lay(page, edge) if edge else None
    return [laid] if laid else []


def _lay(page: Page, edge: str) -> Change | None:
    points = page.nodes[edge].get("w")
    if not isinstance(points, list):
        return None
    count = 2 * page.rng.randrange(2, 5)
    return Change(edge, "w", [*points[:2], *(str(page.rng.randrange(900)) for _ in range(count))])


def label(page: Page) -> list[Change]:
    """The label of a shape or an edge is put somewhere."""
    drawn = page.one(page.of("bpmndi:BPMNShape", "bpmndi:BPMNEdge"))
    bounds = next((r["b"] for r in page.nodes.values() if isinstance(r.get("b"), list)), None)
    if drawn is None or not isinstance(bounds, list):
        return []
    held = [key for key in page.children(drawn) if page.kind(key) == "bpmndi:BPMNLabel"]
    box: Value = [bounds[0], "a0", str(page.rng.randrange(900)), str(page.rng.randrange(600)), "60", "14"]
    if held:
        return [Change(held[0], "b", box)]
    return page.part(f"{drawn}/BPMNLabel", drawn, "BPMNLabel", b=box)


def fold(page: Page) -> list[Change]:
    """A sub-process is collapsed or expanded where it is drawn, if there is something to see in it."""
    shape = page.one(
        shape
        for key in page.of("subProcess")
        for shape in page.drawings(key)
        if page.kind(shape) == "bpmndi:BPMNShape" and all(page.drawings(one) for one in page.flowing(inside=key))
    )
    return [Change(shape, "@isExpanded", page.rng.choice(("true", "false")))] if shape else []


def change_lane(page: Page) -> list[Change]:
    """Somebody else does it: a member goes to another lane of its set."""
    members = [(key, name) for key, record in page.nodes.items() for name in record if name.startswith("l:")]
    if not members:
        return []
    key, register = page.rng.choice(members)
    held = page.nodes[key][register]
    now = held[0] if isinstance(held, list) else ""
    lane = page.one(one for one in page.of("lane") if page.parent(one) == register[2:] and one != now)
    return [Change(key, register, [lane, "z" + str(page.rng.randrange(9))])] if lane else []


def add_lane(page: Page) -> list[Change]:
    """A further lane, with some of those who are in none or elsewhere."""
    lanes = page.one(page.of("laneSet"))
    if lanes is None:
        return []
    key, made = page.element(lanes, "lane", name=page.rng.choice(WORDS))
    inside = [one for one in page.flowing() if page.holds(page.parent(lanes), one)]
    moved = page.rng.sample(inside, min(2, len(inside)))
    made += [Change(one, f"l:{lanes}", [key, "a0"]) for one in moved]
    return made + page.shape(key, page.one(page.of("bpmndi:BPMNPlane")), "600", "120")


def delete_lane(page: Page) -> list[Change]:
    """A lane goes; its members stay."""
    lane = page.one(page.of("lane"))
    return [Change(one, "d", 1) for one in sorted(gone_with(page, lane))] if lane else []


def add_pool(page: Page) -> list[Change]:
    """A further participant, with a process of its own or as a black box."""
    collaboration = page.one(page.of("collaboration"))
    if collaboration is None:
        return []
    pool, made = page.element(collaboration, "participant", name=page.rng.choice(WORDS))
    if page.rng.random() < 0.6:
        process = page.make()
        made += [
            Change(process, "t", page.tag(collaboration, "process")),
            Change(process, "@id", "process" + process.replace("~", "_")),
            Change(process, "p", page.inside(page.root)),
            Change(pool, "@processRef", {"r": process}),
        ]
    return made + page.shape(pool, page.drawn_beside(collaboration), "600", "250")


def put_into_pool(page: Page) -> list[Change]:
    """The first pool of a diagram, around the process that is drawn: the collaboration is made with it."""
    processes = {key: page.target(key, "@bpmnElement") for key in page.of("bpmndi:BPMNPlane")}
    plane = page.one(key for key, drawn in processes.items() if page.kind(drawn) == "process")
    if plane is None or page.of("collaboration"):
        return []
    collaboration, pool = f"{plane}/collaboration", page.make()
    made = [
        Change(collaboration, "t", page.tag(processes[plane], "collaboration")),
        Change(collaboration, "@id", "Collaboration_" + plane.replace("~", "_")),
        Change(collaboration, "p", page.inside(page.root)),
        Change(pool, "t", page.tag(processes[plane], "participant")),
        Change(pool, "@id", "participant" + pool.replace("~", "_")),
        Change(pool, "@processRef", {"r": processes[plane]}), Change(pool, "p", [collaboration, "a0", collaboration]),
    ]  # fmt: skip
    return [*made, *page.shape(pool, plane, "900", "600"), Change(plane, "@bpmnElement", {"r": collaboration})]


def delete_pool(page: Page) -> list[Change]:
    """A participant goes, with its process and all that is in it."""
    pool = page.one(page.of("participant"))
    if pool is None or len(page.of("participant")) < 2:
        return []
    process = page.target(pool, "@processRef")
    gone = gone_with(page, pool) | (gone_with(page, process) if process in page.nodes else set())
    return [Change(one, "d", 1) for one in sorted(gone)]


def talk(page: Page) -> list[Change]:
    """A message flow between two pools."""
    collaboration = page.one(page.of("collaboration"))
    pools = [one for one in page.of("participant") if page.parent(one) == collaboration]
    if collaboration is None or len(pools) < 2:
        return []
    source, target = page.rng.sample(pools, 2)
    key, made = page.element(collaboration, "messageFlow", sourceRef={"r": source}, targetRef={"r": target})
    return made + page.edge(key, page.drawn_beside(source))


def add_data(page: Page) -> list[Change]:
    """A data object, and its reference that is drawn."""
    process = page.one(page.of("process", "subProcess"))
    if process is None:
        return []
    data, made = page.element(process, "dataObject")
    drawn, referred = page.element(process, "dataObjectReference", dataObjectRef={"r": data})
    return made + referred + page.shape(drawn, page.drawn_beside(process), "36", "50")


def note(page: Page) -> list[Change]:
    """A text beside something, tied to it."""
    element = page.one(page.flowing())
    holder = page.parent(element) if element else ""
    if element is None or holder not in page.nodes:
        return []
    plane = page.drawn_beside(element)
    key, made = page.element(holder, "textAnnotation")
    text = [
        Change(f"{key}/text", "t", page.tag(holder, "text")), Change(f"{key}/text", "p", [key, "a0", ""]),
        Change(f"{key}/text", "x", page.rng.choice(WORDS)),
    ]  # fmt: skip
    tie, tied = page.element(holder, "association", sourceRef={"r": element}, targetRef={"r": key})
    return made + text + page.shape(key, plane, "100", "30") + tied + page.edge(tie, plane)


def group(page: Page) -> list[Change]:
    """A frame around some things."""
    holder = page.one(page.of("process", "subProcess"))
    if holder is None:
        return []
    key, made = page.element(holder, "group")
    return made + page.shape(key, page.drawn_beside(holder), "300", "300")


def extend(page: Page) -> list[Change]:
    """A tool's own property on something, in a namespace that is declared with it."""
    element = page.one(page.flowing())
    if element is None:
        return []
    held = [key for key in page.children(element) if page.kind(key) == "extensionElements"]
    holder = held[0] if held else f"{element}/extensionElements"
    made = [] if held else page.part(holder, element, "extensionElements")
    key = page.make()
    placed = page.inside(holder) if held else [holder, "a0", ""]
    return [
        *made,
        Change(key, "t", "tool:property"), Change(key, "p", placed),
        Change(key, "@xmlns:tool", "urn:tool"), Change(key, "@value", page.rng.choice(WORDS)),
    ]  # fmt: skip
