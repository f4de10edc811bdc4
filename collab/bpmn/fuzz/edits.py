"""The edits of an editor on what flows: events, activities, gateways, what they say, and the flows between them.

Each takes a page and gives the registers that one command writes, in one piece; nothing where there is nothing to do it to.
"""

from collab.bpmn.fuzz.page import Page
from collab.bpmn.records import Change, Record

TASKS = ("task", "userTask", "serviceTask", "manualTask", "scriptTask")
_GATEWAYS = ("exclusiveGateway", "inclusiveGateway", "parallelGateway")
_EVENTS = ("intermediateCatchEvent", "boundaryEvent", "startEvent")
_DEFINITIONS = ("timerEventDefinition", "messageEventDefinition", "signalEventDefinition", "conditionalEventDefinition")
_HOLDERS = ("process", "subProcess", "transaction", "adHocSubProcess")
_REFERENCES = ("@sourceRef", "@targetRef", "@attachedToRef")
WORDS = ("", "Prüfen", "a < b & c", "  two  spaces ", "新しい", "later")


def rename(page: Page) -> list[Change]:
    """Another label."""
    key = page.one(key for key, record in page.nodes.items() if "@name" in record and "@id" in record)
    return [Change(key, "@name", page.rng.choice(WORDS))] if key else []


def identify(page: Page) -> list[Change]:
    """Another id, which nothing shown has; references hold keys, so nothing else is written."""
    key, wanted = page.one(page.flowing()), page.rng.choice(("Chosen_1", "Chosen_2", "Chosen_3"))
    taken = any(record.get("@id") == wanted for record in page.nodes.values())
    return [Change(key, "@id", wanted)] if key and not taken else []


def document(page: Page) -> list[Change]:
    """Somebody types into the documentation, or begins it."""
    held = page.of("documentation")
    if held and page.rng.random() < 0.7:
        key = page.rng.choice(held)
        text = str(page.nodes[key].get("x", ""))
        at = page.rng.randrange(len(text) + 1)
        return [] if page.children(key) else [Change(key, "x", text[:at] + page.rng.choice(WORDS) + text[at:])]
    element = page.one(page.flowing())
    return page.part(page.make(), element, "documentation", x="Why: " + page.rng.choice(WORDS)) if element else []


def delete(page: Page) -> list[Change]:
    """Something goes, with what is inside, hangs on it, or leads from and to it."""
    kinds = ("sequenceFlow", "textAnnotation", "dataObjectReference", "messageFlow", "association")
    key = page.one([*page.flowing(), *page.of(*kinds)])
    return [Change(one, "d", 1) for one in sorted(gone_with(page, key))] if key else []


def gone_with(page: Page, key: str) -> set[str]:
    """What an editor deletes with an element."""
    gone, more = {key}, {key}
    while more:
        more = {
            one for one, record in page.nodes.items()
            if one not in gone
            and (page.parent(one) in more or any(page.target(one, name) in more for name in _referring(page, one, record)))
        }  # fmt: skip
        gone |= more
    return gone


def _referring(page: Page, key: str, record: Record) -> tuple[str, ...]:
    if page.kind(key) in ("dataInputAssociation", "dataOutputAssociation"):
        return ()
    return ("@bpmnElement", *_REFERENCES) if "@id" in record else ("@bpmnElement",)


def create(page: Page) -> list[Change]:
    """A new task, event or gateway."""
    holder = page.one(page.of(*_HOLDERS))
    if holder is None:
        return []
    kind = page.rng.choice((*TASKS, *_GATEWAYS, "startEvent", "endEvent", "intermediateThrowEvent"))
    key, made = page.element(holder, kind, name=page.rng.choice(WORDS))
    return made + page.shape(key, page.drawn_beside(holder), "100", "80")


def append(page: Page) -> list[Change]:
    """A new task with the flow that leads to it: one command."""
    source = page.one(key for key in page.flowing() if page.kind(key) != "endEvent")
    if source is None:
        return []
    holder, plane = page.parent(source), page.drawn_beside(source)
    task, made = page.element(holder, page.rng.choice(TASKS))
    flow, led = page.element(holder, "sequenceFlow", sourceRef={"r": source}, targetRef={"r": task})
    return made + page.shape(task, plane, "100", "80") + led + page.edge(flow, plane)


def nest(page: Page) -> list[Change]:
    """A new sub-process with a task in it."""
    holder = page.one(page.of(*_HOLDERS))
    if holder is None:
        return []
    plane = page.drawn_beside(holder)
    outer, made = page.element(holder, "subProcess")
    shape = page.shape(outer, plane, "350", "200")
    shape += [Change(shape[0].key, "@isExpanded", "true")] if shape else []
    inner = page.make()
    within = [
        Change(inner, "t", page.tag(holder, "task")), Change(inner, "@id", "inner" + inner.replace("~", "_")),
        Change(inner, "p", [outer, "a0", ""]), *page.shape(inner, plane, "100", "80"),
    ]  # fmt: skip
    return made + shape + within


def connect(page: Page) -> list[Change]:
    """A flow between two in one container."""
    holder = page.one(page.of(*_HOLDERS))
    inside = page.flowing(inside=holder) if holder else []
    source = page.one(key for key in inside if page.kind(key) != "endEvent")
    target = page.one(key for key in inside if page.kind(key) not in ("startEvent", "boundaryEvent"))
    if holder is None or source is None or target is None:
        return []
    key, made = page.element(holder, "sequenceFlow", sourceRef={"r": source}, targetRef={"r": target})
    return made + page.edge(key, page.drawn_beside(source))


def reconnect(page: Page) -> list[Change]:
    """A flow ends, or begins, elsewhere."""
    flow = page.one(page.of("sequenceFlow"))
    end = page.one(page.flowing(inside=page.parent(flow))) if flow else None
    return [Change(flow, page.rng.choice(("@sourceRef", "@targetRef")), {"r": end})] if flow and end else []


def condition(page: Page) -> list[Change]:
    """A flow gets a condition, or another one."""
    flow = page.one(page.of("sequenceFlow"))
    if flow is None:
        return []
    held = [key for key in page.children(flow) if page.kind(key) == "conditionExpression"]
    if held:
        return [] if page.children(held[0]) else [Change(held[0], "x", page.rng.choice(WORDS))]
    return page.part(f"{flow}/conditionExpression", flow, "conditionExpression", x="amount > 5")


def default(page: Page) -> list[Change]:
    """One of the flows out of a gateway or an activity becomes its default."""
    flow = page.one(page.of("sequenceFlow"))
    source = page.target(flow, "@sourceRef") if flow else ""
    able = source in page.nodes and page.kind(source) in ("exclusiveGateway", "inclusiveGateway", *TASKS)
    return [Change(source, "@default", {"r": flow})] if flow and able else []


def loop(page: Page) -> list[Change]:
    """A task is done for many, or for one again."""
    task = page.one(page.of(*TASKS))
    if task is None:
        return []
    many = ("multiInstanceLoopCharacteristics", "standardLoopCharacteristics")
    held = [key for key in page.children(task) if page.kind(key) in many]
    if held:
        return [Change(one, "d", 1) for one in sorted(gone_with(page, held[0]))]
    return page.part(f"{task}/loopCharacteristics", task, page.rng.choice(many))


def move_into(page: Page) -> list[Change]:
    """Something is dragged into another container."""
    holder = page.one(page.of(*_HOLDERS))
    key = page.one(key for key in page.flowing() if page.kind(key) != "boundaryEvent" and page.drawings(key))
    if holder is None or key is None or page.holds(key, holder):
        return []
    placed = page.inside(holder)
    assert isinstance(placed, list)
    return [Change(key, "p", placed)]


def change_type(page: Page) -> list[Change]:
    """A task or gateway becomes another kind of itself."""
    for kinds in page.rng.sample((TASKS, _GATEWAYS), 2):
        kind = page.rng.choice(kinds)
        key = page.one(one for one in page.of(*kinds) if page.could_be(one, kind))
        if key:
            return [Change(key, "t", page.tag(key, kind))]
    return []


def change_trigger(page: Page) -> list[Change]:
    """An event waits for something else."""
    event = page.one(page.of(*_EVENTS))
    if event is None:
        return []
    old = [one for one in page.children(event) if page.kind(one).endswith("EventDefinition")]
    kind = page.rng.choice(_DEFINITIONS)
    made = page.part(page.make(), event, kind, at_id="trigger" + page.make().replace("~", "_"))
    if kind == "conditionalEventDefinition":
        made += [
            Change(f"{made[0].key}/condition", "t", page.tag(event, "condition")),
            Change(f"{made[0].key}/condition", "p", [made[0].key, "a0", ""]),
            Change(f"{made[0].key}/condition", "x", "true"),
        ]
    return [Change(one, "d", 1) for one in old] + made


def wait(page: Page) -> list[Change]:
    """A timer gets a date, a duration or a cycle: one of them, in the place of the one it had."""
    timer = page.one(page.of("timerEventDefinition"))
    if timer is None:
        return []
    kind = page.rng.choice(("timeDate", "timeDuration", "timeCycle"))
    old = [one for one in page.children(timer) if page.kind(one).startswith("time")]
    if any(page.kind(one) == kind for one in old):
        return []
    return [Change(one, "d", 1) for one in old] + page.part(f"{timer}/{kind}", timer, kind, x="PT1H", d=0)


def attach(page: Page) -> list[Change]:
    """A boundary event on an activity."""
    host = page.one(page.of(*TASKS, "subProcess"))
    if host is None or page.parent(host) not in page.nodes:
        return []
    key, made = page.element(page.parent(host), "boundaryEvent", attachedToRef={"r": host})
    definition = page.make()
    waits = [
        Change(definition, "t", page.tag(host, "timerEventDefinition")),
        Change(definition, "p", [key, "a0", ""]),
    ]
    return made + waits + page.shape(key, page.drawn_beside(host), "36", "36")


def attach_elsewhere(page: Page) -> list[Change]:
    """A boundary event is dragged to another activity."""
    event = page.one(page.of("boundaryEvent"))
    host = page.one(page.of(*TASKS, "subProcess"))
    if event is None or host is None or page.parent(host) not in page.nodes:
        return []
    changes = [Change(event, "@attachedToRef", {"r": host})]
    if page.parent(event) != page.parent(host):
        changes.append(Change(event, "p", page.inside(page.parent(host))))
    return changes


def send(page: Page) -> list[Change]:
    """A message is made, and an event or task that carries one refers to it."""
    carriers = [*page.of("messageEventDefinition"), *page.of("sendTask", "receiveTask")]
    key = page.one(carriers)
    if key is None:
        return []
    known = [one for one in page.of("message") if one != page.target(key, "@messageRef")]
    if known and page.rng.random() < 0.5:
        return [Change(key, "@messageRef", {"r": page.rng.choice(known)})]
    process = page.one(page.of("process")) or key
    message = page.make()
    made = [
        Change(message, "t", page.tag(process, "message")),
        Change(message, "@id", "message" + message.replace("~", "_")), Change(message, "@name", page.rng.choice(WORDS)),
        Change(message, "p", page.inside(page.root)),
    ]  # fmt: skip
    return [*made, Change(key, "@messageRef", {"r": message})]


def forget(page: Page) -> list[Change]:
    """A message, signal or error that nobody needs any more is deleted."""
    key = page.one(page.of("message", "signal", "error"))
    return [Change(key, "d", 1)] if key else []
