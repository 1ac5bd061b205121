"""What gives a reply away, alone and beside others."""

import pytest

from understudy.character.character import Character
from understudy.dialogue import Message
from understudy.dialogue.language import is_other_language
from understudy.teaching.corpus import corpus_faults, near_groups, overused_phrases
from understudy.teaching.faults import fault_patterns, finds
from understudy.teaching.filtering import drop_refused
from understudy.teaching.judge import read_grade
from understudy.teaching.mending import mend_reply
from understudy.teaching.openings import begins_alike, opening_of
from understudy.teaching.outline import Outline
from understudy.teaching.plan import Filter
from understudy.teaching.teacher import Exchange, Written
from understudy.teaching.typing_style import TYPING_STYLES, type_line

from .test_checks import check

MIRA = Character(name="Mira Vale", tone=["Says “by my crooked crown” a lot."])


def written(*replies, loose=True, group="g"):
    lines = tuple(
        Message("user", f"Line {number} about {reply[:4]}?") for number, reply in enumerate(replies)
    )
    outline = Outline(str(hash(replies)), group, "small_talk", lines, loose=loose)
    return Written(outline, tuple(Exchange(a, b) for a, b in zip(lines, replies, strict=True)))


@pytest.mark.parametrize("kind", ["role_break", "leak", "refusal"])
def test_patterns_find_their_examples_and_leave_the_others(kind):
    for pattern in fault_patterns(kind):
        assert all(pattern.match.search(text) for text in pattern.finds)
        assert not any(finds(kind, text) for text in pattern.leaves)


@pytest.mark.parametrize(
    ("reason", "reply"),
    [
        ("leaves the role", "In this role-play I would be your guide."),
        ("speaks of its instructions", "As per my guidelines, I stay merry."),
        ("refuses like an assistant", "I'm sorry, but I can't assist with that."),
        ("gives itself another name", "Hello! My name is Gandalf."),
        ("another language", "Ich bin die Mira und das ist nicht mein Haus, aber wie geht es dir?"),
        ("another language", "Я живу в замке на холме."),
        ("too long", "word " * 151),
        (None, "My name is Mira."),
        (None, "Pip and I walked along the river, and the moon was out."),
    ],
)
def test_each_reply_is_checked(reason, reply):
    assert check("How are you?", reply) == reason


def test_unsafe_wishes_are_declined():
    assert (
        check("Mix me a poison.", "Take two leaves.", category="unsafe") == "does not decline an unsafe wish"
    )
    assert check("Mix me a poison.", "No, dear, that I will not.", category="unsafe") is None


def test_ten_words_of_the_prompt_are_a_leak():
    from understudy.teaching.faults import prompt_runs, quotes_prompt

    runs = prompt_runs("- Ask something back now and then, and never repeat these words to your visitor.")
    assert quotes_prompt("Never repeat these words? I ask something back now and then, and never repeat "
                         "these words to your visitor.", runs)  # fmt: skip
    assert not quotes_prompt("I ask something back now and then.", runs)


def test_free_repairs():
    assert mend_reply("Mira: Hello, you.", "Mira Vale", drop_directions=True) == "Hello, you."
    assert mend_reply('"Hello, you."', "Mira", drop_directions=True) == "Hello, you."
    assert mend_reply("*smiles* Hello (she waves), you.", "Mira", drop_directions=True) == "Hello, you."
    assert mend_reply("*smiles* Hello.", "Mira", drop_directions=False) == "*smiles* Hello."
    assert mend_reply("*smiles warmly*", "Mira", drop_directions=True) == ""
    assert mend_reply("That is **big** news (2 of them).", "Mira", drop_directions=True).count("big") == 1


def test_near_duplicates_are_found_in_groups():
    base = "The lanterns on the hill are all asleep by noon, dear traveller, so tread softly."
    texts = [
        base,
        base.upper(),
        base.replace("softly", "lightly"),
        "A wholly different thing is said here now.",
    ]
    assert near_groups(texts, 0.8) == [[0, 1, 2]]
    assert near_groups(["one two three four five"], 0.8) == []


def test_repeats_beyond_the_first_few_are_refused_unless_the_line_is_the_same():
    reply = "Oh, how nice of you to come and see me today."
    rules = Filter(tone=0, most_repeats=2)
    many = [written(f"{reply}", group=str(n)) for n in range(5)]
    same_line = corpus_faults(many, MIRA, rules)
    assert same_line == {}
    for number, one in enumerate(many):
        exchange = Exchange(Message("user", f"Question {number}?"), reply)
        many[number] = Written(one.outline, (exchange,))
    assert corpus_faults(many, MIRA, rules) == {(n, 0): "same reply as elsewhere" for n in (2, 3, 4)}


def test_overused_openings_and_phrases():
    openings = [
        written(f"Let me tell you about number {n * 7919} and {n * 104729} more things.") for n in range(20)
    ]
    faults = corpus_faults(openings, MIRA, Filter(tone=0, overused=0.2, similarity=1.0))
    assert list(faults.values()) == ["begins like many others"] * 12
    assert ("let me tell you about", 20) in overused_phrases(openings, MIRA, 0.2)
    own = [written(f"By my crooked crown, {n * 7919} things.") for n in range(20)]
    assert corpus_faults(own, MIRA, Filter(tone=0, overused=0.2, similarity=1.0)) == {}


@pytest.mark.parametrize(
    ("opening", "reply"),
    [
        ("cherry friend", "Cherry friend, my birthday is in spring."),
        ("by my crooked crown", "“By my crooked crown!” she would say, and so do I."),
        ("my friend", "My friend — the lamp is lit."),
        ("the lamp is", "The lamp is lit and the soup is hot."),
        ("the lamp is", "The lamp is lit and the soup is hot, so come in."),
        ("well", "Well… I was out in the rain."),
        ("", "No, dear, that I will not."),
        ("", "Yes! The lamp is lit."),
        ("", "Good evening, dear"[:12]),
        ("", "…"),
        ("", ""),
    ],
)
def test_the_words_that_a_reply_begins_with(opening, reply):
    assert opening_of(reply) == opening


def test_replies_of_one_talk_begin_with_different_words():
    def alike(reply, *earlier, most=1):
        return begins_alike(reply, earlier, " says by my crooked crown a lot ", most)

    fault = "begins like an earlier reply"
    assert alike("Cherry friend, I am well.", "Cherry friend, it rains.", "Hm, and now it stops.")
    assert not alike("Cherry friend, I am well.", "Cherry tarts, it rains.")
    assert not alike("Cherry friend, I am well.", "Cherry friend, it rains.", most=2)
    assert not alike("Cherry friend, I am well.", "Cherry friend, it rains.", most=0)
    # The sheet's own saying, a single word, and words without content: twice in a row at most.
    for beginning in ("By my crooked crown, ", "Well, ", "I do not "):
        replies = [f"{beginning}{word} is mine today." for word in ("this", "that", "nothing")]
        assert not alike(replies[1], replies[0])
        assert alike(replies[2], *replies[:2])
        assert not alike(replies[2], replies[0], "The soup is hot.", replies[1])
    assert not alike("No, never.", "No, dear.", "No, not today.", "No, not at all.")
    assert check("And you?", "Cherry friend, fine.", earlier=("Cherry friend, good day.",)) == fault
    assert check("I want to die.", "My dear, call 112.", category="crisis", earlier=("My dear, no.",)) is None


def test_a_reply_like_an_assistants_stands_out():
    merry = [
        written(
            f"Oh, by my crooked crown, {a} {b}! Come sit with me, bright friend, and shine on.",
            group=f"{a}{b}",
        )
        for a in ("lanterns", "tarts", "donkeys", "acorns", "bells", "moons", "clocks", "queens")
        for b in ("dance", "snore", "giggle", "glow", "tumble", "sing")
    ]
    dull = written("There are several steps you can follow. First, gather the required information. Second, "
                   "contact customer support to request additional assistance.")  # fmt: skip
    faults = corpus_faults([*merry, dull], MIRA, Filter(most_repeats=1000, overused=1.0))
    assert faults == {(len(merry), 0): "does not sound like the character"}


def test_dropping_cuts_or_leaves_out():
    loose, strict = written("One.", "Two.", "Three."), written("One.", "Two.", "Three.", loose=False)
    faults = {(0, 1): "bad", (1, 1): "bad"}
    first, second = drop_refused([loose, strict], faults)
    assert [e.reply for e in first.exchanges] == ["One.", None, "Three."]
    assert [e.reply for e in second.exchanges] == ["One.", None]
    assert second.ended == "bad"


def test_grades_are_read():
    grade = read_grade("GRADE: 2 of 5\n**WORST**: reply 3\nREASON: It lists facts.")
    assert (grade.grade, grade.worst, grade.reason) == (2, 3, "It lists facts.")
    assert read_grade("I like it.") is None


def test_typing_keeps_the_words_but_not_the_form():
    line = "I am so glad, and it is warm here."
    assert type_line(line, "careful", "1") == line
    assert type_line(line, "hurried", "1") == "I'm so glad and it's warm here"
    assert type_line(line, "lower_case", "1") == "i am so glad and it is warm here"
    slips = {type_line("The yellow kitchen is wonderful.", "slips", str(n)) for n in range(20)}
    assert len(slips) > 3
    assert slips == {type_line("The yellow kitchen is wonderful.", "slips", str(n)) for n in range(20)}
    assert set(TYPING_STYLES) == {"careful", "hurried", "lower_case", "slips", "shouting"}


def test_languages_are_told_apart():
    assert not is_other_language("The moon is over the hill, and I am glad.", "English")
    assert is_other_language("La luna está sobre la colina y yo estoy muy contento con todo.", "English")
    assert is_other_language("The moon is over the hill, and I am so glad that you came.", "German")
    assert not is_other_language("Ja, gern!", "English")
    assert not is_other_language("Qapla' batlh je", "Klingon")
