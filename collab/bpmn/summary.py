"""What lists and search show of a diagram: how many elements, its title, its processes, the text people look for.

Pure: a finished tree in, a small plain value out. Called after every import and render.
"""

from typing import Final, TypedDict

from collab.bpmn.kinds import walk
from collab.bpmn.tree import Node, Tree

TEXT_LIMIT: Final = 100_000  # characters kept for search
_PROSE: Final = frozenset({"documentation", "text"})


class Summary(TypedDict):
    """Plain data: stored beside a version as JSON."""

    elements: int  # XML elements, whatever their namespace
    title: str | None  # the name of the definitions, the collaboration or the first named process
    process_ids: list[str]
    names: list[str]  # every name in the model, once, in the order of the file
    text: str  # names, ids and documentation, for search


def summarise(tree: Tree) -> Summary:
    """Walks the tree once."""
    elements = 0
    processes: list[str] = []
    titles: dict[str, str] = {}
    names: dict[str, None] = {}
    words: dict[str, None] = {}
    for node, local in walk(tree.root):
        elements += 1
        if not local or ":" in local:
            continue
        name, id_ = node.attributes.get("name", "").strip(), node.attributes.get("id")
        if local == "process" and id_:
            processes.append(id_)
        if name:
            names[name] = None
            if local in ("definitions", "collaboration", "process"):
                titles.setdefault(local, name)
        for word in (name, id_ or "", _text(node) if local in _PROSE else ""):
            if word:
                words[word] = None
    title = next((titles[kind] for kind in ("definitions", "collaboration", "process") if kind in titles), None)
    return Summary(
        elements=elements,
        title=title,
        process_ids=processes,
        names=list(names),
        text="\n".join(words)[:TEXT_LIMIT],
    )


def _text(node: Node) -> str:
    """The words of an element, without markup."""
    parts = [child.text for child in node.children if child.tag == "#"]
    return " ".join("".join(parts).split())
