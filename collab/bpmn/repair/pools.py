"""Collaborations and participants.

`pool`  one collaboration a plane: what a second one holds joins the one that is drawn; a process has one participant, a
        second one becomes a black box.
Mirror of frontend/src/document/view/pools.ts.
"""

import re
from typing import Final

from collab.bpmn.repair.draft import Draft, target
from collab.bpmn.repair.sound import remove

CREATED: Final = re.compile(r"~[0-9a-z]+\.[0-9a-z]+|.+/collaboration")


def pools(draft: Draft) -> None:
    """Joins collaborations nobody draws, then looks at whose process is whose."""
    planes = draft.of("bpmndi:BPMNPlane")
    drawn = [to for key in planes if (to := target(draft.value(key, "@bpmnElement"))) in draft.parents]
    keeper = next((key for key in drawn if key and draft.kind(key) == "collaboration"), None)
    for key in draft.of("collaboration"):
        if keeper is None or key in drawn or not CREATED.fullmatch(key):
            continue
        inner = draft.shown(key)
        if inner and draft.fires("pool", key, [draft.nodes[key].get("p"), keeper]):
            for child in inner:
                draft.parents[child] = keeper
                draft.children.setdefault(keeper, []).append(child)
            draft.report("pool", key, f"{draft.called(key)} joined to {draft.called(keeper)}, which is drawn", keeper)
            remove(draft, key)
    _participants(draft)


def _participants(draft: Draft) -> None:
    owner: dict[tuple[str, str], str] = {}
    for key in draft.of("participant"):
        process = target(draft.value(key, "@processRef"))
        if process is None or process not in draft.parents:
            continue
        first = owner.setdefault((draft.parents[key], process), key)
        if first != key and draft.fires("pool", key, [draft.nodes[key].get("@processRef"), first]):
            draft.change(key, "@processRef", None)
            text = f"{draft.called(key)} shown as an empty pool: {draft.name(process)} belongs to {draft.name(first)}"
            draft.report("pool", key, text, first)
