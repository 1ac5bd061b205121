"""Reply text: bytes to characters, stop strings, notes."""

from hypothesis import given
from hypothesis import strategies as st

from understudy.inference.text import ReplyText

ALPHABET = st.text(alphabet="ab<>|é🙂\n", max_size=30)


@given(ALPHABET, st.lists(st.integers(1, 4), min_size=1, max_size=40))
def test_any_cutting_of_the_bytes_gives_the_same_text(text: str, sizes: list[int]) -> None:
    data, reply, shown = text.encode(), ReplyText(), ""
    place = 0
    for number in range(len(data)):
        size = sizes[number % len(sizes)]
        reply.add(data[place : place + size])
        shown += reply.take()[0]
        place += size
    reply.end()
    assert shown + reply.take(final=True)[0] == text


@given(ALPHABET, st.lists(st.text(alphabet="ab<>|é", min_size=1, max_size=4), min_size=1, max_size=4))
def test_nothing_of_a_stop_string_is_ever_shown(text: str, stops: list[str]) -> None:
    reply, shown = ReplyText(stops), ""
    for byte in text.encode():
        reply.add(bytes([byte]))
        piece = reply.take()[0]
        shown += piece
        if reply.stopped:
            break
    reply.end()
    shown += reply.take(final=True)[0]
    ends = [i + len(s) for s in stops for i in range(len(text)) if text.startswith(s, i)]
    if not ends:
        assert shown == text
        return
    first_end = min(ends)  # the stop string that was whole first
    first = min(
        i for s in stops for i in range(first_end) if text.startswith(s, i) and i + len(s) == first_end
    )
    assert shown == text[:first]


def test_half_a_character_waits_and_a_broken_one_shows_as_a_mark() -> None:
    reply = ReplyText()
    reply.add("é".encode()[:1])
    assert reply.take() == ("", [])
    reply.end()
    assert reply.take(final=True)[0] == "�"


def test_the_blanks_of_the_template_are_cut_once() -> None:
    reply = ReplyText(prefix="\n\n")
    for piece in (b"\n", b"\n", b"\nHi"):
        reply.add(piece)
    assert reply.take()[0] == "\nHi"
    other = ReplyText(prefix=" ")
    other.add(b"Hi you")
    assert other.take()[0] == "Hi you"


def test_a_note_comes_with_the_text_of_its_token() -> None:
    reply = ReplyText(stop=["END"])
    reply.add(b"so E", note=1)
    assert reply.take() == ("so ", [1])
    reply.add(b"N", note=2)
    assert reply.take() == ("", [])
    reply.add(b"T", note=3)
    assert reply.take() == ("ENT", [2, 3])
