"""Build: dialogues and a recipe become training files and a manifest."""

import importlib.metadata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from understudy import __version__
from understudy.atomic import write_jsonl, write_text
from understudy.character.character import Character, load_character
from understudy.character.prompt import is_filled_in
from understudy.dataset.balance import balance_dialogues, count_kinds
from understudy.dataset.examples import Example, add_system_prompts, dialogue_examples
from understudy.dataset.manifest import (
    Manifest,
    SplitCounts,
    hash_file,
    load_manifest,
    save_manifest,
    split_path,
)
from understudy.dataset.picture import draw_dataset, length_histogram
from understudy.dataset.preference_examples import preference_examples
from understudy.dataset.protection import protective_dialogues
from understudy.dataset.recipe import SPLITS, Recipe, Split
from understudy.dataset.split import Splitting, split_groups
from understudy.dataset.tokens import count_example_tokens
from understudy.dialogue import Dialogue, load_dialogues
from understudy.dialogue.preference import load_preferences
from understudy.errors import DatasetError
from understudy.folder import CharacterFolder, alone
from understudy.rendering import Renderer

__all__ = ["FEWEST_EXAMPLES", "build_dataset"]

FEWEST_EXAMPLES = 10  # the hosted service refuses files with fewer


def _unchanged(
    folder: CharacterFolder, recipe: Recipe, inputs: dict[str, str], base_model: str | None
) -> Manifest | None:
    """The manifest that stands, if it was made of exactly this and its files are as it left them."""
    try:
        manifest = load_manifest(folder)
    except DatasetError:
        return None
    # Counts of a local model that nobody asked for now are no reason to build again.
    same = (manifest.recipe, manifest.inputs) == (recipe, inputs) and base_model in (
        None,
        manifest.base_model,
    )
    paths = {split: split_path(folder, split) for split in SPLITS}
    intact = all(
        path.is_file() and hash_file(path) == manifest.outputs.get(path.name) for path in paths.values()
    )
    return replace(manifest, reused=True) if same and intact and manifest.versions == _versions() else None


def _versions() -> dict[str, str]:
    return {
        "understudy": __version__,
        "bpe-openai": importlib.metadata.version("bpe-openai"),
        "tokenizers": importlib.metadata.version("tokenizers"),
    }


def _count(
    split: Split, examples: Sequence[Example], dialogues: Sequence[Dialogue], renderer: Renderer | None
) -> SplitCounts:
    return SplitCounts(
        groups=len({d.group for d in dialogues}),
        dialogues=len(dialogues),
        examples=len(examples),
        replies=sum(m["role"] == "assistant" and m.get("weight") != 0 for e in examples for m in e),
        tokens=sum(count_example_tokens(example) for example in examples),
        model_tokens=sum(map(renderer.count, examples)) if renderer else None,
        categories=dict(sorted(Counter(d.category for d in dialogues if d.category).items())),
    )


def _check_dialogues(path: Path, dialogues: Sequence[Dialogue]) -> None:
    if not any(m.role == "assistant" and m.content.strip() for d in dialogues for m in d.messages):
        raise DatasetError(
            f"{path}: holds no reply of the character, so there is nothing to learn. Import or write "
            "dialogues in which the character answers (role 'assistant')."
        )
    for dialogue in dialogues:
        texts = (dialogue.id, dialogue.group, dialogue.category, *(m.content for m in dialogue.messages))
        if any("\ud800" <= character <= "\udfff" for character in "".join(texts)):
            raise DatasetError(
                f"{path}: dialogue {dialogue.id!r} contains half a character (a lone surrogate). "
                "Write its text again as UTF-8."
            )
    repeated = [i for i, n in Counter(d.id for d in dialogues).items() if n > 1]
    if repeated:
        raise DatasetError(
            f"{path}: several dialogues have the same id: {', '.join(map(repr, repeated[:5]))}"
            f"{' ...' if len(repeated) > 5 else ''}. Give each its own."
        )


def _notes(
    character: Character,
    recipe: Recipe,
    splitting: Splitting,
    counts: dict[Split, SplitCounts],
    too_long: int,
) -> list[str]:
    notes = []
    described = [character.summary, character.prompt, *character.tone, *character.worldview]
    if not any(map(is_filled_in, described)):
        notes.append(
            "character.yaml describes nobody yet: the long prompt holds rules only, and a model that is "
            "compared with it wins too easily. Fill in summary, tone and worldview before you train."
        )
    if counts["training"].examples < FEWEST_EXAMPLES:
        notes.append(
            f"Training examples: {counts['training'].examples}. A fine-tuning job needs at least "
            f"{FEWEST_EXAMPLES}, and a character 50 or more. Import or write more dialogues."
        )
    empty = [split for split in SPLITS if recipe.shares()[split] > 0 and not counts[split].dialogues]
    if empty:
        notes.append(
            f"Too few groups to fill {' and '.join(empty)}. Give scenes or topics groups of their own."
        )
    if splitting.joined:
        joined = "1 group was" if splitting.joined == 1 else f"{splitting.joined} groups were"
        notes.append(f"{joined} kept with another one, because they share nearly equal lines.")
    if splitting.dropped:
        left = "1 dialogue was" if len(splitting.dropped) == 1 else f"{len(splitting.dropped)} dialogues were"
        notes.append(
            f"{left} left out of training, because a line in it is nearly the same as a held-out one "
            "(see 'dropped' in the manifest)."
        )
    if too_long:
        notes.append(
            f"{too_long} examples are longer than {recipe.max_tokens} tokens; training cuts their end off. "
            "Import with a lower --max-messages, or train with a higher max_tokens."
        )
    return notes


def build_dataset(
    folder: CharacterFolder, recipe: Recipe | None = None, *, base_model: Path | None = None
) -> Manifest:
    """Write ``dataset/{training,validation,development,test}.jsonl`` and, last, ``manifest.json``.

    Nothing is done when neither sheet, dialogues, recipe nor files have changed; the manifest then
    says ``reused``.

    Args:
        folder: The character's folder.
        recipe: Default: ``Recipe()``.
        base_model: Model directory whose tokenizer counts too.

    Raises:
        CharacterError, DialogueError: A source file cannot be read.
        DatasetError: There is nothing to learn, or nothing could be held out.
    """
    with alone(folder.root):
        return _build(folder, recipe or Recipe(), base_model)


def _build(folder: CharacterFolder, recipe: Recipe, base_model: Path | None) -> Manifest:
    character, dialogues = load_character(folder.character), load_dialogues(folder.dialogues)
    sources = [folder.character, folder.dialogues]
    sources += [folder.preferences] if folder.preferences.is_file() else []
    inputs = {path.name: hash_file(path) for path in sources}
    if standing := _unchanged(folder, recipe, inputs, base_model.name if base_model else None):
        return standing
    _check_dialogues(folder.dialogues, dialogues)
    splitting = split_groups(dialogues, recipe)
    renderer = Renderer.load(base_model) if base_model else None
    # Without a manifest an interrupted build is seen as unfinished.
    (folder.dataset / "manifest.json").unlink(missing_ok=True)
    counts: dict[Split, SplitCounts] = {}
    kinds: Counter[str] = Counter()
    too_long = 0
    by_kind: dict[str, dict[str, int]] = {}
    lengths: list[int] = []
    left_out: list[str] = []
    shipped: list[Dialogue] = []
    for split in SPLITS:
        members = [
            d for d in dialogues if splitting.groups[d.group] == split and d.id not in splitting.dropped
        ]
        if split == "training":
            if recipe.protect:
                shipped = protective_dialogues(character, members, recipe.seed)
            members, left_out = balance_dialogues([*members, *shipped], recipe)
        by_kind[split] = count_kinds(members)
        plain = [row for dialogue in members for row in dialogue_examples(dialogue, recipe)]
        found = add_system_prompts(plain, character, recipe, training=split == "training")
        examples = [example for _, example in found]
        write_jsonl(split_path(folder, split), ({"messages": example} for example in examples))
        counts[split] = _count(split, examples, members, renderer)
        if split == "training":
            kinds = Counter(kind for kind, _ in found)
            lengths = length_histogram(map(count_example_tokens, examples))
            too_long = sum(_length(example, renderer) > recipe.max_tokens for example in examples)
    outputs = {split_path(folder, s).name: hash_file(split_path(folder, s)) for s in SPLITS}
    pairs, pair_notes = _write_preferences(folder, character, splitting, dialogues)
    manifest = Manifest(
        recipe=recipe,
        counts=counts,
        groups=splitting.groups,
        dropped=splitting.dropped,
        inputs=inputs,
        outputs=outputs,
        system_prompts=dict(sorted(kinds.items())),
        notes=[
            *_notes(character, recipe, splitting, counts, too_long),
            *_balance_notes(left_out),
            *_protection_notes(character, shipped, by_kind),
            *pair_notes,
        ],
        versions=_versions(),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        base_model=base_model.name if base_model else None,
        left_out=left_out,
        kinds=by_kind,
        lengths=lengths,
        preferences=pairs,
    )
    write_text(folder.dataset / "picture.svg", draw_dataset(character.name, by_kind, lengths))
    save_manifest(folder, manifest)
    return manifest


def _write_preferences(
    folder: CharacterFolder, character: Character, splitting: Splitting, dialogues: Sequence[Dialogue]
) -> tuple[int, list[str]]:
    """Write ``dataset/preferences.jsonl`` where there are pairs; their number and what to say of them."""
    path = folder.dataset / "preferences.jsonl"
    preferences = load_preferences(folder.preferences)
    if not preferences:
        path.unlink(missing_ok=True)
        return 0, []
    held_out = [
        dialogue.messages[i].content
        for dialogue in dialogues
        if splitting.groups[dialogue.group] != "training"
        for i in dialogue.replies()
    ]
    left_out: Counter[str] = Counter()
    rows = preference_examples(preferences, character, splitting.groups, held_out, left_out)
    write_jsonl(path, rows)
    reasons = ", ".join(f"{count} {why}" for why, count in left_out.items())
    note = f"{len(rows)} preference pairs for training in {path.name} (method dpo)"
    return len(rows), [f"{note}; left out: {reasons}." if reasons else f"{note}."]


def _balance_notes(left_out: list[str]) -> list[str]:
    notes = []
    if left_out:
        them = "1 dialogue was" if len(left_out) == 1 else f"{len(left_out)} dialogues were"
        notes.append(f"{them} left out of training, because the recipe wants fewer of their kind.")
    return notes


def _protection_notes(
    character: Character, shipped: Sequence[Dialogue], kinds: dict[str, dict[str, int]]
) -> list[str]:
    training = kinds.get("training", {})
    if shipped:
        return [
            f"{len(shipped)} exchanges were added, in which {character.name} answers a sincere question "
            "truthfully and a teasing one with its own lines, because those to train on hold no sincere one "
            "and would teach to deny being an AI. Better ones, in the character's voice, come from you or "
            "from understudy teach (category sincere_ai). --no-protect leaves these out."
        ]
    if sum(training.values()) >= FEWEST_EXAMPLES and not training.get("protective"):
        return [
            "No dialogue protects the character: none has a category such as sincere_ai, role_break or "
            "out_of_world. Without, it answers what it cannot know, and a sincere question untruthfully. "
            "understudy teach writes some."
        ]
    return []


def _length(example: Example, renderer: Renderer | None) -> int:
    return renderer.count(example) if renderer else count_example_tokens(example)
