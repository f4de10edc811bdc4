"""The parser says no with a reason, and what it accepts survives to the letter."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collab.bpmn import xml
from collab.bpmn.errors import BpmnError, ForbiddenError, MalformedError, TooLargeError
from collab.bpmn.tree import Node, Tree

NAMES = st.sampled_from(["a", "b:c", "bpmn:task", "ns0:x", "ü"])
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t\r<>&'\"]"), max_size=20
)


def _fitting(text: str) -> bool:
    return all(ord(c) >= 32 or c in "\n\t\r" for c in text) and not any(c in "￾￿" for c in text)


ATTRIBUTES = st.dictionaries(NAMES.filter(lambda n: n != "ü"), TEXT.filter(_fitting), max_size=4)


@st.composite
def nodes(draw: st.DrawFn, depth: int = 3) -> Node:
    node = Node(draw(NAMES), draw(ATTRIBUTES))
    if depth and draw(st.booleans()):
        node.children = [draw(nodes(depth=depth - 1)) for _ in range(draw(st.integers(0, 3)))]
    elif text := draw(TEXT.filter(_fitting)):
        node.children = [Node("#", text=text)]
    return node


@settings(max_examples=150, deadline=None)
@given(nodes())
def test_what_is_written_reads_back_the_same(root: Node) -> None:
    tree = Tree(("1.0", "UTF-8", None), root)
    written = xml.write(tree)
    assert xml.parse(written).root == root
    assert xml.write(xml.parse(written)) == written


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_a_reason(data: bytes) -> None:
    try:
        xml.parse(data)
    except BpmnError as error:
        assert error.rule
        assert str(error)


@pytest.mark.parametrize(
    ("text", "kind", "rule"),
    [
        (b"not xml", MalformedError, "malformed"),
        (b"", MalformedError, "malformed"),
        (b"<a><b></a>", MalformedError, "malformed"),
        (b"<!DOCTYPE a><a/>", ForbiddenError, "doctype"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', ForbiddenError, "doctype"),
        (b"<a>&nbsp;</a>", ForbiddenError, "entity"),
        (b'<?xml version="1.0" encoding="EBCDIC-CP-US"?><a/>', MalformedError, "encoding"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a/>', MalformedError, "encoding"),
        (b'<?xml version="1.0" encoding="utf-16"?><a/>', MalformedError, "encoding"),
        ("\ufeff<a/>".encode("utf-32-le"), MalformedError, "encoding"),
        ("\ufeff<a/>".encode("utf-32-be"), MalformedError, "encoding"),
        ("<?xml version='1.0'?><a/>".encode("utf-16-le"), MalformedError, "encoding"),
        ("<?xml version='1.0'?><a/>".encode("cp500"), MalformedError, "encoding"),
        (b"\0\0", MalformedError, "malformed"),
        ('<?xml version="1.0" encoding="us-ascii"?><a n="ü"/>'.encode(), MalformedError, "encoding"),
        (b"\xff\xfe<\x00a\x00/\x00>\x00\x00", MalformedError, "encoding"),
        (b"<a>&#0;</a>", MalformedError, "malformed"),
        (b"<a/><b/>", MalformedError, "malformed"),
        (b" <?xml version='1.0'?><a/>", MalformedError, "malformed"),
        (b"<a>\xff\xfe</a>", MalformedError, "malformed"),
        (b"<a>" + b"<b/>" * 50_000 + b"</a>", TooLargeError, "size"),
        (b"<a>" * 201 + b"</a>" * 201, TooLargeError, "size"),
        (b"<a " + b" ".join(b'x%d="1"' % i for i in range(1_001)) + b"/>", TooLargeError, "size"),
        (b"<a>" + b"x" * (1024 * 1024 + 1) + b"</a>", TooLargeError, "size"),
        (b'<a b="' + b"x" * (1024 * 1024 + 1) + b'"/>', TooLargeError, "size"),
        (b" " * (5 * 1024 * 1024 + 1), TooLargeError, "size"),
    ],
)
def test_bad_input_gets_its_reason(text: bytes, kind: type[BpmnError], rule: str) -> None:
    with pytest.raises(kind) as raised:
        xml.parse(text)
    assert raised.value.rule == rule
    assert len(str(raised.value)) < 200


def test_a_charset_wins_over_the_declaration() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><a n="ü"/>'.encode()
    assert xml.parse(text, "utf-8").root.attributes["n"] == "ü"
    with pytest.raises(MalformedError):
        xml.parse(text, "no-such-charset")
