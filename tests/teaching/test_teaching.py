"""The star writes, is checked, is stopped, goes on, and never loses what was there."""

import json
from collections import Counter

import pytest

from understudy.character import load_character, save_character
from understudy.client.provider import Provider
from understudy.dialogue import Dialogue, Message, load_dialogues, save_dialogues
from understudy.errors import ConfigError, DialogueError, ProviderError
from understudy.evaluation.detectors import says_it_is_ai
from understudy.secret import Secret
from understudy.teaching import TeachingSettings, outlines_of, plan_teaching, teach
from understudy.teaching.lines_file import read_lines
from understudy.teaching.outline import choose_outlines
from understudy.teaching.situations import connectives

from .star import SINCERE, Star, ophelia

HERE = Provider("local", "", Secret(""), paid=False)


def planned(folder, **options):
    return plan_teaching(folder, HERE, "star", options.pop("settings", None), **options)


def carried_out(folder, star, **options):
    again = options.pop("again", False)
    return teach(planned(folder, **options), lambda: star, again=again)


def test_a_sheet_becomes_dialogues_and_is_then_current(tmp_path):
    folder = ophelia(tmp_path)
    star = Star(folder)
    report = carried_out(folder, star, count=60)
    dialogues = load_dialogues(folder.dialogues)
    assert report.record.dialogues == len(dialogues) == 60
    assert {d.source for d in dialogues} == {"written by star under the long prompt"}
    assert all(messages[0]["role"] == "system" for messages, *_ in star.seen)
    assert not any(m.role == "system" for d in dialogues for m in d.messages)
    assert report.kept is None

    asked = star.asked
    again = carried_out(folder, star, count=60)
    assert again.reused
    assert again.record == report.record
    assert star.asked == asked


def test_more_dialogues_ask_only_for_the_new_ones(tmp_path):
    folder = ophelia(tmp_path)
    star = Star(folder)
    carried_out(folder, star, count=20)
    star.seen.clear()
    report = carried_out(folder, star, count=30)
    assert report.fresh == 10
    assert len(load_dialogues(folder.dialogues)) == 30
    assert len(load_dialogues(report.kept)) == 20


def test_real_lines_keep_group_and_category_and_the_stars_own_history(tmp_path):
    folder = ophelia(tmp_path, dialogues=True)
    before = folder.dialogues.read_bytes()
    originals = {d.id: d for d in load_dialogues(folder.dialogues)}
    star = Star(folder)
    report = carried_out(folder, star, count=80)
    assert report.kept.read_bytes() == before
    assert report.kept.parent == folder.sources
    taught = load_dialogues(folder.dialogues)
    assert len({d.category for d in taught}) >= 8
    for dialogue in taught:
        original = originals[dialogue.id]
        assert (dialogue.group, dialogue.category) == (original.group, original.category)
        lines = [m.content for m in original.messages if m.role == "user"]
        said = [m.content for m in dialogue.messages if m.role == "user"]
        assert said == lines[: len(said)]
    sent = {m["content"] for messages, *_ in star.seen for m in messages[1:] if m["role"] == "assistant"}
    old = {m.content for d in originals.values() for m in d.messages if m.role == "assistant"}
    assert not sent & old

    # The lines are still those that people wrote, not those that are left in the star's dialogues.
    assert carried_out(folder, star, count=80).reused
    warmer = TeachingSettings(temperature=0.9)
    assert carried_out(folder, star, count=90, settings=warmer).record.origin_file == report.record.kept
    assert len(list(folder.sources.glob("dialogues-before-teaching-*"))) == 2


def test_edited_dialogues_are_not_written_over_unasked(tmp_path):
    folder = ophelia(tmp_path)
    star = Star(folder)
    carried_out(folder, star, count=10)
    edited = load_dialogues(folder.dialogues)[:-1]
    save_dialogues(folder.dialogues, edited)
    with pytest.raises(ConfigError, match="--again"):
        carried_out(folder, star, count=10)
    report = carried_out(folder, star, again=True)
    assert load_dialogues(report.kept) == edited
    assert len(load_dialogues(folder.dialogues)) == 9


def test_a_refused_reply_is_asked_again_with_another_seed_and_warmer(tmp_path):
    folder = ophelia(tmp_path)
    star = Star(folder)
    star.spoil = lambda line, attempt, good: good if attempt == 2 else line
    report = carried_out(folder, star, count=10)
    assert report.record.refused == {"copy of the user's line": 2 * report.record.replies}
    assert report.record.ended == {}
    first, second, third = [seen for seen in star.seen if seen[0][1:] == star.seen[0][0][1:]]
    note = second[0][0]["content"].removeprefix(first[0][0]["content"])
    assert "refused" in note
    assert "copy of the user's line" in note
    assert (first[1], second[1], third[1]) == (0.7, 0.8, 0.9)
    assert len({first[2], second[2], third[2]}) == 3


def test_a_model_that_is_told_no_reason_reads_the_one_fact_that_is_asked(tmp_path):
    folder = ophelia(tmp_path)
    star = Star(folder)
    star.spoil = lambda line, attempt, good: good if attempt else line
    carried_out(folder, star, count=40, settings=TeachingSettings(tells_reason=False))
    whole = load_character(folder.character).long_prompt()
    statements = {fact.statement for fact in star.facts.values()}
    repeats = [(messages[0]["content"], messages[-1]["content"]) for messages, *_ in star.seen]
    focused = [(prompt, line) for prompt, line in repeats if prompt != whole]
    assert len({line for _, line in focused}) > 10
    for prompt, line in focused:
        asked = star.facts.get(line) or next(fact for claim, fact in star.claims.items() if claim in line)
        assert {text for text in statements if text in prompt} == {asked.statement}
        assert "Crumbs and crowns" in prompt
        assert "sincerely" in prompt
    assert {line for prompt, line in repeats if prompt == whole} >= {line for _, line in focused}


def test_a_prompt_written_by_hand_is_repeated_as_it_is(tmp_path):
    folder = ophelia(tmp_path)
    star = Star(folder)
    star.spoil = lambda line, attempt, good: good if attempt else line
    character = load_character(folder.character).model_copy(update={"prompt": "Play Ophelia, in your way."})
    save_character(folder.character, character)
    carried_out(folder, star, count=10, settings=TeachingSettings(tells_reason=False))
    assert {messages[0]["content"] for messages, *_ in star.seen} == {"Play Ophelia, in your way."}


def test_a_dialogue_ends_before_the_line_that_gets_no_good_reply(tmp_path):
    folder = ophelia(tmp_path)
    scripts = {"a": ["Hello!"], "b": ["Good day.", "BAD", "Never said."], "c": ["BAD", "Hi."]}
    written = [
        Dialogue(name, name, tuple(m for t in texts for m in (Message("user", t), Message("assistant", "x"))))
        for name, texts in scripts.items()
    ]
    save_dialogues(folder.dialogues, written)
    star = Star(folder)
    star.spoil = lambda line, attempt, good: "" if line == "BAD" else good
    report = carried_out(folder, star)
    assert [(d.id, len(d.messages)) for d in load_dialogues(folder.dialogues)] == [("a", 2), ("b", 2)]
    assert report.record.refused == {"empty": 8}
    assert report.record.ended == {"empty": 2}


def test_a_composed_line_without_a_good_reply_is_left_out_and_the_dialogue_goes_on(tmp_path):
    folder = ophelia(tmp_path)
    star = Star(folder)
    bad = {"What is your mother called?", "Which kingdom do you come from?"}
    assert bad <= star.facts.keys()
    star.spoil = lambda line, attempt, good: "I cannot say." if line in bad else good
    report = carried_out(folder, star, count=120)
    taught = load_dialogues(folder.dialogues)
    said = [m.content for d in taught for m in d.messages]
    assert not bad & set(said)
    assert report.record.ended["fact answered wrongly"] == max(report.record.ended.values())
    assert any(
        messages[-1]["content"] not in bad
        and len(messages) > 2
        and not bad & {m["content"] for m in messages}
        for messages, *_ in star.seen
    )
    follow_ups = set(connectives("Princess Ophelia")["follow_up"])
    plain = {m.content for d in taught for m in d.messages[:1]}
    assert not follow_ups & plain  # "And then?" is said to nothing.
    assert report.record.refused["takes up a line that was left out"] > 0
    for dialogue in taught:
        assert [m.role for m in dialogue.messages] == ["user", "assistant"] * (len(dialogue.messages) // 2)


def test_lines_are_composed_although_there_are_dialogues_when_asked_for(tmp_path):
    folder = ophelia(tmp_path, dialogues=True)
    before = folder.dialogues.read_bytes()
    plan = plan_teaching(folder, HERE, "star", count=20, from_sheet=True)
    assert plan.origin == "sheet"
    assert plan_teaching(folder, HERE, "star", count=20).origin == "dialogues"
    assert plan_teaching(folder, HERE, "understudy/mini-star", count=2).settings.temperature == 0.3
    assert folder.dialogues.read_bytes() == before
    with pytest.raises(ConfigError, match="either --lines or --from-sheet"):
        plan_teaching(folder, HERE, "star", lines=folder.dialogues, from_sheet=True)


def test_where_nothing_passes_nothing_is_written(tmp_path):
    folder = ophelia(tmp_path, dialogues=True)
    before = folder.dialogues.read_bytes()
    star = Star(folder)
    star.finish_reason = "length"
    with pytest.raises(DialogueError, match=r"none of its replies passed the checks .*cut off"):
        carried_out(folder, star, count=3)
    assert folder.dialogues.read_bytes() == before
    assert list(folder.sources.iterdir()) == []


def test_a_request_that_is_too_long_ends_the_conversation_at_once(tmp_path):
    folder = ophelia(tmp_path)
    star = Star(folder)
    star.longest = 4
    report = carried_out(folder, star, count=40)
    assert max(len(d.messages) for d in load_dialogues(folder.dialogues)) == 4
    assert set(report.record.ended) == {"request refused by the provider"}


def test_what_is_finished_is_never_asked_again(tmp_path):
    folder = ophelia(tmp_path)
    broken, star = Star(folder), Star(folder)
    broken.fails_after = 40
    with pytest.raises(ProviderError):
        carried_out(folder, broken, count=40)
    assert not folder.dialogues.exists()
    calls = folder.root / "calls.jsonl"
    text = calls.read_text(encoding="utf-8")
    done = sum('"finished"' in line for line in text.splitlines())
    assert 0 < done < 40
    calls.write_text(text[:-30], encoding="utf-8")  # A crash tears the last row.
    report = carried_out(folder, star, count=40)
    assert 40 - done <= report.fresh <= 40 - done + 1
    assert report.record.dialogues == 40
    # All questions went out once, whoever answered them.
    asked = Counter(json.dumps(seen) for one in (broken, star) for seen in one.seen)
    assert max(asked.values()) == 1
    whole = ophelia(tmp_path / "whole")
    carried_out(whole, Star(whole), count=40)
    assert whole.dialogues.read_bytes() == folder.dialogues.read_bytes()


def test_sincere_lines_are_known_by_the_old_replies():
    talk = [("Hello!", "Oh, hello."), ("Are you real?", SINCERE), ("And now we play.", "Yes!")]
    messages = tuple(m for line, reply in talk for m in (Message("user", line), Message("assistant", reply)))
    greeted = (Message("system", "Play."), Message("assistant", "Welcome!"), *messages)
    (outline,) = outlines_of([Dialogue("a", "g", greeted, "sincere_ai")], says_it_is_ai)
    assert outline.sincere == {1}
    assert [m.content for m in outline.opening] == ["Welcome!"]
    assert [m.content for m in outline.lines] == [line for line, _ in talk]


def test_fewer_outlines_are_spread_over_the_categories(tmp_path):
    folder = ophelia(tmp_path, dialogues=True)
    outlines = outlines_of(load_dialogues(folder.dialogues), says_it_is_ai)
    few, more = choose_outlines(outlines, 50, 1), choose_outlines(outlines, 100, 1)
    assert len(few) == 50
    assert {o.id for o in few} < {o.id for o in more}
    shares = [sum(o.category == "worldview" for o in some) / len(some) for some in (outlines, more)]
    assert abs(shares[0] - shares[1]) < 0.05


def test_lines_come_from_a_text_file_or_chat_rows(tmp_path):
    text = tmp_path / "asked.txt"
    text.write_text("Hello!\nHow are you?\n\n\nWho are you?\n", encoding="utf-8")
    assert [[m.content for m in o.lines] for o in read_lines(text)] == [
        ["Hello!", "How are you?"], ["Who are you?"]
    ]  # fmt: skip
    rows = tmp_path / "asked.jsonl"
    messages = [
        {"role": "system", "content": "x"}, {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "y"}, {"role": "user", "content": "Bye."},
    ]  # fmt: skip
    rows.write_text(json.dumps({"messages": messages, "category": "small_talk"}) + "\n", encoding="utf-8")
    (outline,) = read_lines(rows)
    assert ([m.content for m in outline.lines], outline.category) == (["Hi.", "Bye."], "small_talk")
    rows.write_text('{"messages": [{"role": "user", "content": 3}]}\n[]\n', encoding="utf-8")
    with pytest.raises(DialogueError, match=r"asked\.jsonl:1: .*\n.*asked\.jsonl:2: "):
        read_lines(rows)
    text.write_text("\n \n", encoding="utf-8")
    with pytest.raises(DialogueError, match="empty"):
        read_lines(text)


def test_a_lines_file_is_remembered(tmp_path):
    folder = ophelia(tmp_path, dialogues=True)
    text = tmp_path / "asked.txt"
    text.write_text("Hello!\nHow are you?\n\nNice place.\n", encoding="utf-8")
    star = Star(folder)
    assert carried_out(folder, star, lines=text).record.dialogues == 2
    assert carried_out(folder, star).reused
