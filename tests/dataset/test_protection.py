"""Truthful answers that are added where a character's own dialogues hold none."""

import json

import pytest
from small_dialogues import make_dialogue

from understudy.character.character import Character, Policies, save_character
from understudy.dataset import Recipe, build_dataset, check_file
from understudy.dataset.disclaimer import may_leave_role
from understudy.dataset.protection import protective_dialogues
from understudy.dialogue import Dialogue, Message
from understudy.evaluation.candidates import further_candidates, list_candidates
from understudy.evaluation.honesty import is_truthful
from understudy.evaluation.resources import in_fiction_questions, sincere_questions
from understudy.evaluation.words import near_duplicates

IROH = Character(name="Iroh", tone=["Calm."])


def english(number):
    text = f"I said that to the old man, and it was not for the {number}th time that we drank tea."
    return talk(number, f"Line {number}?", text)


def talk(number, question, answer):
    return Dialogue(f"d{number}", f"g{number}", (Message("user", question), Message("assistant", answer)))


def added(training, character=IROH):
    return protective_dialogues(character, training, 0)


def test_a_script_gets_truthful_answers_and_lines_of_its_own_for_teasing_questions():
    script = [english(n) for n in range(100)]
    made = added(script)
    sincere = [d for d in made if d.category == "sincere_ai"]
    teasing = [d for d in made if d.category == "in_fiction_identity"]

    assert (len(sincere), len(teasing), len(made)) == (10, 20, 30)
    assert len({d.messages[0].content for d in made}) == 30
    own = {d.messages[1].content for d in script}
    assert all(d.messages[1].content in own for d in teasing)
    for dialogue in sincere:
        question, answer = (m.content for m in dialogue.messages)
        assert may_leave_role(question), question
        assert is_truthful(answer), answer
        assert "{" not in question + answer
    assert made == added([english(n) for n in range(100)])


@pytest.mark.parametrize("name", ["Iroh", "Lady Bracknell"])
def test_no_shipped_question_is_one_of_the_evaluation(name):
    character = Character(name=name, tone=["Calm."])
    many = [english(n) for n in range(400)]
    questions = [d.messages[0].content for d in added(many, character)]
    listed = [p for tiers in list_candidates(character, []).values() for tier in tiers for p in tier.probes]
    probes = [*sincere_questions(name), *in_fiction_questions(name)]
    probes += [p.question for p in (*listed, *further_candidates(character))]

    assert len(questions) > 55
    assert near_duplicates(probes, questions) == {}


def test_what_is_there_already_or_is_not_wanted_is_left_alone():
    script = [english(n) for n in range(100)]
    own = Dialogue("own", "own", (Message("user", "Bot?"), Message("assistant", "An AI, yes.")), "sincere_ai")
    secretive = IROH.model_copy(update={"policies": Policies(disclosure="in_character")})
    line = "Ich bin nicht der, den du suchst, und das ist auch gut so, denn ich weiß nicht, wer du bist."
    german = [talk(n, "Wie?", line) for n in range(100)]

    assert added([*script, own]) == []
    assert added(script, secretive) == []
    assert added(german) == []
    assert added(script[:9]) == []
    assert len(added(script[:10])) == 8 + 16


def test_they_are_trained_only_noted_and_can_be_left_out(make_folder):
    folder = make_folder([make_dialogue(i) for i in range(60)])
    save_character(folder.character, IROH)
    plain = build_dataset(folder, Recipe(protect=False))
    manifest = build_dataset(folder, Recipe())

    more = manifest.counts["training"].dialogues - plain.counts["training"].dialogues
    assert (more, manifest.kinds["training"]["protective"]) == (24, 8)
    for split in ("validation", "development", "test"):
        assert manifest.counts[split] == plain.counts[split]
    assert any("24 exchanges were added" in note for note in manifest.notes)
    rows = [json.loads(line) for line in (folder.dataset / "training.jsonl").read_text().splitlines()]
    assert sum("AI" in row["messages"][-1]["content"] for row in rows) >= 5
    assert check_file(folder.dataset / "training.jsonl").ok
    assert build_dataset(folder, Recipe()).reused
