"""What two XML files differ in, element by element: the oracle of "an edit changed nothing it did not touch".

Independent of Colane's own code: lxml reads both. An element is named by its id, else by its place under the nearest
element that has one.
"""

from collections.abc import Iterator

from lxml import etree

Facts = dict[str, tuple[str, ...]]


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
