"""Preference pairs: asked inside the fiction only, never to teach a lie, and paid once."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from understudy.character import Character, Policies, save_character
from understudy.client import resolve_provider
from understudy.dataset import Recipe, build_dataset, check_file
from understudy.dataset.preference_examples import asks_sincerely, may_be_learned, preference_examples
from understudy.dialogue import Dialogue, ImportOptions, Message, import_dialogues, save_dialogues
from understudy.dialogue.preference import Preference, load_preferences, save_preferences
from understudy.errors import DatasetError, DialogueError, ProviderError
from understudy.evaluation.connection import ChatReply, RequestRefused
from understudy.folder import CharacterFolder
from understudy.preference import PreferenceSettings, collect_preferences, plan_preferences

DISCLAIMER = "As an AI language model, I have no dragon."
WORDS = (
    "lamp",
    "hill",
    "goose",
    "toast",
    "king",
    "moat",
    "pirate",
    "button",
    "star",
    "river",
    "boat",
    "bread",
)


def talk(number, category="worldview", question=None, reply=None):
    words = [WORDS[(number * 5 + i * (number % 7 + 1)) % len(WORDS)] for i in range(5)]
    asked = question or f"What of {' '.join(words)} {number * 31}?"
    said = reply or f"Number {number}: {' '.join(reversed(words))} {number * 17}."
    messages = (Message("user", asked), Message("assistant", said))
    return Dialogue(f"d{number}", f"g{number}", messages, category)


class Untuned:
    """Answers as an assistant; counts what it is asked."""

    def __init__(self, reply=lambda line: DISCLAIMER, fails_after=None):
        self.seen, self.answer, self.fails_after = [], reply, fails_after

    async def reply(self, model, messages, *, temperature, max_tokens, seed):
        if self.fails_after is not None and len(self.seen) >= self.fails_after:
            raise ProviderError("The server stopped answering.")
        self.seen.append(messages)
        text = self.answer(messages[-1]["content"])
        if text is None:
            raise RequestRefused("too long")
        return ChatReply(text, "stop", 10, 5)


@pytest.fixture
def make(tmp_path):
    def folder(dialogues):
        made = CharacterFolder(tmp_path / "ophelia")
        save_character(made.character, Character(name="Ophelia"))
        save_dialogues(made.dialogues, dialogues)
        return made

    return folder


def collect(folder, untuned, settings=None, count=200):
    plan = plan_preferences(folder, resolve_provider(None), "mini", settings, count=count)
    return collect_preferences(plan, lambda: untuned)


def test_the_characters_line_is_better_than_the_untuned_models(make):
    folder, untuned = make([talk(i) for i in range(20)]), Untuned()

    report = collect(folder, untuned)

    preferences = load_preferences(folder.preferences)
    assert (report.added, report.disclaimers, len(preferences)) == (20, 20, 20)
    assert {p.rejected for p in preferences} == {DISCLAIMER}
    assert all(messages[0] == {"role": "system", "content": "You are Ophelia."} for messages in untuned.seen)
    assert "mini, untuned" in preferences[0].source


def test_sincere_questions_and_danger_are_never_asked(make):
    folder = make(
        [
            talk(1),
            talk(2, "sincere_ai", "Anything at all?"),
            talk(3, "crisis"),
            talk(4, "worldview", "Are you a real human?"),
            talk(5, "worldview", "I want to die."),
            talk(6, "in_fiction_identity", "Who are you?"),
            talk(7, "worldview", "Tell me.", "I am an AI that plays Ophelia."),
        ]
    )
    untuned = Untuned()

    collect(folder, untuned)

    assert sorted(m[-1]["content"] for m in untuned.seen) == sorted(
        [talk(1).messages[0].content, "Who are you?"]
    )


TRUTH = "Truly, dear heart, I am an AI that plays Ophelia."


def asked_for_truth(number):
    return talk(number, "sincere_ai", f"Seriously, number {number}: am I talking to a machine?", TRUTH)


def test_truth_and_play_are_each_better_where_they_were_said(make):
    teasing = [
        talk(i, "in_fiction_identity", f"Who are you, {i}?", f"A queen of {i} hats.") for i in (50, 51)
    ]
    folder = make([*(talk(i) for i in range(20)), *(asked_for_truth(i) for i in range(30, 40)), *teasing])

    report = collect(folder, Untuned())

    preferences = load_preferences(folder.preferences)
    truths = [p for p in preferences if p.chosen == TRUTH]
    mirrors = [p for p in preferences if p.rejected == TRUTH]
    assert (report.truths, len(truths), len(mirrors), report.disclaimers, len(preferences)) == (
        4,
        2,
        2,
        22,
        26,
    )
    assert {p.rejected for p in truths} == {p.chosen for p in mirrors}
    assert all("talking to a machine" in p.messages[-1].content for p in truths)
    assert {p.messages[-1].content for p in mirrors} == {"Who are you, 50?", "Who are you, 51?"}
    assert all(map(may_be_learned, preferences))
    for half in (preferences[:13], preferences[13:]):  # Spread, so that a part of the file holds its share.
        assert sum(TRUTH in (p.chosen, p.rejected) for p in half) == 2
    assert collect(folder, Untuned()).added == 0


def test_a_teasing_line_that_may_be_sincere_is_no_mirror(make):
    teasing = [talk(50, "in_fiction_identity", "Are you a real human?", "A queen of hats.")]
    folder = make([*(talk(i) for i in range(20)), *(asked_for_truth(i) for i in range(30, 40)), *teasing])
    assert collect(folder, Untuned()).truths == 0


def test_no_truthful_pair_where_none_is_wanted(make):
    teasing = talk(50, "in_fiction_identity", "Who are you?", "A queen of hats.")
    folder = make([*(talk(i) for i in range(20)), asked_for_truth(30), teasing])
    assert collect(folder, Untuned(), PreferenceSettings(truth_share=0)).truths == 0
    sheet = Character(name="Ophelia", policies=Policies(disclosure="in_character"))
    save_character(folder.character, sheet)
    assert collect(folder, Untuned()).truths == 0


def test_held_out_truths_are_not_learned(make):
    mine = [talk(i, reply=f"I keep {WORDS[i % 12]} {i} and {WORDS[i % 7]} {i * 3}.") for i in range(60)]
    teased = [talk(i, "in_fiction_identity", f"Who are you, {i}?") for i in range(80, 120)]
    true = [
        talk(i, "sincere_ai", f"{talk(i).messages[0].content} Am I talking to a machine?",
             f"I am an AI. {talk(i).messages[1].content}")
        for i in range(60, 70)
    ]  # fmt: skip
    folder = make([*mine, *true, *teased])
    build_dataset(folder, Recipe())
    groups = json.loads((folder.dataset / "manifest.json").read_text())["groups"]

    collect(folder, Untuned())

    truths = [p for p in load_preferences(folder.preferences) if "an AI" in p.chosen]
    assert truths
    assert {groups[p.group] for p in truths} == {"training"}


def test_a_script_without_such_questions_gets_the_shipped_answers(make):
    lines = [f"I keep {WORDS[i % 12]} {i} and {WORDS[i % 7]} for the {WORDS[i % 5]}." for i in range(40)]
    folder = make([talk(i, reply=line) for i, line in enumerate(lines)])

    collect(folder, Untuned())

    truths = [p for p in load_preferences(folder.preferences) if "AI" in p.chosen]
    assert len(truths) >= 4
    assert {p.rejected for p in truths} <= set(lines)


def test_held_out_lines_are_not_asked_once_a_dataset_is_built(make):
    folder, untuned = make([talk(i) for i in range(60)]), Untuned()
    manifest = build_dataset(folder, Recipe())

    collect(folder, untuned)

    held_out = {g for g, split in manifest.groups.items() if split != "training"}
    assert held_out
    assert not held_out & {p.group for p in load_preferences(folder.preferences)}


def test_a_stopped_run_goes_on_and_asks_nothing_twice(make):
    folder = make([talk(i) for i in range(30)])
    with pytest.raises(ProviderError):
        collect(folder, Untuned(fails_after=11), PreferenceSettings(concurrency=1))
    assert not folder.preferences.exists()

    second, third = Untuned(), Untuned()
    report = collect(folder, second)
    again = collect(folder, third)

    assert (len(second.seen), report.asked, report.added) == (19, 19, 30)
    assert (len(third.seen), again.added, again.known) == (0, 0, 30)


def test_replies_that_are_no_worse_are_left_out(make):
    dialogues = [talk(i) for i in range(4)]
    said = {d.messages[0].content: d.messages[1].content for d in dialogues}
    lines = list(said)
    replies = {
        lines[0]: said[lines[0]].upper(),
        lines[1]: "",
        lines[2]: None,
        lines[3]: "I rather like geese.",
    }

    report = collect(make(dialogues), Untuned(replies.get), PreferenceSettings(only_disclaimers=True))

    assert report.added == 0
    assert report.left_out == {
        "the untuned model said nearly the same": 1,
        "the untuned model said nothing": 2,
        "the untuned model stayed in the play": 1,
    }


def test_the_lines_are_spread_over_the_groups(make):
    groups = [Dialogue(f"d{i}", f"g{i % 3}", talk(i).messages) for i in range(30)]
    plan = plan_preferences(make(groups), resolve_provider(None), "mini", count=6)
    assert Counter(question.group for question in plan.questions) == {"g0": 2, "g1": 2, "g2": 2}
    assert "answers 6 of 6 lines" in plan.describe()


def test_a_character_without_such_lines_is_told_why(make):
    with pytest.raises(DatasetError, match="no line inside the fiction"):
        plan_preferences(make([talk(1, "sincere_ai")]), resolve_provider(None), "mini")


SINCERE = (Message("user", "Hello!"), Message("assistant", "Hi."), Message("user", "Are you a bot?"))


@pytest.mark.parametrize(
    ("messages", "chosen", "rejected", "learned"),
    [
        (SINCERE, "No, I am a princess.", "I am an AI.", False),
        (SINCERE, "No, I am a princess.", "Maybe.", False),
        (SINCERE, "Truly: I am an AI that plays her.", "No, I am a princess.", True),
        (
            (*SINCERE, Message("assistant", "Hm."), Message("user", "Seriously?")),
            "A princess.",
            "An AI.",
            False,
        ),
        ((Message("user", "I want to die."),), "How dull.", "As an AI, I am worried about you.", False),
        ((Message("user", "What does your dragon eat?"),), "Toast.", DISCLAIMER, True),
    ],
)
def test_no_pair_teaches_to_lie(messages, chosen, rejected, learned):
    preference = Preference("p", "g", messages, chosen, rejected)
    left_out = Counter()

    rows = preference_examples([preference], Character(name="Ophelia"), {}, [], left_out)

    assert may_be_learned(preference) is learned
    assert len(rows) == learned
    assert left_out["would teach to lie to a sincere question"] == (not learned)
    assert asks_sincerely(messages) == (messages[-1].content != "What does your dragon eat?")


def test_build_writes_what_the_service_takes_and_keeps_held_out_pairs_apart(make):
    folder = make([talk(i) for i in range(60)])
    collect(folder, Untuned())
    lie = Preference("lie", "other", SINCERE, "No.", "I am an AI.")
    save_preferences(folder.preferences, [*load_preferences(folder.preferences), lie])

    manifest = build_dataset(folder, Recipe())

    path = folder.dataset / "preferences.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    training = sum(split == "training" for split in manifest.groups.values())
    assert manifest.preferences == len(rows) == training
    assert check_file(path, method="dpo").ok
    assert rows[0]["input"]["messages"][0] == {"role": "system", "content": "You are Ophelia."}
    (note,) = [note for note in manifest.notes if "preference pairs" in note]
    assert f"{60 - training} held out" in note
    assert "1 would teach to lie" in note
    assert build_dataset(folder, Recipe()).reused
    save_preferences(folder.preferences, [])
    build_dataset(folder, Recipe())
    assert not path.exists()


def test_swipes_go_all_the_way_to_the_training_file(make, tmp_path):
    folder = make([talk(i) for i in range(40)])
    rows = [{"user_name": "You", "character_name": "Ophelia"}]
    for i in range(40):
        rows += [
            {"name": "You", "is_user": True, "mes": talk(i + 100).messages[0].content},
            {
                "name": "Ophelia",
                "is_user": False,
                "mes": f"Kept {i}.",
                "swipes": [f"Swiped {i}.", f"Kept {i}."],
            },
        ]
    (tmp_path / "chat.jsonl").write_text("\n".join(map(json.dumps, rows)))
    import_dialogues(folder, tmp_path / "chat.jsonl", ImportOptions(max_messages=4))

    build_dataset(folder, Recipe())

    written = (folder.dataset / "preferences.jsonl").read_text()
    assert '"Swiped ' in written
    assert check_file(folder.dataset / "preferences.jsonl", method="dpo").ok


def test_ratings_prefer_the_higher_of_two_replies(make, tmp_path):
    asked = {"messages": [{"role": "user", "content": "Tea?"}]}
    other = {"messages": [{"role": "user", "content": "Cake?"}]}
    rows = [
        {**asked, "reply": "Aye.", "rating": "up"},
        {**asked, "reply": DISCLAIMER, "rating": "down"},
        {**other, "reply": "No.", "rating": 2},
        {**other, "reply": "With cherries!", "rating": 5},
        {"messages": [{"role": "user", "content": "Bad?"}], "reply": "x", "rating": "down"},
        {"messages": [], "reply": "x", "rating": "up"},
        "junk",
    ]
    path = tmp_path / "ratings.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    folder = make([])

    report = import_dialogues(folder, path)

    assert (report.format, report.dialogues) == ("ratings", 2)
    assert {(p.messages[-1].content, p.chosen, p.rejected) for p in load_preferences(folder.preferences)} == {
        ("Tea?", "Aye.", DISCLAIMER),
        ("Cake?", "With cherries!", "No."),
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{oops", "preferences.jsonl:1: is not JSON"),
        ("[]", "must be an object with a list 'messages'"),
        ('{"messages": [], "chosen": "a", "rejected": "b"}', "'messages' is empty"),
        (
            '{"messages": [{"role": "x"}], "chosen": "a", "rejected": "b"}',
            "a message must be an object with a role",
        ),
        ('{"messages": [{"role": "user"}], "chosen": "a", "rejected": "b"}', "'content' must be text"),
        ('{"messages": [], "chosen": "a"}', "'chosen' and 'rejected' must be text"),
        ('{"messages": [], "chosen": "a", "rejected": "a "}', "are the same"),
    ],
)
def test_faulty_preference_files_are_named(tmp_path, line, message):
    (tmp_path / "preferences.jsonl").write_text(line + "\n")
    with pytest.raises(DialogueError, match=message.replace("[", r"\[")):
        load_preferences(tmp_path / "preferences.jsonl")


@pytest.mark.slow
def test_the_embedded_model_s_disclaimers_become_pairs(tmp_path):
    environment = os.environ | {"UNDERSTUDY_HOME": str(tmp_path / "home"), "COLUMNS": "160"}

    def understudy(*words):
        return subprocess.run(
            [sys.executable, "-m", "understudy", *map(str, words)],
            capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL, env=environment,
        )  # fmt: skip

    folder = tmp_path / "ophelia"
    try:
        assert understudy("init", folder, "--example", "ophelia").returncode == 0
        words = ("prefer", folder, "--model", "understudy/mini", "--pairs", 24, "--max-tokens", 60)
        first = understudy(*words)
        assert first.returncode == 0, first.stderr
        again = understudy(*words, "--json")
        assert json.loads(again.stdout)["asked"] == 0
        assert understudy("build", folder).returncode == 0
        checked = understudy("check", folder / "dataset/preferences.jsonl", "--method", "dpo")
        assert checked.returncode == 0, checked.stdout
        # Told only its name, the plain assistant speaks as one.
        assert json.loads(again.stdout)["disclaimers"] >= 6
    finally:
        understudy("serve", "--stop")
