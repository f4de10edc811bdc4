"""WebSocket frames as we write and cut them, held against the library that knows the whole protocol."""

import random

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import SERVER, Protocol

from collab.wire.frames import Frames, framed

LIMIT = 1024 * 1024


def client_frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_payload_is_framed_as_the_library_does(size: int) -> None:
    payload = random.Random(size).randbytes(size)
    assert framed(payload) == Frame(Opcode.BINARY, payload).serialize(mask=False)
    assert framed(payload) is framed(payload)
    assert framed(payload, b"to: ") == framed(b"to: " + payload)
    assert framed(payload, b"to: ") is framed(payload, b"to: ")


@pytest.mark.parametrize("round_", range(20))
def test_R3_whatever_the_pieces_whole_frames_come_out_and_messages_are_the_librarys(round_: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}, round {round_}")
    rng = random.Random(seed)
    sent, stream = [], b""
    for _ in range(40):
        data = rng.randbytes(rng.choice([0, 3, 125, 126, 300, 65_535, 65_536, 70_000]))
        match rng.randrange(4):
            case 0:
                sent.append(client_frame(Opcode.PING, data[:125]))
            case 1:
                sent += [
                    client_frame(Opcode.BINARY, data, fin=False),
                    client_frame(Opcode.CONT, data),
                ]
            case _:
                sent.append(client_frame(Opcode.BINARY, data))
        stream = b"".join(sent)
    frames, found, library = Frames(), [], Protocol(SERVER, max_size=LIMIT)
    at = 0
    while at < len(stream):
        step = rng.choice([1, 2, 3, 7, 100, 5_000, 100_000])
        found += list(frames.read(stream[at : at + step], LIMIT))
        at += step
    assert [whole for whole, _ in found] == sent
    for whole, message in found:
        library.receive_data(whole)
        (event,) = library.events_received()
        assert isinstance(event, Frame)
        simple = event.opcode is Opcode.BINARY and event.fin
        assert message == (bytes(event.data) if simple else None)


def test_R3_a_frame_that_says_it_is_too_large_goes_to_the_library_as_it_comes() -> None:
    frames = Frames()
    large = client_frame(Opcode.BINARY, bytes(LIMIT + 100))
    pieces = [large[:1], large[1:5], large[5:20], large[20:5_000]]
    out = b"".join(whole for piece in pieces for whole, message in frames.read(piece, LIMIT) if message is None)
    assert out == large[:5_000]
    library = Protocol(SERVER, max_size=LIMIT)
    library.receive_data(out)
    assert library.close_sent is not None
    assert library.close_sent.code == 1009


def test_R3_an_unmasked_frame_is_left_to_the_library() -> None:
    frame = Frame(Opcode.BINARY, b"abc").serialize(mask=False)
    assert list(Frames().read(frame, LIMIT)) == [(frame, None)]
