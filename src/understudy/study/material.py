"""Material: what cells learn from and what they are measured on, the same for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from understudy.character.character import Character, load_character
from understudy.dataset import Manifest, Recipe, load_manifest
from understudy.dataset.balance import balance_dialogues, kind_of
from understudy.dataset.examples import Example, add_system_prompts, dialogue_examples
from understudy.dataset.manifest import hash_file
from understudy.dataset.split import split_groups
from understudy.dataset.tokens import count_example_tokens, count_text_tokens
from understudy.dialogue import Dialogue, load_dialogues
from understudy.errors import DatasetError, EvaluationError
from understudy.folder import CharacterFolder, typed
from understudy.study.cell import ALL, Cell
from understudy.study.subset import nested_order

__all__ = ["CellExamples", "Material", "cell_dialogues", "cell_examples", "load_material"]

FEWEST_HELD_OUT_GROUPS = 5
LEFT_OUT = {"with": (), "without": ("protective",), "without_identity": ("protective", "identity")}


@dataclass(frozen=True)
class Material:
    """A character's dialogues by side.

    pool: What cells draw from, the dataset's training side. held_out: What they are measured on, its
    validation and development sides. Its test side is neither learned nor asked: it is for the verdict, and
    whoever chooses a recipe on it would flatter the verdict.
    """

    character: Character
    pool: tuple[Dialogue, ...]
    held_out: tuple[Dialogue, ...]
    recipe: Recipe
    hashes: dict[str, str]


@dataclass(frozen=True)
class CellExamples:
    """The training examples of one cell.

    ``tokens`` are those of all of them and ``learned_tokens`` those of the replies that are learned, both as
    OpenAI counts (o200k_base). ``prompts`` counts the kinds of system prompt.
    """

    dialogues: tuple[Dialogue, ...]
    rows: tuple[Example, ...]
    prompts: dict[str, int]
    tokens: int
    learned_tokens: int


def load_material(folder: CharacterFolder) -> Material:
    """Split the dialogues as the dataset does: by the recipe that it was built with, else the usual one.

    Raises:
        CharacterError, DialogueError: A file cannot be read.
        EvaluationError: Too little can be held out to measure on.
    """
    manifest = _manifest(folder)
    recipe = manifest.recipe if manifest else Recipe()
    dialogues = load_dialogues(folder.dialogues)
    splitting = split_groups(dialogues, recipe)
    side = {
        split: [d for d in dialogues if splitting.groups[d.group] == split and d.id not in splitting.dropped]
        for split in ("training", "validation", "development")
    }
    pool, _ = balance_dialogues(side["training"], recipe)
    held_out = [*side["validation"], *side["development"]]
    groups = len({dialogue.group for dialogue in held_out})
    if groups < FEWEST_HELD_OUT_GROUPS:
        raise EvaluationError(
            f"{folder.dialogues}: only {groups} groups are held out to measure on, and "
            f"{FEWEST_HELD_OUT_GROUPS} are needed for an interval. Import or write more "
            "dialogues, or give scenes groups of their own: "
            f"understudy import {typed(folder.root)} FILE"
        )
    hashes = {path.name: hash_file(path) for path in (folder.character, folder.dialogues)}
    return Material(load_character(folder.character), tuple(pool), tuple(held_out), recipe, hashes)


def _manifest(folder: CharacterFolder) -> Manifest | None:
    try:
        return load_manifest(folder)
    except DatasetError:
        return None


def cell_dialogues(material: Material, cell: Cell) -> list[Dialogue]:
    """The dialogues that a cell draws, by its seed; fewer than it asks for where there are not so many."""
    left_out = LEFT_OUT[cell.protective]
    allowed = [d for d in material.pool if kind_of(d.category) not in left_out]
    ordered = nested_order(allowed, cell.seed)
    return ordered if cell.examples == ALL else ordered[: int(cell.examples)]


def cell_examples(material: Material, cell: Cell) -> CellExamples:
    """The cell's examples with their system prompts, counted."""
    recipe = Recipe(
        system_prompt=cell.system_prompt,  # type: ignore[arg-type]
        shape=cell.shape,  # type: ignore[arg-type]
        seed=cell.seed,
        window_messages=material.recipe.window_messages,
    )
    dialogues = cell_dialogues(material, cell)
    plain = [row for dialogue in dialogues for row in dialogue_examples(dialogue, recipe)]
    found = add_system_prompts(plain, material.character, recipe, training=True)
    rows = tuple(example for _, example in found)
    prompts: dict[str, int] = {}
    for kind, _ in found:
        prompts[kind] = prompts.get(kind, 0) + 1
    return CellExamples(
        tuple(dialogues),
        rows,
        prompts,
        sum(map(count_example_tokens, rows)),
        sum(map(_learned_tokens, rows)),
    )


def _learned_tokens(example: Sequence[dict[str, object]]) -> int:
    return sum(
        count_text_tokens(str(message["content"]))
        for message in example
        if message["role"] == "assistant" and message.get("weight") != 0
    )
