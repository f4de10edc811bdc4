"""Files that are well-formed XML and hardly anything else: what no modeller should write and somebody's does.

`nasty(rng)` writes one as text, by no code of ours: BPMN elements in right and wrong places, references of every kind,
ids that look like our own keys, namespaces bound twice, taken back and shadowed, comments and CDATA anywhere.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final

MODEL: Final = "http://www.omg.org/spec/BPMN/20100524/MODEL"
NAMESPACES: Final = {
    "m": MODEL,
    "di": "http://www.omg.org/spec/BPMN/20100524/DI",
    "dc": "http://www.omg.org/spec/DD/20100524/DC",
    "wp": "http://www.omg.org/spec/DD/20100524/DI",
    "x": "urn:foreign",
}
PREFIXES: Final = {
    "m": ["", "bpmn", "semantic", "b"],
    "di": ["bpmndi", "b", "di2"],
    "dc": ["dc", "omgdc", "d"],
    "wp": ["di", "omgdi", "d"],
    "x": ["x", "y", "ns0", "acme"],
}
IDS: Final = (
    "A", "B", "C", "D", "E", "F", "Process_1", "~1", "~2", "~7", "~1_", "__proto__", "constructor", "toString", "hasOwnProperty",
    "valueOf", "meta", "n", "root", "p", "t", "d", "x", "", " ", "0", "1", "10", "-1", "2.50", "ü", "😀", "a.b-c", "_",
    "A/extensionElements", "A/BPMNLabel", "A/text", "/", "A@P", "x:y", "m:A", "A ", " A", "~client.1", "null", "undefined",
    "length", "then", "\ue000", "\ufb01", "\U00010400", "&", "a\nb", "a\tb", "a\rb",
)  # fmt: skip
NODES: Final = (
    "task", "userTask", "scriptTask", "startEvent", "endEvent", "boundaryEvent", "exclusiveGateway", "callActivity",
    "intermediateThrowEvent", "dataObjectReference", "dataStoreReference", "textAnnotation", "choreographyTask", "noSuch",
)  # fmt: skip
INNER: Final = (
    "documentation", "extensionElements", "incoming", "outgoing", "messageEventDefinition", "timerEventDefinition",
    "multiInstanceLoopCharacteristics", "ioSpecification", "dataInputAssociation", "property", "text", "script",
    "conditionExpression", "laneSet", "flowNodeRef", "performer", "noSuch", "sequenceFlow",
)  # fmt: skip
REFERENCES: Final = (
    "sourceRef",
    "targetRef",
    "default",
    "attachedToRef",
    "messageRef",
    "dataObjectRef",
    "processRef",
    "itemSubjectRef",
)
NUMBERS: Final = (
    "1",
    "1.0",
    "01",
    "-3.50",
    "+2",
    "1e3",
    ".5",
    "5.",
    " 7 ",
    "NaN",
    "",
    "1,5",
    "99999999999999999999",
    "-0",
)
WORDS: Final = (
    "", " ", "  ", "\n", "\t", "a", "a b", " a ", "a\r\nb", "<&>\"'", "]]>", "--", "\r", "\x85", "\u2028", "é", "😀", "\xa0",
    "${a < b && c}", "&amp;", "x" * 300, "1.0", "true", "\ufeff",
)  # fmt: skip
ENCODINGS: Final = ("utf-8", "utf-8-sig", "utf-16", "iso8859-1", "iso8859-15", "cp1252", "ascii")
DECLARED: Final = {
    "utf-8-sig": "UTF-8",
    "utf-8": "utf-8",
    "cp1252": "Windows-1252",
    "ascii": "US-ASCII",
    "utf-16": "UTF-16",
}

Scope = dict[str, str]  # prefix -> one of NAMESPACES, "" for none


def nasty(rng: random.Random, size: int = 12) -> bytes:
    """One file; `size` is about how many things happen in its process."""
    return _Writer(rng, size).file()


class _Writer:
    def __init__(self, rng: random.Random, size: int) -> None:
        self.rng = rng
        self.size = size
        self.spread = rng.choice([0, 0.02, 0.1, 0.3])  # how often something is written in an unusual way
        self.ids = rng.sample(IDS, rng.randrange(4, 14))
        self.encoding = rng.choice(ENCODINGS)
        self.newline = rng.choice(["\n", "\r\n", "\r", ""])

    def odd(self) -> bool:
        return self.rng.random() < self.spread

    # -- the file ----------------------------------------------------------------------------------------------------

    def file(self) -> bytes:
        rng, encoding = self.rng, self.encoding
        named = DECLARED.get(encoding, encoding.replace("iso8859", "ISO-8859"))
        plain = encoding in ("utf-8", "utf-8-sig", "utf-16")
        declaration = "" if plain and rng.random() < 0.2 else f'<?xml version="1.0" encoding="{named}"'
        if declaration:
            declaration += rng.choice(["", " standalone='yes'", ' standalone="no"']) + rng.choice(["?>", " ?>"])
        around = [self.aside() if self.rng.random() < 0.2 else "" for _ in range(2)]
        root = self.definitions()
        text = (
            self.newline.join([declaration, around[0], root, around[1]])
            if declaration
            else around[0] + root + around[1]
        )
        return text.encode(encoding, "xmlcharrefreplace")

    def definitions(self) -> str:
        scope: Scope = {}
        declared: dict[str, str] = {}
        for name in NAMESPACES:
            for prefix in self.rng.sample(PREFIXES[name], 2 if self.odd() or name == "x" else 1):
                if prefix not in scope:
                    scope[prefix] = name
        for name in NAMESPACES:  # whatever was crowded out gets a prefix of its own
            if name not in scope.values():
                scope[f"p{name}"] = name
        for prefix, name in scope.items():
            declared[f"xmlns:{prefix}" if prefix else "xmlns"] = NAMESPACES[name]
        if self.rng.random() < 0.7:
            declared["targetNamespace"] = self.rng.choice([MODEL, "urn:foreign", "urn:t", ""])
        attributes = declared | self.attributes(scope, "definitions")
        parts: list[Callable[[Scope], str]] = [self.process, self.diagram]
        parts += [self.rng.choice([self.process, self.diagram, self.collaboration, self.thing]) for _ in range(3)]
        if self.odd():
            self.rng.shuffle(parts)
        return self.element(scope, "m", "definitions", attributes, parts, bare=True)

    # -- what there is -----------------------------------------------------------------------------------------------

    def process(self, scope: Scope) -> str:
        parts = [self.rng.choice([self.node, self.node, self.flow, self.lanes, self.thing]) for _ in range(self.size)]
        return self.element(scope, "m", self.rng.choice(["process", "process", "subProcess"]), None, parts)

    def collaboration(self, scope: Scope) -> str:
        def participant(inner: Scope) -> str:
            return self.element(inner, "m", self.rng.choice(["participant", "messageFlow", "group"]), None, [])

        return self.element(scope, "m", "collaboration", None, [participant] * self.rng.randrange(3))

    def node(self, scope: Scope) -> str:
        parts = [self.rng.choice([self.inner, self.ends]) for _ in range(self.rng.randrange(4))]
        if self.rng.random() < 0.1 and self.size > 2:
            self.size //= 2
            return self.process(scope)
        return self.element(scope, "m", self.rng.choice(NODES), None, parts)

    def ends(self, scope: Scope) -> str:
        return self.named(scope, self.rng.choice(["incoming", "outgoing"]))

    def flow(self, scope: Scope) -> str:
        attributes = self.attributes(scope, "sequenceFlow")
        attributes |= {"sourceRef": self.reference(scope), "targetRef": self.reference(scope)}
        return self.element(scope, "m", "sequenceFlow", attributes, [self.inner] * self.rng.randrange(2))

    def lanes(self, scope: Scope) -> str:
        def member(inner: Scope) -> str:
            return self.named(inner, "flowNodeRef")

        def lane(inner: Scope) -> str:
            return self.element(
                inner, "m", "lane", None, [member] * self.rng.randrange(4) + [self.inner] * self.rng.randrange(2)
            )

        return self.element(scope, "m", "laneSet", None, [lane] * self.rng.randrange(3))

    def named(self, scope: Scope, local: str) -> str:
        """An element whose text names another."""
        if self.odd():
            return self.inner(scope)
        return self.element(
            scope, "m", local, {} if self.rng.random() < 0.9 else None, [lambda _: self.escaped(self.reference(scope))]
        )

    def inner(self, scope: Scope) -> str:
        parts = [self.rng.choice([self.thing, self.text, self.text]) for _ in range(self.rng.randrange(3))]
        return self.element(scope, "m", self.rng.choice(INNER), None, parts)

    def thing(self, scope: Scope) -> str:
        """Somebody's extension, at any depth."""
        parts: list[Callable[[Scope], str]] = []
        if self.rng.random() < 0.6:
            parts = [self.rng.choice([self.text, self.thing, self.inner]) for _ in range(self.rng.randrange(3))]
        return self.element(
            scope, self.rng.choice(["x", "x", "m", ""]), self.rng.choice(["task", "v", "documentation"]), None, parts
        )

    def diagram(self, scope: Scope) -> str:
        def plane(inner: Scope) -> str:
            parts = [self.rng.choice([self.shape, self.shape, self.edge]) for _ in range(self.size // 2)]
            return self.element(inner, "di", "BPMNPlane", None, parts)

        planes = [plane] * self.rng.choice([0, 1, 1, 1, 1, 2]) if self.odd() else [plane]
        return self.element(scope, "di", "BPMNDiagram", None, planes)

    def shape(self, scope: Scope) -> str:
        usual = [self.bounds, self.label] if self.rng.random() < 0.3 else [self.bounds]
        parts = self.rng.choices([self.bounds, self.label, self.point, self.inner], k=3) if self.odd() else usual
        return self.element(scope, "di", "BPMNShape", None, parts)

    def edge(self, scope: Scope) -> str:
        usual = [self.point] * self.rng.randrange(4)
        parts = self.rng.choices([self.bounds, self.label, self.point, self.inner], k=4) if self.odd() else usual
        return self.element(scope, "di", "BPMNEdge", None, parts)

    def label(self, scope: Scope) -> str:
        return self.element(scope, "di", "BPMNLabel", {} if self.rng.random() < 0.5 else None, [self.bounds])

    def bounds(self, scope: Scope) -> str:
        held = {name: self.rng.choice(NUMBERS) for name in ("x", "y", "width", "height")}
        return self.element(scope, "dc", "Bounds", self.spoiled(held), [self.inner] if self.odd() else [])

    def point(self, scope: Scope) -> str:
        held = {name: self.rng.choice(NUMBERS) for name in ("x", "y")}
        return self.element(scope, "wp", "waypoint", self.spoiled(held), [self.text] if self.odd() else [])

    def spoiled(self, held: dict[str, str]) -> dict[str, str]:
        if self.odd():
            held.pop(self.rng.choice(list(held)))
        if self.odd():
            held[self.rng.choice(["id", "z", "X", "xml:lang"])] = self.rng.choice(self.ids)
        return held

    # -- values ------------------------------------------------------------------------------------------------------

    def reference(self, scope: Scope) -> str:
        value = self.rng.choice(self.ids) if self.rng.random() < 0.9 else "nowhere"
        if self.rng.random() < 0.15:
            value = f"{self.rng.choice([*scope, 'none'])}:{value}"
        return f" {value}\n" if self.odd() else value

    def attributes(self, scope: Scope, local: str) -> dict[str, str]:
        rng, made = self.rng, dict[str, str]()
        if rng.random() < 0.7:
            made["id"] = rng.choice(self.ids)
        if rng.random() < 0.3:
            made["name"] = rng.choice(WORDS)
        for name in REFERENCES:
            if rng.random() < 0.05:
                made[name] = self.reference(scope)
        if local.startswith("BPMN") and rng.random() < 0.9:
            made["bpmnElement"] = self.reference(scope)
        if rng.random() < 0.1:
            own = [prefix for prefix, name in scope.items() if prefix and name == "x"]
            for prefix in own:
                made[f"{prefix}:{'same' if rng.random() < 0.1 and len(own) == 1 else 'a' + prefix}"] = rng.choice(WORDS)
        if self.odd():
            made[
                rng.choice(["xml:space", "xml:lang", "xml:base", "isExecutable", "__proto__", "constructor", "class"])
            ] = rng.choice(["preserve", "default", "en", ""])
        return made

    # -- spelling ----------------------------------------------------------------------------------------------------

    def element(
        self,
        scope: Scope,
        namespace: str,
        local: str,
        attributes: dict[str, str] | None,
        parts: Sequence[Callable[[Scope], str]],
        *,
        bare: bool = False,
    ) -> str:
        rng = self.rng
        held = self.attributes(scope, local) if attributes is None else dict(attributes)
        if not bare and self.odd():
            scope = self.rebound(scope, namespace, held)
        known = [prefix for prefix, name in scope.items() if name == namespace]
        if not known:
            if namespace and (len(scope) < 9 or rng.random() < 0.5):
                known = [f"q{len(scope)}"]
                scope = scope | {known[0]: namespace}
                held[f"xmlns:{known[0]}"] = NAMESPACES[namespace]
            else:
                known = [""]
                scope = scope | {"": namespace}
                held["xmlns"] = NAMESPACES.get(namespace, "")
        prefix = rng.choice(known)
        tag = f"{prefix}:{local}" if prefix else local
        order = list(held.items())
        rng.shuffle(order)
        blank = rng.choice(["\n ", "\t", "  "]) if self.odd() else " "
        start = f"<{tag}" + "".join(
            f"{blank}{name}{' = ' if self.odd() else '='}{self.quoted(value)}" for name, value in order
        )
        made = [part(scope) for part in parts]
        if self.odd():
            made.insert(rng.randrange(len(made) + 1), self.aside() if rng.random() < 0.5 else self.text(scope))
        if not made:
            return start + rng.choice(
                ["/>", " />", f"></{tag}>", f"></{tag} >"] if rng.random() < 0.9 else [f"> \t</{tag}>"]
            )
        space = self.newline + "  " if rng.random() < 0.7 and all(one.startswith("<") for one in made) else ""
        return f"{start}>{space}{space.join(made)}{space}</{tag}>"

    def rebound(self, scope: Scope, namespace: str, held: dict[str, str]) -> Scope:
        """Prefixes bound anew from here on, as an element may."""
        rng = self.rng
        match rng.randrange(5):
            case 0:
                new = {"": namespace}
            case 1:
                new = {"": ""}
            case 2:
                new = {rng.choice([p for p in scope if p] or ["z"]): rng.choice(list(NAMESPACES))}
            case 3:
                new = {"z": namespace or "x", "zz": namespace or "x"}
            case _:
                new = {prefix: name for prefix, name in scope.items() if rng.random() < 0.5 and name}
        for prefix, name in new.items():
            held[f"xmlns:{prefix}" if prefix else "xmlns"] = NAMESPACES.get(name, "")
        return scope | new

    def quoted(self, value: str) -> str:
        quote = self.rng.choice("\"'") if self.odd() else '"'
        text = value.replace("&", "&amp;").replace("<", "&lt;").replace(quote, "&#34;" if quote == '"' else "&apos;")
        for blank in "\r\n\t":
            if blank in text and self.rng.random() < 0.8:
                text = text.replace(blank, f"&#{ord(blank)};")
        return quote + text + quote

    def escaped(self, value: str) -> str:
        text = value.replace("&", "&#38;").replace("<", "&lt;").replace("]]>", "]]&gt;")
        return text.replace("\r", "&#xD;") if self.rng.random() < 0.7 else text

    def text(self, _: Scope) -> str:
        value = self.rng.choice(WORDS)
        match self.rng.randrange(5):
            case 0:
                return self.cdata(value)
            case 1:
                return self.cdata(value) + self.rng.choice(["", " ", "a", self.cdata("")]) + self.cdata("b")
            case _:
                return self.escaped(value)

    def cdata(self, value: str) -> str:
        held = value.replace("]]>", "]] >")
        if self.encoding not in ("utf-8", "utf-8-sig", "utf-16"):  # no reference is read in there
            held = held.encode("ascii", "ignore").decode()
        return f"<![CDATA[{held}]]>"

    def aside(self) -> str:
        word = self.rng.choice(WORDS).replace("--", "- -").replace("?>", "? >")
        if self.encoding not in ("utf-8", "utf-8-sig", "utf-16"):
            word = word.encode("ascii", "ignore").decode()
        return self.rng.choice([f"<!--{word}. -->", "<!---->", f"<?target {word}.?>", "<?empty?>"])
