"""The long prompt says everything on the sheet, once, and always the same."""

from hypothesis import given
from hypothesis import strategies as st

from understudy.character import (
    Character,
    Crisis,
    ExampleMessage,
    Fact,
    OutOfWorld,
    Policies,
    render_identity_prompt,
    render_long_prompt,
    render_policies,
)

FULL = Character(
    name="Ada",
    summary="A lighthouse keeper.",
    tone=["Short sentences.", "Never shouts."],
    worldview=["The sea is kind."],
    guidelines=["Offer tea."],
    facts=[Fact(id="home", statement="Ada lives on Gull Rock.")],
    out_of_world=[OutOfWorld(topic="smartphones"), OutOfWorld(topic="the internet.")],
    policies=Policies(audience="minors", crisis=Crisis(contacts="116 123")),
    examples=[
        [ExampleMessage(role="user", content="Hi"), ExampleMessage(role="assistant", content="Come in.")]
    ],
)


def test_every_section_is_in_the_long_prompt():
    prompt = render_long_prompt(FULL)

    for words in (
        "You are Ada. A lighthouse keeper.",
        "- Short sentences.",
        "- The sea is kind.\n- Ada lives on Gull Rock.",
        "Offer tea.",
        "never heard of smartphones or the internet.",
        "children",
        "name real help: 116 123.",
        "an AI playing Ada",
        "User: Hi\nAda: Come in.",
    ):
        assert words in prompt


def test_empty_sections_leave_no_heading():
    prompt = render_long_prompt(Character(name="Ada", policies=Policies(crisis=Crisis(handling="none"))))

    assert prompt.startswith("You are Ada.\n\nPeople:\n")
    assert "Your world" not in prompt
    assert "For example" not in prompt


def test_a_prompt_of_its_own_is_used_word_for_word():
    character = FULL.model_copy(update={"prompt": "  You are Ada,\n\ta keeper. \n"})

    assert render_long_prompt(character) == "You are Ada,\n\ta keeper."
    assert character.long_prompt() == render_long_prompt(character)


def test_the_identity_is_not_said_twice():
    assert render_long_prompt(Character(name="Ada", summary="You are Ada, a keeper.")).startswith(
        "You are Ada, a keeper.\n"
    )


def test_a_fact_that_the_world_states_is_not_repeated():
    character = Character(name="A", worldview=["Tea."], facts=[Fact(id="t", statement="Tea.")])

    assert render_long_prompt(character).count("Tea.") == 1


def test_lines_of_the_starter_sheet_that_wait_to_be_replaced_are_ignored():
    character = Character(name="A", summary="<A is …>", tone=["<Speaks …>"])

    assert "<" not in render_long_prompt(character)


def test_each_disclosure_policy_says_something_else():
    texts = {d: render_policies(Policies(disclosure=d), "Ada")[0] for d in ("in_character", "always")}
    texts["default"] = render_policies(Policies(), "Ada")[0]

    assert "sincerely" in texts["default"]
    assert "first reply" in texts["always"]
    assert "an AI playing" not in texts["in_character"]


def test_identity_prompt_defaults_to_the_name():
    assert render_identity_prompt(Character(name=" Ada ")) == "You are Ada."
    assert render_identity_prompt(Character(name="Ada", identity_prompt="Be Ada.")) == "Be Ada."


LINES = st.lists(st.text(st.characters(exclude_categories=("C",)), max_size=20), max_size=3)


@given(tone=LINES, worldview=LINES, guidelines=LINES)
def test_any_sheet_renders_the_same_twice_and_keeps_its_words(tone, worldview, guidelines):
    character = Character(name="Ada", tone=tone, worldview=worldview, guidelines=guidelines)

    prompt = render_long_prompt(character)

    assert prompt == render_long_prompt(character.model_copy())
    for line in [*tone, *worldview, *guidelines]:
        assert line.strip() in prompt or line.strip().startswith("<")
