"""Attributes by the grammar, default flows, ids.

`default`    the default flow is one of mine, else it is left out;
`attribute`  a name or value the schema does not take is left out; without a required one the element hides;
`text`       text where the schema wants elements only is left out;
`id`         ids are unique: the smallest key keeps it, the others get a suffix; references follow keys.
Mirror of frontend/src/document/view/attributes.ts.
"""

from collab.bpmn.grammar import Shape, derives, enumeration, shape, typed
from collab.bpmn.records import Value
from collab.bpmn.repair.canonical import base36, digest
from collab.bpmn.repair.draft import Draft, target
from collab.bpmn.repair.names import INTEGER, NAME, NCNAME, NUMBER, QNAME, SPACE, fit, fits, is_name
from collab.bpmn.repair.sound import remove, unhost

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_BOOLEAN = frozenset({"true", "false", "1", "0"})


def defaults(draft: Draft) -> None:
    """A default flow that leaves somebody else is no default."""
    for key in draft.everyone():
        flow = target(draft.value(key, "@default"))
        if flow is None or flow not in draft.parents:
            continue
        source = draft.value(flow, "@sourceRef")
        if target(source) != key and draft.fires("default", key, [draft.value(key, "@default"), source]):
            text = f"{draft.called(key)} shown without default: {draft.name(flow)} does not leave it"
            draft.report("default", key, text, flow)
            draft.change(key, "@default", None)


def attributes(draft: Draft) -> None:
    """Every attribute of every shown element."""
    for key in draft.everyone():
        if key not in draft.parents:
            continue
        kind = draft.kind(key)
        if kind in ("#", "!", "?"):
            continue
        known = _shape(draft, key, kind)
        record = draft.nodes[key]
        odd = [name for name in record if name[:1] == "@" and not _fits(draft, key, name[1:], record[name], known)]
        for name in sorted(odd) if odd else ():
            value = record[name]
            if draft.value(key, name) is not None and draft.fires(f"attribute{name}", key, [record.get("t"), value]):
                _leave_out(draft, key, name, value)
        if known is not None:
            _text(draft, key, known)
            _demand(draft, key, kind, known)


def _text(draft: Draft, key: str, known: Shape) -> None:
    """Text where the schema wants elements only."""
    text = draft.value(key, "x")
    if text is None or known.mixed or (isinstance(text, str) and text.strip(SPACE) == ""):
        return
    if draft.fires("text", key, [draft.nodes[key].get("t"), text]):
        draft.change(key, "x", None)
        draft.report("text", key, f"{draft.called(key)} shown without its text: not allowed by the BPMN schema")


def _shape(draft: Draft, key: str, kind: str) -> Shape | None:
    """The shape of an element; xsi:type may name a richer one (a formal expression where an expression stands)."""
    known = shape(kind)
    if known is not None and isinstance(named := draft.nodes[key].get("@xsi:type"), str):
        return typed(named.rpartition(":")[2].strip(SPACE)) or known
    return known


def _fits(draft: Draft, key: str, name: str, value: Value, known: Shape | None) -> bool:  # noqa: PLR0911 -- a list
    if isinstance(value, dict) and target(value) is not None:
        value = "r"  # a reference: its spelling is the view's business
    if not isinstance(value, str) or not is_name(name) or not fits(value):
        return False
    if known is None or name == "xmlns" or name.startswith("xmlns:"):
        return True
    declared = known.attributes.get(name)
    if declared is not None:
        return _typed(declared[0], value)
    prefix, colon, _ = name.partition(":")
    if not colon:
        return False
    if prefix == "xml":
        return known.other
    if (draft.scope(key).prefixes.get(prefix) or draft.everywhere.get(prefix)) != _XSI:
        return known.other
    return name.partition(":")[2] != "type" or derives(draft.kind(key), value.rpartition(":")[2].strip(SPACE))


def _typed(type_: str, value: str) -> bool:
    match type_:
        case "xsd:boolean":
            return value.strip(SPACE) in _BOOLEAN
        case "xsd:integer" | "xsd:int":
            return INTEGER.fullmatch(value.strip(SPACE)) is not None
        case "xsd:double":
            return NUMBER.fullmatch(value.strip(SPACE)) is not None
        case "xsd:ID" | "xsd:IDREF":
            return NCNAME.fullmatch(value.strip(SPACE)) is not None
        case "xsd:QName":
            return QNAME.fullmatch(value.strip(SPACE)) is not None
    words = enumeration(type_)
    return not words or value in words


def _leave_out(draft: Draft, key: str, name: str, value: Value) -> None:
    known = _shape(draft, key, draft.kind(key))
    if isinstance(value, str) and NAME.fullmatch(name, 1) and (known is None or name[1:] in known.attributes):
        mended = fit(value)
        if mended != value and (known is None or _typed(known.attributes[name[1:]][0], mended)):
            draft.change(key, name, mended)
            draft.report("attribute", key, f"{name[1:]} of {draft.called(key)} holds characters XML cannot")
            return
    draft.change(key, name, None)
    draft.report("attribute", key, f"{draft.called(key)} shown without {name[1:]}: not allowed by the BPMN schema")


def _demand(draft: Draft, key: str, kind: str, known: Shape) -> None:
    for name in known.required:
        if draft.value(key, "@" + name) is not None:
            continue
        if not draft.fires(f"attribute@{name}", key, [draft.nodes[key].get("t")]):
            continue
        if kind == "definitions":
            draft.change(key, "@" + name, "")
        elif kind == "boundaryEvent" and name == "attachedToRef":
            unhost(draft, key, "is not named", None)
        else:
            draft.report("attribute", key, f"{draft.called(key)} hidden: it has no {name}")
            remove(draft, key) if key != draft.root else None
        if key not in draft.parents or draft.kind(key) != kind:
            return


def identities(draft: Draft) -> None:
    """One id, one element; and what is referred to has one."""
    taken: dict[str, str] = {}
    for key in draft.everyone():
        known = shape(draft.kind(key))
        if known is None or "id" not in known.attributes:
            continue
        id_ = draft.value(key, "@id")
        if not isinstance(id_, str):
            continue
        id_ = id_.strip(SPACE)
        keeper = taken.setdefault(id_, key)
        if keeper != key and draft.fires("id", key, [id_, keeper]):
            draft.change(key, "@id", other := f"{id_}_{base36(digest(key))}")
            taken.setdefault(other, key)
            draft.report("id", key, f"{draft.word(key)} {id_} gets the id {other}: two elements have the same", keeper)
    for key in sorted(draft.referrers):
        if key not in draft.parents or isinstance(draft.value(key, "@id"), str):
            continue
        if any(by in draft.parents for by, _ in draft.referrers[key]):
            local = draft.kind(key).rpartition(":")[2] or "element"
            draft.change(key, "@id", made := f"{local}_{base36(digest(key))}")
            draft.report("id", key, f"{draft.word(key)} gets the id {made}: it has none, and is referred to")
