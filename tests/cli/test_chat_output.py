"""What a model says is printed, and steers nothing."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from understudy.cli.chat import _print_reply, _printable


@given(st.text())
def test_letters_stay_and_control_characters_go(text):
    shown = _printable(text)

    assert not any((ord(ch) < 32 and ch not in "\n\t") or 127 <= ord(ch) < 160 for ch in shown)
    assert [ch for ch in text if ch.isprintable()] == [ch for ch in shown if ch.isprintable()]


def test_a_reply_with_escape_sequences_cannot_colour_or_clear_the_screen(capsys):
    conversation = SimpleNamespace(
        forgotten=0, reply=lambda text: iter(["Good \x1b[31mday\x1b", "[2J!\r\x07", " \x9b1m Ça va?\n\tYes"])
    )

    _print_reply(conversation, "Hello")

    assert capsys.readouterr().out == "Good [31mday[2J! 1m Ça va?\n\tYes\n"
