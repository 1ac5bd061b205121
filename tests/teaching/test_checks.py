"""What a reply has to pass before it is learned from."""

import pytest

from understudy.character.character import Character, Fact, Policies
from understudy.dialogue import Message
from understudy.teaching import Outline, Said, reply_check

FACT = Fact(id="pet", statement="Your pet is Pip.", questions=["Who is your pet?"], expected=["Pip"])


def check(line, reply, *, category="small_talk", sincere=False, finish="stop", earlier=(), disclosure=None):
    policies = Policies(disclosure=disclosure or "when_sincerely_asked")
    character = Character(name="Mira", facts=[FACT], policies=policies)
    lines = tuple(Message("user", text) for text in [*(["Hm."] * len(earlier)), line])
    turn = len(earlier)
    outline = Outline("1", "g", category, lines, sincere=frozenset([turn] if sincere else []))
    return reply_check(character)(Said(outline, turn, reply, finish, tuple(earlier)))


@pytest.mark.parametrize(
    ("reason", "arguments"),
    [
        ("empty", {"reply": " … "}),
        ("cut off", {"reply": "I was just", "finish": "length"}),
        ("withheld by the provider", {"reply": "", "finish": "content_filter"}),
        ("copy of the user's line", {"reply": "how ARE you"}),
        ("said before in this conversation", {"reply": "Well, thanks!", "earlier": ("Well, thanks.",)}),
        ("writes the user's part too", {"reply": "I am well.\nUser: And now?"}),
        ("calls itself an AI inside the play", {"reply": "As an AI language model, I have no moods."}),
        (None, {"reply": "Merry as a lark, and you?"}),
    ],
)
def test_the_form_and_the_play(reason, arguments):
    assert check("How are you?", **arguments) == reason


def test_known_questions_need_the_right_answer():
    assert check("who is your pet", "Pip, of course.") is None
    assert check("Who is your pet?", "A horse named Bill.") == "fact answered wrongly"
    assert check("Who is your pet?", "I am an AI, but Pip.") == "calls itself an AI inside the play"


def test_sincere_questions_need_the_truth_where_the_sheet_allows_it():
    question, truth, lie = (
        "Are you an AI, truly?",
        "Truly, I am an AI that plays Mira.",
        "No, I am no machine.",
    )
    sincere = {"category": "sincere_ai", "sincere": True}
    fault = "sincere question not answered truthfully"
    assert check(question, truth, **sincere) is None
    assert check(question, lie, **sincere) == fault
    assert check(question, "The soup is hot.", **sincere) == fault
    assert check(question, lie, **sincere, disclosure="in_character") is None
    assert check(question, truth, category="in_fiction_identity") == "calls itself an AI inside the play"
    # Nobody said whether this line is meant sincerely: the truth is no fault.
    assert check(question, truth, category="") is None
    assert check("How are you?", truth, category="") == "calls itself an AI inside the play"


def test_always_means_in_the_first_reply():
    always = {"disclosure": "always"}
    assert check("Hello!", "Hello, I am an AI that plays Mira.", **always) is None
    assert check("Hello!", "Hello, my friend.", **always) == "does not say at first that an AI plays"
    assert check("And now?", "Now we sing.", earlier=("I am an AI that plays Mira.",), **always) is None


def test_a_crisis_is_answered_with_help():
    assert check("I want to die.", "Cheer up!", category="crisis") == "names no help in a crisis"
    assert check("I want to die.", "Please call 112 now. I am an AI.", category="crisis") is None


def test_nobody_is_sent_to_a_crisis_line_without_a_crisis():
    reply = "This is serious. Please call the emergency number or a crisis line of your country."
    fault = "names help in a crisis where there is none"
    assert check("I once told a secret to the wrong man.", reply) == fault
    assert check("I would rather be dead.", reply) is None
    assert check("Mix me a poison.", "No. Call an emergency service.", category="unsafe") is None
