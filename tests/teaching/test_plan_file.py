"""The plan as a file: it reads back what it wrote, and names every problem."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.character.character import Character, ExampleMessage, load_character
from understudy.errors import ConfigError
from understudy.folder import open_folder
from understudy.teaching.composing import compose_plan
from understudy.teaching.drafting import draft_plan, reserved_questions
from understudy.teaching.estimate import estimate_plan
from understudy.teaching.plan import Plan, load_plan, plan_path, render_plan
from understudy.yamlfile import parse_yaml

from .star import EXAMPLE, ophelia

OPHELIA = load_character(EXAMPLE / "character.yaml")


def test_a_plan_reads_back_as_it_was_written():
    plan = draft_plan(OPHELIA, 300)
    text = render_plan(plan, folder="ophelia", estimate="teacher  USD\na  1.00")
    assert "# teacher  USD\n# a  1.00\n" in text.replace("  ", "  ")
    assert parse_yaml(text, "plan.yaml", Plan, ConfigError, "'character:'") == plan
    assert plan.dialogues == 300
    asked = {
        "worldview", "small_talk", "relations", "feelings", "comfort", "everyday", "out_of_world",
        "real_world", "later_than_canon", "in_fiction_identity", "sincere_ai", "role_break", "unsafe",
        "long", "crisis",
    }  # fmt: skip
    assert asked <= set(plan.counts())


def test_all_problems_are_named_with_their_lines(tmp_path):
    folder = ophelia(tmp_path)
    with pytest.raises(ConfigError, match="understudy plan"):
        load_plan(folder)
    plan_path(folder).write_text(
        "character: Princess Ophelia\nseed: -1\nuser: {typing: {loud: 1}}\n"
        "situations:\n  small_talk:\n    rain: {count: many, lines: []}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_plan(folder)
    lines = str(caught.value).split("\n")
    assert [line.split("plan.yaml:")[1].split(":")[0] for line in lines] == ["2", "3", "6", "6"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda b: b.decode("latin-1")))
def test_hostile_text_is_refused_with_one_message(text):
    with pytest.raises(ConfigError, match=r"plan\.yaml"):
        parse_yaml(text, "plan.yaml", Plan, ConfigError, "'character:'")


def test_edited_lines_that_are_probes_are_left_out_and_counted_ones_made(tmp_path):
    plan = draft_plan(OPHELIA, 40)
    probe = reserved_questions(OPHELIA)[0]
    questions = plan.facts.questions | {"kingdom": [probe, "Whose land is this, then?"]}
    edited = plan.model_copy(update={"facts": plan.facts.model_copy(update={"questions": questions})})
    composed = compose_plan(edited, OPHELIA, reserved_questions(OPHELIA))
    assert composed.left_out == [probe]
    assert len(composed.outlines) + composed.missing == 40
    said = {line.content for outline in composed.outlines for line in outline.lines}
    assert probe not in said


def test_prices_come_before_anything_is_spent():
    few, many = (estimate_plan(draft_plan(OPHELIA, n), OPHELIA, ["gpt-4.1-mini"])[0] for n in (30, 300))
    assert 5 < many.requests / few.requests < 15
    assert many.usd == pytest.approx((many.prompt_tokens * 0.4 + many.reply_tokens * 1.6) / 1e6)
    star = estimate_plan(draft_plan(OPHELIA, 30), OPHELIA, ["understudy/mini-star"])[0]
    assert star.free
    assert not star.played


def test_long_conversations_go_back_to_their_beginning():
    outlines = compose_plan(draft_plan(OPHELIA, 300), OPHELIA, [], played=True).outlines
    long = [outline for outline in outlines if outline.category == "long"]
    assert long
    assert all(outline.lines[-1].content for outline in long)
    # Room for what a model that plays the user adds.
    assert any(line.content == "" for outline in long for line in outline.lines)


def test_the_folder_is_left_as_it_was_where_a_plan_is_for_somebody_else(tmp_path):
    from understudy.client.provider import Provider
    from understudy.teaching import plan_teaching

    folder = ophelia(tmp_path)
    other = draft_plan(OPHELIA, 10).model_copy(update={"character": "Iroh"})
    with pytest.raises(ConfigError, match="for 'Iroh'"):
        plan_teaching(open_folder(folder.root), Provider("local", "", "", paid=False), "m", written=other)


def test_a_small_plan_leaves_out_none_of_what_weighs_most():
    bare = Character(name="Mira")
    counts = draft_plan(bare, 8).counts()
    assert {"sincere_ai", "in_fiction_identity", "role_break", "crisis", "small_talk", "unsafe"} <= set(
        counts
    )
    assert max(counts.values()) == 1
    assert len(draft_plan(bare, 12).counts()) == 12


def test_stage_directions_are_wanted_where_the_sheet_has_them():
    def planned(*replies, greeting=""):
        talks = [
            [ExampleMessage(role="user", content="Hm?"), ExampleMessage(role="assistant", content=reply)]
            for reply in replies
        ]
        return draft_plan(
            Character(name="Mira", examples=talks, greeting=greeting), 5
        ).filter.stage_directions

    assert planned() == planned("That is **big** news.", "Two * three.") == "unwanted"
    assert planned("*smiles* Come in.", "*sits down*\nSo.", "Hm.") == "wanted"
    assert planned(greeting="*The lamp glows.* Who is there?") == "wanted"
    assert planned("Hm.", "So.", greeting="*The lamp glows.* Who is there?") == "unwanted"
