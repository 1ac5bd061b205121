"""Lines become dialogues: the speaker answers, scenes end, nothing is used twice."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.dialogue import ImportOptions, Line
from understudy.dialogue.direction import apply_stage_directions
from understudy.dialogue.scene import cut_dialogues
from understudy.dialogue.speaker import find_speakers, normalize_label
from understudy.errors import ConfigError, DialogueError


def cut(*said, speakers=("ann",), skipped=None, **options):
    lines = [Line(*(item if isinstance(item, tuple) else (None, item))) for item in said]
    return cut_dialogues(
        lines,
        frozenset(speakers),
        ImportOptions(**options),
        prefix="play",
        skipped=Counter() if skipped is None else skipped,
    )


def said(dialogue):
    return [(message.role, message.content) for message in dialogue.messages]


def test_lines_before_a_reply_are_the_user_s_side():
    (dialogue,) = cut(("Bob", "Hi."), ("Ann", "Hello."), ("Bob", "Tea?"), ("Ann", "Yes."), ("Bob", "Good."))

    assert said(dialogue) == [
        ("user", "Hi."),
        ("assistant", "Hello."),
        ("user", "Tea?"),
        ("assistant", "Yes."),
    ]
    assert [message.speaker for message in dialogue.messages] == ["Bob", "Ann", "Bob", "Ann"]


def test_lines_in_a_row_are_joined_also_across_label_variants():
    (dialogue,) = cut(("Bob", "Hi."), ("BOB:", "There?"), ("Ann (softly)", "Oh."), ("Ann", "You."))

    assert said(dialogue) == [("user", "Hi. There?"), ("assistant", "Oh. You.")]


@pytest.mark.parametrize(
    ("mode", "one", "two"),
    [
        ("auto", "Hi.", "Bob: Hi.\nCid Poe: Ho."),
        ("keep", "Bob: Hi.", "Bob: Hi.\nCid Poe: Ho."),
        ("drop", "Hi.", "Hi.\nHo."),
    ],
)
def test_names_of_the_others(mode, one, two):
    assert said(cut(("Bob", "Hi."), ("Ann", "Yes."), speaker_names=mode)[0])[0] == ("user", one)
    several = cut(("Bob", "Hi."), ("CID POE", "Ho."), ("Ann", "Yes."), speaker_names=mode)
    assert said(several[0])[0] == ("user", two)
    assert several[0].messages[0].speaker == "Bob, Cid Poe"


def test_a_joint_label_is_not_the_speaker():
    (dialogue,) = cut(("Ann and Bob", "Hooray!"), ("Ann", "Yes."))

    assert said(dialogue) == [("user", "Hooray!"), ("assistant", "Yes.")]


def test_context_is_limited_and_a_long_silence_ends_the_conversation():
    others = [(f"P{i % 3}", f"Line {i}.") for i in range(9)]

    first, second = cut(
        ("Bob", "Hi."), ("Ann", "One."), *others, ("Ann", "Two."), context=4, speaker_names="drop"
    )

    assert said(first) == [("user", "Hi."), ("assistant", "One.")]
    assert said(second)[0] == ("user", "Line 5.\nLine 6.\nLine 7.\nLine 8.")
    assert first.group != second.group


def test_narration_ends_a_scene_only_when_the_picture_moves():
    kept = cut(("Bob", "Hi."), "He sits down on the chair.", ("Ann", "Hello."))
    ended = cut(
        ("Bob", "Hi."),
        "Cut to the garden, where Ann waits.",
        ("Ann", "Hello."),
        ("Cid", "Oh."),
        ("Ann", "Yes."),
    )

    assert said(kept[0])[0] == ("user", "Hi.")
    assert said(ended[0]) == [("assistant", "Hello."), ("user", "Oh."), ("assistant", "Yes.")]


def test_a_line_that_answers_nobody_is_counted():
    skipped = Counter()

    assert cut(("Ann", "Alone."), "Cut to the sea.", ("Bob", "Hi."), skipped=skipped) == []
    assert skipped["line of the speaker with nobody's line before it"] == 1


def test_long_conversations_are_cut_before_the_other_side_and_keep_their_group():
    turns = [turn for i in range(10) for turn in (("Bob", f"Q{i}."), ("Ann", f"A{i}."))]
    short = [turn for i in range(3) for turn in (("Bob", f"Hi {i}."), ("Ann", "Yes."), "Cut to the sea.")]

    dialogues = cut(*short, *turns, max_messages=7)[3:]

    assert [len(dialogue.messages) for dialogue in dialogues] == [6, 6, 6, 2]
    assert all(dialogue.messages[0].role == "user" for dialogue in dialogues)
    assert len({dialogue.group for dialogue in dialogues}) == 1


def test_one_long_talk_between_two_can_still_be_divided():
    turns = [turn for i in range(10) for turn in (("Bob", f"Q{i}."), ("Ann", f"A{i}."))]

    dialogues = cut(*turns, max_messages=6)

    assert [dialogue.group for dialogue in dialogues] == ["play/1/1", "play/1/2", "play/1/3", "play/1/4"]


def test_episodes_are_groups_when_there_are_enough_of_them():
    lines = [(("Bob", f"Hi {i}."), ("Ann", f"Yes {i}.")) for i in range(12)]
    episodes = [Line(who, text, f"Episode {i}") for i, pair in enumerate(lines) for who, text in pair * 2]

    def groups(lines):
        made = cut_dialogues(lines, frozenset(["ann"]), ImportOptions(), prefix="show", skipped=Counter())
        return {dialogue.group for dialogue in made}

    assert groups(episodes) == {f"show/Episode {i}" for i in range(12)}
    assert groups(episodes[:8]) == {"show/Episode 0/1", "show/Episode 1/1"}


def test_ids_depend_on_the_words_alone():
    one = cut(("Bob", "Hi."), ("Ann", "Yes."))[0]
    same = cut("Long before.", ("Bob", "Hi."), ("Ann", "Yes."))[0]
    other = cut(("Bob", "Hi."), ("Ann", "No."))[0]

    assert one.id == same.id != other.id


@pytest.mark.parametrize(
    ("text", "mode", "result"),
    [
        ("[Sighs.] No! [Turns.] Power comes [he points], not here.", "drop", "No! Power comes, not here."),
        ("Very well, [smiles.] but first.", "drop", "Very well, but first."),
        ("Wait ... [runs] ... please", "drop", "Wait ... ... please"),
        ("Go (now [quick]) home.", "drop", "Go home."),
        ("[Only this.]", "drop", ""),
        ("Yes [never closed", "drop", "Yes"),
        ("[Sighs.] No.", "asterisks", "*Sighs* No."),
        ("[Sighs.]  No.", "keep", "[Sighs.] No."),
    ],
)
def test_stage_directions(text, mode, result):
    assert apply_stage_directions(text, mode) == result


def test_an_absent_speaker_lists_the_closest_and_the_most_frequent(tmp_path):
    lines = [Line("Iroh", "Tea.")] * 3 + [Line("General Iro", "Hm.")] + [Line("Zuko", "No.")] * 9

    with pytest.raises(DialogueError, match=r"'Irohh'.*Closest: Iroh \(3\).*Most lines: Zuko \(9\)"):
        find_speakers(tmp_path / "a.csv", lines, ["Irohh"])


def test_labels_are_compared_without_case_and_asides():
    assert {
        normalize_label(label) for label in ("Iroh", "IROH:", " iroh (V.O.) ", "**Iroh**", "Iroh [sadly]")
    } == {"iroh"}


@pytest.mark.parametrize(
    "options",
    [{"context": 0}, {"max_messages": 1}, {"speaker_names": "maybe"}, {"stage_directions": "sing"}],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match="--"):
        ImportOptions(**options)


SPEECHES = st.lists(
    st.tuples(
        st.sampled_from(["Ann", "Bob", "Cid", None]), st.sampled_from("abcdefgh"), st.sampled_from("12")
    ),
    max_size=60,
)


@given(speeches=SPEECHES, context=st.integers(1, 4), max_messages=st.integers(2, 6))
def test_any_lines_give_sound_dialogues(speeches, context, max_messages):
    lines = [Line(who, f"{text}{i}", group) for i, (who, text, group) in enumerate(speeches)]
    options = ImportOptions(context=context, max_messages=max_messages, speaker_names="drop")
    skipped: Counter[str] = Counter()

    dialogues = cut_dialogues(lines, frozenset(["ann"]), options, prefix="p", skipped=skipped)

    words = [word for d in dialogues for m in d.messages for word in m.content.split()]
    assert len(words) == len(set(words))
    learned = sum(len(m.content.split()) for d in dialogues for m in d.messages if m.role == "assistant")
    assert learned <= sum(line.speaker == "Ann" for line in lines)
    for dialogue in dialogues:
        roles = [message.role for message in dialogue.messages]
        assert roles[-1] == "assistant"
        assert len(roles) <= max_messages
        assert all(a != b for a, b in pairwise(roles))
