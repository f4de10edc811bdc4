"""Writes collab/bpmn/grammar.json from the five schema files: what the BPMN 2.0 schema allows where, as plain data.

Run by hand after a change: `python -m tests.bpmn.make_grammar`. `test_golden.py` checks that the committed file is
what this makes. Kinds are element names with a fixed prefix: none for the BPMN model, `bpmndi:`, `dc:` and `di:` for
diagram interchange.
"""

import json
from pathlib import Path
from xml.etree.ElementTree import Element, parse

XS = "{http://www.w3.org/2001/XMLSchema}"
FOLDER = Path(__file__).parents[2] / "collab" / "bpmn"
FILES = {"BPMN20": "", "Semantic": "", "BPMNDI": "bpmndi:", "DC": "dc:", "DI": "di:"}
Json = dict[str, object]


def _named(name: str, prefix: str) -> str:
    """The kind a name in a schema file means: prefixed names are written as they are."""
    return name if ":" in name else prefix + name


def _particles(of: Element, prefix: str, local: dict[str, str], types: dict[str, Json]) -> list[list[object]]:
    found: list[list[object]] = []
    for part in of:
        low, high = int(part.get("minOccurs", "1")), part.get("maxOccurs", "1")
        if part.tag == XS + "element":
            ref, name = part.get("ref"), part.get("name")
            kind = _named(ref, prefix) if ref else prefix + str(name)
            found.append([kind, low, 0 if high == "unbounded" else int(high)])
            if name:
                inner = part.find(XS + "complexType")
                declared = part.get("type")
                if inner is not None:
                    types[kind] = _content(inner, prefix, local, types)
                    declared = kind
                local.setdefault(kind, _named(str(declared), prefix))
        elif part.tag == XS + "sequence":
            found += _particles(part, prefix, local, types)
        elif part.tag == XS + "choice":
            found += [[kind, 0, high] for kind, _, high in _particles(part, prefix, local, types)]
    return found


def _choices(of: Element) -> list[list[list[str]]]:
    return [
        [[str(e.get("name") or e.get("ref")) for e in option.iter(XS + "element")] for option in choice]
        for choice in of.iter(XS + "choice")
    ]


def _content(complex_type: Element, prefix: str, local: dict[str, str], types: dict[str, Json]) -> Json:
    body = complex_type
    made: Json = {}
    extension = complex_type.find(f"{XS}complexContent/{XS}extension")
    if extension is not None:
        made["base"] = _named(str(extension.get("base")), prefix)
        body = extension
    particles = [
        p
        for part in body
        if part.tag in (XS + "sequence", XS + "choice")
        for p in _particles(part if part.tag == XS + "sequence" else _wrapped(part), prefix, local, types)
    ]
    if particles:
        made["children"] = particles
    if choices := _choices(body):
        made["choices"] = choices
    attributes = {
        str(a.get("name")): [_named(str(a.get("type")), prefix), 1 if a.get("use") == "required" else 0]
        for a in body.findall(XS + "attribute")
    }
    if attributes:
        made["attributes"] = attributes
    if body.find(XS + "anyAttribute") is not None:
        made["other"] = 1
    if next(iter(e for s in body.findall(XS + "sequence") for e in s.findall(XS + "any")), None) is not None:
        made["any"] = 1
    if complex_type.get("mixed") == "true":
        made["mixed"] = 1
    if complex_type.get("abstract") == "true":
        made["abstract"] = 1
    return made


def _wrapped(choice: Element) -> Element:
    wrapper = Element(XS + "sequence")
    wrapper.append(choice)
    return wrapper


def grammar(folder: Path) -> Json:
    """Reads the five files and returns the whole table."""
    elements: dict[str, str] = {}
    local: dict[str, str] = {}
    types: dict[str, Json] = {}
    simple: dict[str, list[str]] = {}
    heads: dict[str, list[str]] = {}
    for file, prefix in FILES.items():
        for part in parse(folder / f"{file}.xsd").getroot():
            name = prefix + str(part.get("name"))
            if part.tag == XS + "element":
                elements[name] = _named(str(part.get("type")), prefix)
                if head := part.get("substitutionGroup"):
                    heads.setdefault(_named(head, prefix), []).append(name)
            elif part.tag == XS + "complexType":
                types[name] = _content(part, prefix, local, types)
            elif part.tag == XS + "simpleType":
                union = part.find(XS + "union") is not None
                simple[name] = [] if union else [str(e.get("value")) for e in part.iter(XS + "enumeration")]
    for kind, declared in local.items():
        if "abstract" in types.get(elements.get(kind, ""), {}):
            # An abstract name can stand nowhere; one type uses it again for a part of its own (<event>).
            elements[kind] = declared
            for members in heads.values():
                if kind in members:
                    members.remove(kind)
        elements.setdefault(kind, declared)
    return {"elements": elements, "heads": heads, "simple": simple, "types": types}


def text(folder: Path) -> str:
    """The file as it is committed: one line an entry, so that a difference can be read."""
    sections = []
    for name, table in grammar(folder).items():
        rows = [f"  {json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in sorted(dict(table).items())]  # type: ignore[call-overload]
        sections.append(f"{json.dumps(name)}: {{\n" + ",\n".join(rows) + "\n}")
    return "{\n" + ",\n".join(sections) + "\n}\n"


if __name__ == "__main__":
    (FOLDER / "grammar.json").write_text(text(FOLDER / "xsd"), encoding="utf-8")
