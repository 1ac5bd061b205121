"""What is written in a format is read back word for word; hostile bytes end in one clear error."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from written import WRITTEN

from understudy.dialogue import FORMATS, ImportOptions, read_source
from understudy.dialogue.line import UNSURE
from understudy.errors import DialogueError

OWN_TEXT = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = ("Ophelia", "Traveller")
WORDS = st.text("abcdefghijklmnoprstuvwyäéñß", min_size=1, max_size=9)
SENTENCES = st.builds(
    lambda first, words, mark: " ".join([first.capitalize(), *words]) + mark,
    WORDS,
    st.lists(WORDS, min_size=2, max_size=9),
    st.sampled_from(".!?"),
)
# What programs leave around a text is taken out on purpose; hypothesis finds such marks in our own source.
MARK = re.compile(r"<[^<>]*>|\[EOS\]|###", re.IGNORECASE)
# Any text at all, for formats that hold it in quotes of their own.
ANY_TEXT = (
    st.text(min_size=1, max_size=80)
    .map(lambda text: " ".join(text.split()))
    .filter(lambda text: text and not MARK.search(text))
)
QUOTED = ("chat", "ShareGPT", "Alpaca", "preference", "sillytavern", "discord", "turns")


def conversations(texts):
    turns = st.lists(st.tuples(texts, texts), min_size=1, max_size=3)
    talk = turns.map(lambda pairs: [(n, t) for pair in pairs for n, t in zip(NAMES[::-1], pair, strict=True)])
    return st.lists(talk, min_size=2, max_size=4)


def spoken(reading):
    """``(speaker, text)`` of everything that was read."""
    if reading.lines:
        return [(line.speaker.title(), line.text) for line in reading.lines if line.speaker]
    return [
        ("Ophelia" if message.role == "assistant" else "Traveller", message.content)
        for dialogue in reading.dialogues
        for message in dialogue.messages
    ]


def check(name, talks, folder):
    file_name, write = WRITTEN[name]
    path = folder / file_name
    path.write_text(write(talks), encoding="utf-8")

    reading = read_source(path, ImportOptions(speakers=("Ophelia",)))

    assert spoken(reading) == [line for talk in talks for line in talk]
    return reading


@pytest.mark.parametrize("name", WRITTEN)
@OWN_TEXT
@given(talks=conversations(SENTENCES))
def test_sentences_come_back_word_for_word(name, talks, tmp_path):
    reading = check(name, talks, tmp_path)
    assert not any(line.speaker == UNSURE for line in reading.lines)


@pytest.mark.parametrize("name", QUOTED)
@OWN_TEXT
@given(talks=conversations(ANY_TEXT))
def test_any_text_comes_back_from_json(name, talks, tmp_path):
    if name == "discord":  # its codes for pictures and people are taken out on purpose
        talks = [[(speaker, text.replace("<", "")) for speaker, text in talk] for talk in talks]
        talks = [talk for talk in talks if all(text.strip() == text and text for _, text in talk)] or [
            [("Traveller", "Hi."), ("Ophelia", "Ho.")]
        ]
    check(name, talks, tmp_path)


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_encodings_marks_and_line_ends_change_nothing(tmp_path, name, encoding, line_end):
    talks = [
        [
            ("Traveller", f"Wo wohnst du, Prinzessin, im Jahr {year}?"),
            ("Ophelia", f"In Lanternhill, seit {year}."),
        ]
        for year in (1900, 1901, 1902)
    ]
    file_name, write = WRITTEN[name]
    path = tmp_path / file_name
    path.write_bytes(write(talks).replace("\n", line_end).encode(encoding))

    assert spoken(read_source(path, ImportOptions())) == [line for talk in talks for line in talk]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.lists(
            st.sampled_from(WRITTEN["SRT"][1]([[("A", "B."), ("C", "D.")]]).split("\n")), max_size=12
        ).map(lambda lines: "\n".join(lines).encode()),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "messages",
                            "role",
                            "content",
                            "mes",
                            "name",
                            "turns",
                            "swipes",
                            "author",
                            "prompt",
                            "replies",
                        ]
                    ),
                    inner,
                    max_size=5,
                )
            ),
            max_leaves=20,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
@example(
    data=b'{"prompt": {"text": "a", "role": "b", "replies": [{"text": "c", "role": "d", "replies": 3}]}}'
)
@example(data=b"conversations:\n- &a [*a, *a]\n")
@example(data=b"WEBVTT\n\n00:00.000 --> 99999:00.000\n<v >x\n")
@example(data=b"\xff\xfe\x00")
@example(data=b"\x1f\x8b\x08\x00torn")
@example(data=b"PK\x03\x04")
def test_hostile_bytes_end_in_one_clear_error(name, data, tmp_path):
    path = tmp_path / "hostile"
    path.write_bytes(data)
    try:
        reading = read_source(path, ImportOptions(format=name))
    except DialogueError as error:
        assert str(path) in str(error)  # noqa: PT017 - the message is the outcome
        return
    assert all(line.text for line in reading.lines)
    assert all(message.content for dialogue in reading.dialogues for message in dialogue.messages)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 4000), name=st.sampled_from(sorted(WRITTEN)), junk=st.binary(max_size=5))
def test_torn_files_end_in_one_clear_error_or_in_what_is_left(cut, name, junk, tmp_path):
    talks = [[("Traveller", f"Is it {n} o'clock?"), ("Ophelia", f"It is {n}, my friend.")] for n in range(8)]
    file_name, write = WRITTEN[name]
    data = write(talks).encode()
    path = tmp_path / file_name
    path.write_bytes(data[: cut % (len(data) + 1)] + junk + data[cut % (len(data) + 1) + len(junk) :])
    try:
        reading = read_source(path, ImportOptions())
    except DialogueError as error:
        assert str(path) in str(error)  # noqa: PT017
        return
    assert reading.lines or reading.dialogues


def test_no_two_formats_claim_each_others_files(tmp_path):
    talks = [
        [("Traveller", f"Where do you live, number {n}?"), ("Ophelia", f"In house {n}, my dear friend.")]
        for n in range(12)
    ]
    found = {}
    for name, (file_name, write) in WRITTEN.items():
        path = tmp_path / f"{name}.txt" if name not in ("fountain", "transcript") else tmp_path / file_name
        path.write_text(write(talks), encoding="utf-8")
        found[name] = read_source(path, ImportOptions()).format
    expected = {
        "chat": "chat, messages of role and content",
        "ShareGPT": "chat, ShareGPT (conversations of from and value)",
        "Alpaca": "chat, Alpaca (instruction, input and output)",
        "preference": "chat, preference pairs",
        "sillytavern": "SillyTavern chat",
        "discord": "Discord export",
        "turns": "JSON turns",
        "chatterbot": "ChatterBot YAML",
        "pairs": "questions and answers",
        "transcript": "transcript table",
        "conversations": "table of conversations",
        "script": "script",
        "fountain": "Fountain screenplay",
        "SRT": "subtitles",
        "WebVTT": "subtitles",
        "markdown": "Markdown transcript",
        "novel": "novel",
    }
    assert found == expected


def test_speakers_alternate_in_what_is_written():
    """The writers themselves are not what is tested; a slip in them would hide one in a reader."""
    for _, write in WRITTEN.values():
        text = write([[("Traveller", "One?"), ("Ophelia", "Two.")]])
        assert all(text.index(a) < text.index(b) for a, b in pairwise(("One", "Two")))
