"""Files, system prompts, shapes and the manifest."""

import json

import pytest
from small_dialogues import make_dialogue

from understudy.dataset import SPLITS, Recipe, build_dataset, check_file, load_manifest, split_dialogues
from understudy.dataset.examples import paraphrases
from understudy.dialogue import Dialogue, Message, load_dialogues, save_dialogues
from understudy.errors import CharacterError, ConfigError, DatasetError, DialogueError

DIALOGUES = [make_dialogue(i, turns=2) for i in range(60)]


def read(folder, split):
    lines = (folder.dataset / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["messages"] for line in lines]


def system_of(example):
    return example[0]["content"] if example[0]["role"] == "system" else None


def test_writes_files_that_pass_every_check(make_folder):
    folder = make_folder(DIALOGUES)
    manifest = build_dataset(folder, Recipe())
    for split in SPLITS:
        assert len(read(folder, split)) == manifest.counts[split].examples
    result = check_file(folder.dataset / "training.jsonl")
    assert result.ok, result.problems
    assert result.tokens == manifest.counts["training"].tokens


def test_every_dialogue_is_in_the_split_of_its_group(make_folder):
    folder = make_folder(DIALOGUES)
    manifest = build_dataset(folder, Recipe(protect=False))
    for split in SPLITS:
        held = split_dialogues(folder, split)
        assert {d.group for d in held} == {g for g, s in manifest.groups.items() if s == split}
        written = {example[-1]["content"] for example in read(folder, split)}
        assert written == {d.messages[-1].content for d in held}


def test_conversations_keep_dialogues_whole(make_folder):
    folder = make_folder(DIALOGUES)
    build_dataset(folder, Recipe(system_prompt="none", protect=False))
    examples = [example for split in SPLITS for example in read(folder, split)]
    assert len(examples) == 60
    assert all([m["role"] for m in e] == ["user", "assistant"] * 2 for e in examples)


def test_pairs_make_each_reply_an_example(make_folder):
    folder = make_folder(DIALOGUES)
    build_dataset(folder, Recipe(system_prompt="none", shape="pairs", protect=False))
    examples = [example for split in SPLITS for example in read(folder, split)]
    assert len(examples) == 120
    assert all([m["role"] for m in e] == ["user", "assistant"] for e in examples)


@pytest.mark.parametrize(("system_prompt", "expected"), [("none", None), ("identity", "You are Ophelia.")])
def test_system_prompts(make_folder, system_prompt, expected):
    folder = make_folder(DIALOGUES)
    build_dataset(folder, Recipe(system_prompt=system_prompt))
    assert {system_of(e) for split in SPLITS for e in read(folder, split)} == {expected}


def test_the_full_prompt_is_the_long_one(make_folder, character):
    folder = make_folder(DIALOGUES)
    build_dataset(folder, Recipe(system_prompt="full"))
    assert {system_of(e) for e in read(folder, "training")} == {character.long_prompt()}


def test_the_mix_is_mostly_identity_sometimes_reworded_or_absent(make_folder, character):
    folder = make_folder([make_dialogue(i) for i in range(400)])
    manifest = build_dataset(folder, Recipe())
    prompts = [system_of(e) for e in read(folder, "training")]
    count = len(prompts)
    assert prompts.count(character.identity_prompt) / count == pytest.approx(0.7, abs=1 / count)
    assert prompts.count(None) / count == pytest.approx(0.15, abs=1 / count)
    assert set(prompts) - {None, character.identity_prompt} == set(paraphrases(character))
    assert sum(manifest.system_prompts.values()) == count
    # what is measured on gets the prompt of the deployed model
    assert {system_of(e) for e in read(folder, "test")} == {character.identity_prompt}


def test_a_dialogues_own_system_prompt_is_replaced(make_folder):
    own = [Dialogue(d.id, d.group, (Message("system", "Old prompt."), *d.messages)) for d in DIALOGUES]
    folder = make_folder(own)
    build_dataset(folder, Recipe(system_prompt="identity"))
    assert {system_of(e) for e in read(folder, "training")} == {"You are Ophelia."}
    assert "Old prompt" not in (folder.dataset / "training.jsonl").read_text(encoding="utf-8")


def test_greetings_and_unlearned_replies_survive(make_folder):
    greeted = [
        Dialogue(
            d.id,
            d.group,
            (Message("assistant", "Good morrow!", weight=0), *d.messages, Message("user", "Bye.")),
        )
        for d in DIALOGUES
    ]
    folder = make_folder(greeted)
    build_dataset(folder, Recipe(system_prompt="identity", protect=False))
    for example in read(folder, "training"):
        assert example[1] == {"role": "assistant", "content": "Good morrow!", "weight": 0}
        assert example[-1]["role"] == "assistant"
    assert check_file(folder.dataset / "training.jsonl").ok


def test_empty_replies_are_not_learned(make_folder):
    hollow = [
        Dialogue(d.id, d.group, (*d.messages, Message("user", "Well?"), Message("assistant", " ")))
        for d in DIALOGUES
    ]
    folder = make_folder(hollow)
    manifest = build_dataset(folder, Recipe(shape="pairs", protect=False))
    assert sum(c.replies for c in manifest.counts.values()) == 120
    assert not [p for p in check_file(folder.dataset / "training.jsonl").problems if p.code == "empty_line"]


def test_blanks_around_a_line_are_not_learned(make_folder):
    blank = [
        Dialogue(d.id, d.group, tuple(Message(m.role, f" {m.content}\n") for m in d.messages))
        for d in DIALOGUES
    ]
    folder = make_folder(blank)
    build_dataset(folder, Recipe())
    assert all(m["content"] == m["content"].strip() for e in read(folder, "training") for m in e)


def test_nothing_is_done_twice(make_folder):
    folder = make_folder(DIALOGUES)
    first = build_dataset(folder, Recipe())
    before = (folder.dataset / "training.jsonl").stat().st_mtime_ns
    again = build_dataset(folder, Recipe())
    assert (first.reused, again.reused) == (False, True)
    assert (folder.dataset / "training.jsonl").stat().st_mtime_ns == before
    assert again.counts == first.counts


@pytest.mark.parametrize("change", ["recipe", "dialogues", "sheet", "file", "manifest", "lost"])
def test_any_change_builds_again(make_folder, change):
    folder = make_folder(DIALOGUES)
    good = build_dataset(folder, Recipe())
    if change == "dialogues":
        save_dialogues(folder.dialogues, DIALOGUES[:-1])
    elif change == "sheet":
        folder.character.write_text(folder.character.read_text() + "\n# a remark\n")
    elif change == "file":
        (folder.dataset / "test.jsonl").write_text("{}\n")
    elif change == "manifest":
        (folder.dataset / "manifest.json").write_text("{}")
    elif change == "lost":
        (folder.dataset / "validation.jsonl").unlink()
    manifest = build_dataset(folder, Recipe(seed=1) if change == "recipe" else Recipe())
    assert not manifest.reused
    assert load_manifest(folder).as_dict() == manifest.as_dict()
    if change in ("file", "manifest", "lost"):
        assert manifest.outputs == good.outputs


def test_the_same_input_gives_the_same_bytes(make_folder):
    folder = make_folder(DIALOGUES)
    first = build_dataset(folder, Recipe()).outputs
    (folder.dataset / "manifest.json").unlink()
    assert build_dataset(folder, Recipe()).outputs == first


def test_a_changed_dialogue_file_is_not_evaluated_on(make_folder):
    folder = make_folder(DIALOGUES)
    build_dataset(folder, Recipe())
    save_dialogues(folder.dialogues, DIALOGUES[:30])
    with pytest.raises(DatasetError, match=r"has changed since the dataset was built.*understudy build"):
        split_dialogues(folder, "test")


def test_dropped_dialogues_are_not_trained(make_folder):
    recap = (
        Message("user", "And?"),
        Message("assistant", "Long ago the four kingdoms lived in peace and quiet."),
    )
    folder = make_folder(
        [
            Dialogue(d.id, d.group, (*d.messages, *recap) if i % 2 else d.messages)
            for i, d in enumerate(DIALOGUES)
        ]
    )
    manifest = build_dataset(folder, Recipe(test_share=0.5))
    assert manifest.dropped
    assert not {d.id for d in split_dialogues(folder, "training")} & set(manifest.dropped)
    assert any("left out of training" in note for note in manifest.notes)


def test_too_few_examples_are_noted(make_folder):
    manifest = build_dataset(make_folder(DIALOGUES[:8]), Recipe())
    assert any("job needs at least 10" in note for note in manifest.notes)


def test_a_sheet_that_describes_nobody_is_noted(make_folder):
    folder = make_folder(DIALOGUES)
    assert not any("describes nobody" in note for note in build_dataset(folder, Recipe()).notes)
    folder.character.write_text("name: Ophelia\nsummary: <Ophelia is …>\ntone: [<Short.>]\n")
    assert any("describes nobody" in note for note in build_dataset(folder, Recipe()).notes)


def test_long_examples_are_noted(make_folder):
    manifest = build_dataset(make_folder(DIALOGUES), Recipe(max_tokens=20))
    assert any("longer than 20 tokens" in note for note in manifest.notes)


def test_tokens_of_a_local_model_are_counted(make_folder, shared):
    folder = make_folder(DIALOGUES)
    model = shared / "models" / "tinystories-656k"
    manifest = build_dataset(folder, Recipe(), base_model=model)
    assert manifest.base_model == model.name
    assert all(c.model_tokens > 0 for c in manifest.counts.values())
    assert build_dataset(folder, Recipe(), base_model=model).reused
    assert build_dataset(folder, Recipe()).base_model == model.name


def test_dialogues_without_a_reply_are_refused(make_folder):
    mute = [Dialogue(f"d{i}", f"g{i}", (Message("user", "Hello?"),)) for i in range(12)]
    with pytest.raises(DatasetError, match="holds no reply of the character"):
        build_dataset(make_folder(mute), Recipe())


def test_equal_ids_are_refused(make_folder):
    with pytest.raises(DatasetError, match="same id: 'd1'"):
        build_dataset(make_folder([*DIALOGUES, DIALOGUES[1]]), Recipe())


def test_half_characters_are_refused(make_folder):
    folder = make_folder(DIALOGUES)
    row = {"id": "x", "group": "x", "messages": [{"role": "assistant", "content": "half \ud83d"}]}
    with folder.dialogues.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    with pytest.raises(DatasetError, match="dialogue 'x' contains half a character"):
        build_dataset(folder, Recipe())


def test_missing_and_broken_sources_are_named(make_folder):
    folder = make_folder(DIALOGUES)
    folder.dialogues.write_text("{oops\n", encoding="utf-8")
    with pytest.raises(DialogueError, match=r"dialogues\.jsonl:1: is not JSON"):
        build_dataset(folder, Recipe())
    folder.dialogues.unlink()
    with pytest.raises(DialogueError, match="no such file"):
        build_dataset(folder, Recipe())
    folder.character.write_text("name: [", encoding="utf-8")
    with pytest.raises(CharacterError, match="not valid YAML"):
        build_dataset(folder, Recipe())


@pytest.mark.parametrize(
    "settings",
    [
        {"system_prompt": "long"},
        {"shape": "triples"},
        {"identity_share": 0.9, "paraphrase_share": 0.2},
        {"test_share": 0.95},
        {"near_duplicate": 0.1},
        {"max_tokens": 0},
    ],
)
def test_impossible_recipes_are_refused(settings):
    with pytest.raises(ConfigError):
        Recipe(**settings)


def test_the_example_character_builds(tmp_path):
    import shutil
    from pathlib import Path

    import understudy
    from understudy.folder import CharacterFolder

    folder = CharacterFolder(tmp_path / "ophelia")
    shutil.copytree(Path(understudy.__file__).parent / "examples" / "ophelia", folder.root)
    manifest = build_dataset(folder, Recipe())
    result = check_file(folder.dataset / "training.jsonl")
    assert result.errors == 0
    assert result.warnings == 0, [p.message for p in result.problems]
    assert sum(c.dialogues for c in manifest.counts.values()) + len(manifest.dropped) == len(
        load_dialogues(folder.dialogues)
    )
