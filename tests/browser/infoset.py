"""What two XML files differ in, element by element: the oracle of "an edit changed nothing it did not touch".

Independent of Colane's own code: lxml reads both. An element is named by its id, else by its place under the nearest
element that has one.
"""

import difflib
from collections.abc import Iterator

from lxml import etree

Facts = dict[str, tuple[str, ...]]
BOUNDS = "{http://www.omg.org/spec/DD/20100524/DC}Bounds"


def _walk(element: etree._Element, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    attributes = sorted(f"{key!s}={value!s}" for key, value in element.attrib.items())
    text = (element.text or "").strip()
    yield name, (str(element.tag), *attributes, f"text={text}")
    counts: dict[str, int] = {}
    for child in element:
        tag = etree.QName(child).localname if isinstance(child.tag, str) else "comment"
        counts[tag] = counts.get(tag, 0) + 1
        own = child.get("id") if isinstance(child.tag, str) else None
        yield from _walk(child, own or f"{name}/{tag}[{counts[tag]}]")


def facts(xml: bytes) -> Facts:
    """Every element of a file by name: its tag, attributes and text."""
    root = etree.fromstring(xml)
    return dict(_walk(root, "/"))


def changed(before: bytes, after: bytes) -> dict[str, tuple[tuple[str, ...] | None, tuple[str, ...] | None]]:
    """Elements that differ: name -> (before, after); None where the element is not there."""
    old, new = facts(before), facts(after)
    names = sorted(old.keys() | new.keys())
    return {name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)}


def canonical(xml: bytes) -> list[str]:
    """A file to the letter, a line for each node. Not told: quotes, order of attributes, indentation between elements."""
    tree = etree.fromstring(xml).getroottree()
    around = [*tree.getroot().itersiblings(preceding=True), *tree.getroot().itersiblings()]
    return [_line(node, node is top) for top in (tree.getroot(), *around) for node in top.iter()]


def _line(node: etree._Element, top: bool) -> str:
    is_element = isinstance(node.tag, str)
    name = f"{node.prefix}:{etree.QName(node).localname}" if is_element else type(node).__name__
    parent = node.getparent()
    outer = {} if parent is None else parent.nsmap
    declared = sorted(f"xmlns:{prefix}={uri}" for prefix, uri in node.nsmap.items() if outer.get(prefix) != uri)
    said = sorted(f"{key!s}={value!r}" for key, value in node.attrib.items()) if is_element else []
    text = node.text or ""
    within = "" if len(node) and not text.strip() else text
    after = "" if top or not (node.tail or "").strip() else node.tail
    return f"{sum(1 for _ in node.iterancestors())} {name} {' '.join([*said, *declared])} {within!r} {after!r}"


def differences(got: list[str], wanted: list[str]) -> str:
    """The first lines in which two files differ, to be read by a person; empty when they do not."""
    found = list(difflib.unified_diff(wanted, got, "wanted", "got", n=0, lineterm=""))
    return "\n".join(line[:400] for line in found[:12])


def renamed(xml: bytes, id_: str, name: str) -> bytes:
    """The file with one element's name set, and nothing else."""
    root = etree.fromstring(xml)
    next(each for each in root.iter("{*}*") if each.get("id") == id_).set("name", name)
    return etree.tostring(root.getroottree())


def moved(before: bytes, after: bytes, id_: str) -> bytes:
    """`before` with one element placed as in `after`: its bounds, its label's, those of what sits on its border, and the
    waypoints and labels of the lines that end there. Fails unless the element went somewhere else and kept its size.
    """
    old, new = etree.fromstring(before), etree.fromstring(after)
    was, now = (next(_drawings(root, id_)).find(BOUNDS) for root in (old, new))
    assert was is not None
    assert now is not None
    assert (was.get("x"), was.get("y")) != (now.get("x"), now.get("y"))
    for name in _with_it(old, id_):
        for drawn, placed in zip(_drawings(old, name), _drawings(new, name), strict=True):
            for bounds, wanted in zip(drawn.iter(BOUNDS), placed.iter(BOUNDS), strict=True):
                bounds.attrib.update({side: str(wanted.get(side)) for side in ("x", "y")})
            _bend(drawn, placed)
    return etree.tostring(old.getroottree())


def _drawings(root: etree._Element, id_: str) -> Iterator[etree._Element]:
    """The shapes and edges that show an element, in document order."""
    for tag in ("{*}BPMNShape", "{*}BPMNEdge"):
        for each in root.iter(tag):
            if str(each.get("bpmnElement")).rpartition(":")[2] == id_:
                yield each


def _with_it(root: etree._Element, id_: str) -> set[str]:
    """An element, what sits on its border, and every line that ends at one of these, at such a line's middle too."""
    found = {id_}
    while True:
        more = {str(each.get("id")) for each in root.iter("{*}*") if found.intersection(_ends(each))} - {"None"} - found
        if not more:
            return found
        found |= more


def _ends(element: etree._Element) -> Iterator[str]:
    for name in ("sourceRef", "targetRef", "attachedToRef"):
        yield str(element.get(name)).rpartition(":")[2]
        for child in element.findall(f"{{*}}{name}"):
            yield (child.text or "").strip().rpartition(":")[2]
    parent = element.getparent()
    if parent is not None and str(element.tag).endswith(("}dataInputAssociation", "}dataOutputAssociation")):
        yield str(parent.get("id"))


def _bend(drawn: etree._Element, placed: etree._Element) -> None:
    """Gives an edge the points of another: the first ones keep what else they say, the white space between them stays."""
    points, wanted = drawn.findall("{*}waypoint"), placed.findall("{*}waypoint")
    for point, place in zip(points, wanted, strict=False):
        point.attrib.update({side: str(place.get(side)) for side in ("x", "y")})
    for point in points[len(wanted) :]:
        drawn.remove(point)
    for before, place in zip(wanted[len(points) - 1 :], wanted[len(points) :], strict=False):
        points[-1].addnext(place) if before is wanted[len(points) - 1] else before.addnext(place)
