"""Promises 1 and 2 on files made to break them: whatever is well-formed comes back, and both languages show it alike.

Judged by an independent reader. A few seconds in the usual run, more with `./run test --long`; a failing seed becomes a
named test.
"""

import os
import random
import time

import pytest

from collab.bpmn import compare, diagram, document, imports, repair, validate, xml
from collab.mirror import mirror
from tests.bpmn.nasty import nasty
from tests.interop.infoset import infoset

SECONDS = 6 * float(os.environ.get("COLANE_LONG_MINUTES") or 0)  # a tenth of the time there is
IN_A_USUAL_RUN = 24
PAST = {"a part that goes with its sibling": 39, "eight rounds of faults behind faults": 2}


def _comes_back(text: bytes) -> None:
    """Through a document and back, by every door."""
    wanted = infoset(text)
    made = diagram.from_xml(text, None, 5)
    assert infoset(made.rendered.xml) == wanted
    assert infoset(made.verbatim) == wanted
    assert made.rendered.repairs == [], "nothing fires on what a file brings"
    assert diagram.text([made.update]) == made.rendered.xml, "same state, same bytes"
    assert diagram.roundtrip(made.rendered.xml)[0] == made.rendered.xml
    assert diagram.edit_towards([made.update], text, None, 9).update is None, "a file is no edit of itself"
    assert compare.compare(text, text).nothing
    validate.validate(text)  # says what it likes, and does not fail


def _becomes(text: bytes, other: bytes) -> None:
    """One file saved over another: what is told is what everybody sees."""
    made = diagram.from_xml(text, None, 5)
    edited = diagram.edit_towards([made.update], other, None, 9)
    updates = [made.update] if edited.update is None else [made.update, edited.update]
    assert diagram.text(updates) == edited.rendered.xml
    assert edited.rendered.repairs == [], "a text's faults are its author's"
    assert edited.exact == (infoset(edited.rendered.xml) == infoset(other))


@pytest.mark.timeout(120 + 2 * SECONDS)
def test_whatever_is_well_formed_comes_back() -> None:
    seed = random.SystemRandom().randrange(2**32)
    done, began = 0, time.monotonic()
    with mirror() as ask:
        assert ask is not None, "TypeScript can be asked"
        while done < IN_A_USUAL_RUN or time.monotonic() < began + SECONDS:
            size = 2 + done % 12
            try:
                text = nasty(random.Random(seed + done), size)
                _comes_back(text)
                _becomes(text, nasty(random.Random(seed - done - 1), size))
                if done % 4 == 0:
                    snapshot = document.read(document.load([diagram.from_xml(text, None, 5).update]))
                    assert ask(snapshot) == repair.canonical(repair.view(snapshot)), "both languages"
            except Exception:
                print(f"seed {seed + done}, size {size}, other {seed - done - 1}")
                raise
            done += 1
    print(f"seed {seed}: {done} files")


@pytest.mark.parametrize("seed", PAST.values(), ids=PAST)
def test_what_went_wrong_once(seed: int) -> None:
    text, other = nasty(random.Random(seed), size=8), nasty(random.Random(seed + 10**6), size=8)
    _comes_back(text)
    _becomes(text, other)


def test_the_files_are_as_odd_as_they_are_meant_to_be() -> None:
    """Or the test above would hold of anything."""
    texts = [nasty(random.Random(seed), size=8) for seed in range(60)]
    assert sum(not validate.validate(text) for text in texts) == 0
    read = b"".join(xml.write(xml.parse(text)) for text in texts)
    for oddity in (
        b"<![CDATA[",
        b"<!--",
        b"<?target",
        b'xmlns=""',
        b"&#13;",
        b'"__proto__"',
        b'"~1"',
        b'xml:space="preserve"',
    ):
        assert oddity in read, oddity
    assert sum(text[:2] in (b"\xff\xfe", b"\xfe\xff") for text in texts) > 2
    assert any(len(imports.from_tree(xml.parse(text)).nodes) > 100 for text in texts)
