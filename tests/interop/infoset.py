"""An independent reading of an XML file: what must be the same before and after Colane.

expat without namespace processing, so that prefixes and declarations count as written. Left out on purpose: the order
of attributes, the declared encoding, and white space between elements.
"""

from xml.parsers import expat

Event = tuple[str, ...]


class _Reader:
    """Turns parser callbacks into one list of events, text joined, white space between elements dropped."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._text: list[str] = []
        # True for each open element that has had an element child or holds only text so far: decides about white space.
        self._open: list[bool] = []

    def _flush(self, *, leaf: bool) -> None:
        text = "".join(self._text)
        self._text.clear()
        if text and (leaf or text.strip()):
            self.events.append(("text", text))

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._flush(leaf=False)
        self._open.append(True)
        if len(self._open) > 1:
            self._open[-2] = False
        self.events.append(("start", tag, *(f"{k}={v}" for k, v in sorted(attributes.items()))))

    def end(self, tag: str) -> None:
        self._flush(leaf=self._open.pop())
        self.events.append(("end", tag))

    def text(self, data: str) -> None:
        self._text.append(data)

    def comment(self, data: str) -> None:
        self._flush(leaf=False)
        if self._open:
            self._open[-1] = False
        self.events.append(("comment", data))

    def instruction(self, target: str, data: str) -> None:
        self._flush(leaf=False)
        if self._open:
            self._open[-1] = False
        self.events.append(("pi", target, data))

    def cdata_start(self) -> None:
        self._text.append("\x00[")

    def cdata_end(self) -> None:
        self._text.append("\x00]")


def infoset(xml: bytes) -> list[Event]:
    """Every start, end, text, comment and processing instruction of a file, in order."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.CommentHandler = reader.comment
    parser.ProcessingInstructionHandler = reader.instruction
    parser.StartCdataSectionHandler = reader.cdata_start
    parser.EndCdataSectionHandler = reader.cdata_end
    parser.Parse(xml, True)
    return reader.events
