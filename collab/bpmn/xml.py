"""Text to tree and back: the only place where XML is parsed or written.

expat reads names, prefixes and CDATA marks as written; the writer gives every tree the same bytes everywhere. Refused
while reading: DOCTYPE, entities of one's own, encodings we do not know, anything over the limits. White space between
elements is dropped and made anew; in mixed text, xml:space="preserve" and what holds no element it stays to the letter.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from xml.parsers import expat

from collab.bpmn.errors import BpmnError, ForbiddenError, MalformedError, TooLargeError
from collab.bpmn.tree import COMMENT, INSTRUCTION, TEXT, Node, Tree


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes over which a text is refused: bytes, elements, nesting, attributes an element, characters of one value."""

    size: int = 5 * 1024 * 1024
    elements: int = 50_000
    depth: int = 200
    attributes: int = 1_000
    value: int = 1024 * 1024


DEFAULT: Final = Limits()

# By the names Python's codecs give them; what an author may have meant with any of their aliases.
_ENCODINGS: Final = frozenset({"utf-8", "utf-8-sig", "utf-16", "ascii", "iso8859-1", "iso8859-15", "cp1252"})
_DECLARED: Final = re.compile(rb"""^<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._\-]+)["']""")
# How a text begins that is UTF-32, UTF-16 without a mark, or EBCDIC: XML's own appendix F. The first looks like UTF-16.
_UNREAD: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, b"\0\0\0<", b"\0<", b"<\0", b"\x4c\x6f\xa7\x94")
_UNDEFINED_ENTITY: Final = 11  # expat's XML_ERROR_UNDEFINED_ENTITY
_PRESERVE: Final = "xml:space"


# -- reading ---------------------------------------------------------------------------------------------------------


def parse(data: bytes, charset: str | None = None, limits: Limits = DEFAULT) -> Tree:
    """The tree of a text. `charset` (from a Content-Type) wins over the declaration in the text.

    Raises ForbiddenError, MalformedError and TooLargeError.
    """
    if len(data) > limits.size:
        raise TooLargeError(f"the file has {len(data):,} bytes; {limits.size:,} are allowed")
    text = _decode(data, charset)
    reader = _Reader(limits)
    parser = expat.ParserCreate("utf-8")
    reader.listen(parser)
    try:
        parser.Parse(text, True)  # noqa: FBT003 -- expat's own signature
    except expat.ExpatError as error:
        raise _explained(error) from None
    finally:
        # The handlers are bound methods of the reader and keep the parser alive: a cycle unless cut here.
        reader.deafen(parser)
    assert reader.root is not None, "expat accepts no document without a root"
    return Tree(reader.declaration, reader.root, reader.prolog, reader.epilog)


def _explained(error: expat.ExpatError) -> BpmnError:
    where = f"line {error.lineno}, column {error.offset + 1}"
    if error.code == _UNDEFINED_ENTITY:
        return ForbiddenError(f"an entity that XML itself does not define, at {where}", "entity")
    return MalformedError(f"not well-formed XML: {expat.ErrorString(error.code)} at {where}", "malformed")


def _decode(data: bytes, charset: str | None) -> bytes:
    """The text as UTF-8 without byte order mark."""
    name = _encoding(data, charset)
    if data.startswith(_UNREAD) and not charset:
        raise MalformedError("the file's encoding is not one we read; save it as UTF-8", "encoding")
    try:
        known = codecs.lookup(name).name
    except LookupError:
        known = ""
    if known not in _ENCODINGS:
        raise MalformedError(f"the encoding {name} is not one we read; save the file as UTF-8", "encoding")
    if known == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise MalformedError("the file says UTF-16 and has no byte order mark; save it as UTF-8", "encoding")
    if known in ("utf-8", "utf-8-sig"):
        return data.removeprefix(codecs.BOM_UTF8)  # expat checks the bytes itself
    try:
        return data.decode(known).encode()
    except UnicodeError:
        raise MalformedError(f"the file is not in the encoding it names ({name})", "encoding") from None


def _encoding(data: bytes, charset: str | None) -> str:
    if charset:
        return charset
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = _DECLARED.match(data[:512])
    return declared.group(1).decode("ascii") if declared else "utf-8"


class _Reader:
    """expat's handlers. Text is collected until something else comes, so that CDATA and entities make one run."""

    def __init__(self, limits: Limits) -> None:
        self.declaration: tuple[str, str | None, str | None] | None = None
        self.prolog: list[Node] = []
        self.epilog: list[Node] = []
        self.root: Node | None = None
        self._limits = limits
        self._open: list[Node] = []
        self._preserve: list[bool] = []
        self._pieces: list[tuple[str, int]] = []
        self._length = 0
        self._in_cdata = 0
        self._elements = 0

    def listen(self, parser: expat.XMLParserType) -> None:
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declare
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartCdataSectionHandler = self._start_cdata
        parser.EndCdataSectionHandler = self._end_cdata
        parser.CommentHandler = self._comment
        parser.ProcessingInstructionHandler = self._instruction

    def deafen(self, parser: expat.XMLParserType) -> None:
        handlers: tuple[str, ...] = (
            "XmlDeclHandler", "StartDoctypeDeclHandler", "StartElementHandler", "EndElementHandler",
            "CharacterDataHandler", "StartCdataSectionHandler", "EndCdataSectionHandler", "CommentHandler",
            "ProcessingInstructionHandler",
        )  # fmt: skip
        for handler in handlers:
            setattr(parser, handler, None)

    def _declare(self, version: str, encoding: str | None, standalone: int) -> None:
        self.declaration = (version, encoding, {1: "yes", 0: "no"}.get(standalone))

    def _doctype(self, *_: object) -> None:
        raise ForbiddenError("the file has a DOCTYPE, which is not accepted", "doctype")

    def _start(self, tag: str, attributes: list[str]) -> None:
        self._flush()
        self._elements += 1
        limits = self._limits
        if self._elements > limits.elements:
            raise TooLargeError(f"the file has more than {limits.elements:,} elements")
        if len(self._open) >= limits.depth:
            raise TooLargeError(f"elements are nested more than {limits.depth} deep")
        if len(attributes) > 2 * limits.attributes:
            raise TooLargeError(f"an element has more than {limits.attributes:,} attributes")
        if any(len(value) > limits.value for value in attributes):
            raise TooLargeError(f"an attribute is longer than {limits.value:,} characters")
        node = Node(tag, dict(zip(attributes[::2], attributes[1::2], strict=True)))
        space = node.attributes.get(_PRESERVE)
        inherited = bool(self._preserve) and self._preserve[-1]
        self._preserve.append(inherited if space is None else space == "preserve")
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def _end(self, _: str) -> None:
        self._flush()
        node = self._open.pop()
        if not self._preserve.pop():
            _drop_layout(node)

    def _text(self, data: str) -> None:
        self._length += len(data)
        if self._length > self._limits.value:
            raise TooLargeError(f"a text is longer than {self._limits.value:,} characters")
        self._pieces.append((data, self._in_cdata))

    def _start_cdata(self) -> None:
        self._in_cdata = 1
        self._pieces.append(("", 2))  # 2: a section begins here, also an empty one, also right after another

    def _end_cdata(self) -> None:
        self._in_cdata = 0

    def _comment(self, data: str) -> None:
        self._flush()
        self._place(Node(COMMENT, text=data))

    def _instruction(self, target: str, data: str) -> None:
        self._flush()
        self._place(Node(INSTRUCTION + target, text=data))

    def _place(self, node: Node) -> None:
        if self._open:
            self._open[-1].children.append(node)
        else:
            (self.prolog if self.root is None else self.epilog).append(node)

    def _flush(self) -> None:
        if not self._pieces:
            return
        text = "".join(piece for piece, _ in self._pieces)
        marks: list[tuple[int, int]] = []
        for piece, kind in self._pieces:
            if kind == 2:
                marks.append((0, 1))
            elif marks and marks[-1][1] == kind:
                marks[-1] = (marks[-1][0] + len(piece), kind)
            else:
                marks.append((len(piece), kind))
        self._pieces = []
        self._length = 0
        if self._open:
            cdata = marks if any(kind for _, kind in marks) else None
            self._open[-1].children.append(Node(TEXT, text=text, cdata=cdata))


def is_layout(node: Node) -> bool:
    """White space that may stand between elements without meaning anything."""
    return node.tag == TEXT and node.cdata is None and not node.text.strip(" \t\r\n")


def _drop_layout(node: Node) -> None:
    """White space between elements goes; in a leaf, beside a lone comment and in mixed text it stays."""
    children = node.children
    if not any(child.is_element for child in children):
        return
    if any(child.tag == TEXT and not is_layout(child) for child in children):
        return
    node.children = [child for child in children if not is_layout(child)]


# -- writing ---------------------------------------------------------------------------------------------------------

_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TEXT_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_VALUE_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_NEEDS_TEXT: Final = re.compile("[&<>\r]")
_NEEDS_VALUE: Final = re.compile('[&<>"\t\n\r]')


def write(tree: Tree) -> bytes:
    """The bytes of a tree: UTF-8, two spaces a level, attributes in one order. The same tree gives the same bytes."""
    standalone = tree.declaration[2] if tree.declaration else None
    note = f' standalone="{standalone}"' if standalone else ""
    out: list[str] = [f'<?xml version="1.0" encoding="UTF-8"{note}?>']
    put = out.append
    for node in tree.prolog:
        put("\n")
        _node(node, put, "", inline=True)
    put("\n")
    _node(tree.root, put, "\n", inline=False)
    for node in tree.epilog:
        put("\n")
        _node(node, put, "", inline=True)
    put("\n")
    return "".join(out).encode()


@lru_cache(4096)
def _ordered(names: tuple[str, ...]) -> tuple[str, ...]:
    """Elements of one kind have the same few attributes over and over."""
    return tuple(sorted(names, key=_rank))


def _rank(name: str) -> tuple[int, str]:
    # Python compares strings by code point, which is the order of their UTF-8 bytes.
    if name.startswith("xmlns"):
        return (0, name)
    return ({"id": 1, "name": 2}.get(name, 3), name)


def _node(node: Node, put: Callable[[str], None], indent: str, *, inline: bool) -> None:
    tag = node.tag
    mark = tag[0]
    if mark == TEXT:
        _text(node, put)
    elif mark == COMMENT:
        put(f"<!--{_comment(node.text)}-->")
    elif mark == INSTRUCTION:
        put(f"<?{tag[1:]}{' ' if node.text else ''}{_legal(node.text).replace('?>', '? >')}?>")
    else:
        put("<" + tag)
        attributes = node.attributes
        for name in _ordered(tuple(attributes)) if len(attributes) > 1 else attributes:
            put(f' {name}="{_value(attributes[name])}"')
        children = node.children
        if not children:
            put("/>")
            return
        put(">")
        space = attributes.get(_PRESERVE)
        inline = inline or space == "preserve" or not _may_be_laid_out(children)
        deeper = indent + "  "
        for child in children:
            if not inline:
                put(deeper)
            _node(child, put, deeper, inline=inline)
        if not inline:
            put(indent)
        put(f"</{tag}>")


def _may_be_laid_out(children: list[Node]) -> bool:
    """Would the reader drop the white space put between these? See _drop_layout."""
    return any(child.is_element for child in children) and not any(child.tag == TEXT for child in children)


def _legal(text: str) -> str:
    # A client may write what XML cannot say; the reader then sees that something was there.
    return _ILLEGAL.sub("�", text) if _ILLEGAL.search(text) else text


def _value(text: str) -> str:
    text = _legal(text)
    return text.translate(_VALUE_ESCAPES) if _NEEDS_VALUE.search(text) else text


def _plain(text: str) -> str:
    return text.translate(_TEXT_ESCAPES) if _NEEDS_TEXT.search(text) else text


def _comment(text: str) -> str:
    text = _legal(text).replace("--", "- -")
    return text + " " if text.endswith("-") else text


def _text(node: Node, put: Callable[[str], None]) -> None:
    text = _legal(node.text)
    pieces = node.cdata
    if pieces is None or sum(length for length, _ in pieces) != len(text):
        put(_plain(text))  # edited since: the marks say nothing about this text any more
        return
    at = 0
    for length, cdata in pieces:
        piece = text[at : at + length]
        at += length
        put(f"<![CDATA[{piece}]]>" if cdata and "]]>" not in piece else _plain(piece))
