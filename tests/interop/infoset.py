"""An independent reading of an XML file: what must be the same before and after Colane.

expat without namespace processing, so that prefixes and declarations count as written. Left out on purpose: the order
of attributes, the declared encoding, and white space between elements (it counts in a leaf, in mixed text, beside a
lone comment, and wherever xml:space="preserve" is in force).
"""

from dataclasses import dataclass, field
from xml.parsers import expat

Event = tuple[str, ...]
BLANK = " \t\r\n"
CDATA = "\x00"  # no character of XML: marks where a section begins and ends


@dataclass
class _Open:
    """An element whose end has not come."""

    start: Event
    preserve: bool
    content: list[list[Event]] = field(default_factory=list)

    def events(self) -> list[Event]:
        """Everything from its start to its end."""
        kinds = {child[0][0] for child in self.content}
        texts = [child[0][1] for child in self.content if child[0][0] == "text"]
        layout = "start" in kinds and not self.preserve and not any(text.strip(BLANK) for text in texts)
        inside = [e for child in self.content if not (layout and child[0][0] == "text") for e in child]
        return [self.start, *inside, ("end", self.start[1])]


class _Reader:
    """Turns parser callbacks into one list of events, text joined."""

    def __init__(self) -> None:
        self._top = _Open(("start", ""), preserve=False)
        self._open = [self._top]
        self._text: list[str] = []

    def _put(self, *events: Event) -> None:
        text = "".join(self._text)
        self._text.clear()
        if text and len(self._open) > 1:
            self._open[-1].content.append([("text", text)])
        if events:
            self._open[-1].content.append(list(events))

    def declaration(self, _version: str, _encoding: str | None, standalone: int) -> None:
        self._put(("standalone", str(standalone)))

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._put()
        space = attributes.get("xml:space")
        preserve = self._open[-1].preserve if space is None else space == "preserve"
        self._open.append(_Open(("start", tag, *(f"{k}={v}" for k, v in sorted(attributes.items()))), preserve))

    def end(self, _tag: str) -> None:
        self._put()
        closed = self._open.pop()
        self._open[-1].content.append(closed.events())

    def text(self, data: str) -> None:
        self._text.append(data)

    def comment(self, data: str) -> None:
        self._put(("comment", data))

    def instruction(self, target: str, data: str) -> None:
        self._put(("pi", target, data))

    def cdata(self) -> None:
        self._text.append(CDATA)

    @property
    def events(self) -> list[Event]:
        told = [event for child in self._top.content for event in child]
        return [event for event in told if event != ("standalone", "-1")]


def infoset(xml: bytes) -> list[Event]:
    """Every start, end, text, comment and processing instruction of a file, in order."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.XmlDeclHandler = reader.declaration
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.CommentHandler = reader.comment
    parser.ProcessingInstructionHandler = reader.instruction
    parser.StartCdataSectionHandler = reader.cdata
    parser.EndCdataSectionHandler = reader.cdata
    parser.Parse(xml, True)
    return reader.events
