"""What may stand where and how often, by the grammar.

`place`   a node its parent may not hold moves up to the nearest container that may, or hides;
`single`  where the schema allows one, the smallest key stays; what a second extensionElements holds joins the first;
`choice`  of alternatives that exclude each other, the one with the smallest key stays.
Mirror of frontend/src/document/view/content.ts.
"""

from collab.bpmn.grammar import Shape, shape
from collab.bpmn.repair.draft import Draft
from collab.bpmn.repair.names import SPACE
from collab.bpmn.repair.places import above, climbs
from collab.bpmn.repair.sound import remove


def content(draft: Draft) -> None:
    """Every shown parent, in the order of keys; those that get new children on the way are looked at again."""
    moved = True
    for _ in range(8):
        if not moved:
            break
        moved = False
        for key in draft.everyone():
            if key in draft.parents and draft.children.get(key):
                moved = _places(draft, key) or moved
    for key in draft.everyone():
        if key in draft.parents and draft.children.get(key) and (known := shape(draft.kind(key))) is not None:
            _singles(draft, key, known)
            _choices(draft, key, known)


def _places(draft: Draft, key: str) -> bool:
    kind = draft.kind(key)
    known = shape(kind)
    if known is None and kind not in ("#", "!", "?"):
        return False
    moved = False
    for child in sorted(draft.shown(key)):
        inner = draft.kind(child)
        if _fits(draft, child, inner, kind, known):
            continue
        record = draft.nodes[child]
        if not draft.fires("place", child, [record.get("t"), record.get("p"), draft.nodes[key].get("t")]):
            continue
        to = above(draft, child, draft.parents[key]) if climbs(inner) else None
        called, was = draft.called(child), draft.called(key)
        if to is None or _inside(draft, to, child):
            draft.report("place", child, f"{called} hidden: {was} cannot hold it", key)
            draft.hide(child)
        else:
            draft.parents[child] = to
            draft.children.setdefault(to, []).append(child)
            draft.report("place", child, f"{called} moved to {draft.called(to)}: {was} cannot hold it", key)
            moved = True
    return moved


def _fits(draft: Draft, child: str, inner: str, kind: str, known: Shape | None) -> bool:
    if inner in ("!", "?"):
        return known is not None
    if known is None:
        return False
    if inner == "#":
        text = draft.nodes[child].get("x")
        return known.mixed or not isinstance(text, str) or text.strip(SPACE) == ""
    if inner in known.ranks:
        return True
    return known.any and (inner == "" or ":" in inner or kind != "extensionElements")


def _inside(draft: Draft, key: str, top: str) -> bool:
    while key:
        if key == top:
            return True
        key = draft.parents.get(key, "")
    return False


def _singles(draft: Draft, key: str, known: Shape) -> None:
    count: dict[int, list[str]] = {}
    if isinstance(draft.nodes[key].get("b"), list) and "dc:Bounds" in known.ranks:
        count[known.ranks["dc:Bounds"]] = [key]
    for child in sorted(draft.shown(key)):
        kind = draft.kind(child)
        most = known.most.get(kind, 0)
        if not most or child not in draft.parents:  # it went with another one
            continue
        before = count.setdefault(known.ranks[kind], [])
        if len(before) < most:
            before.append(child)
            continue
        record = draft.nodes[child]
        if draft.fires("single", child, [record.get("t"), record.get("p"), before[0]]):
            if kind == "extensionElements":
                for inner in draft.shown(child):
                    draft.parents[inner] = before[0]
                    draft.children.setdefault(before[0], []).append(inner)
                text = f"second extensionElements of {draft.called(key)} joined to the first"
            else:
                text = f"{draft.called(child)} hidden: {draft.called(key)} has one already"
            draft.report("single", child, text, before[0])
            remove(draft, child)


def _choices(draft: Draft, key: str, known: Shape) -> None:
    for alternatives in known.choices:
        groups: list[list[str]] = [[] for _ in alternatives]
        for child in sorted(draft.shown(key)):
            for place, kinds in enumerate(alternatives):
                if draft.kind(child) in kinds:
                    groups[place].append(child)
        present = sorted((group for group in groups if group), key=lambda group: group[0])
        for child in [child for group in present[1:] for child in group]:
            if child not in draft.parents:
                continue
            record = draft.nodes[child]
            if draft.fires("choice", child, [record.get("t"), record.get("p"), present[0][0]]):
                other = draft.called(present[0][0])
                draft.report("choice", child, f"{draft.called(child)} hidden: {other} was set as well", present[0][0])
                remove(draft, child)
