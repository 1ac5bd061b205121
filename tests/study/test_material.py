"""Material: what cells learn, what they are measured on, and what neither may touch."""

from itertools import pairwise

import pytest

from understudy.dataset import Recipe, split_groups
from understudy.dataset.balance import kind_of
from understudy.dialogue import load_dialogues
from understudy.errors import EvaluationError
from understudy.study.cell import Cell
from understudy.study.cell_plan import Terms, plan_cell, plan_cells
from understudy.study.material import cell_dialogues, cell_examples, load_material


def test_test_dialogues_are_neither_learned_nor_asked(ophelia, material):
    dialogues = load_dialogues(ophelia.dialogues)
    groups = split_groups(dialogues, Recipe()).groups
    test = {d.id for d in dialogues if groups[d.group] == "test"}

    assert len(test) > 100
    assert not test & {d.id for d in (*material.pool, *material.held_out)}
    assert not {d.group for d in material.pool} & {d.group for d in material.held_out}


def test_sizes_lie_inside_each_other(material):
    drawn = [{d.id for d in cell_dialogues(material, Cell(examples=size))} for size in (25, 50, 100, 400)]

    assert [len(ids) for ids in drawn] == [25, 50, 100, 400]
    assert all(small < large for small, large in pairwise(drawn))


def test_protective_dialogues_are_left_out_and_others_take_their_place(material):
    kinds = {
        level: [kind_of(d.category) for d in cell_dialogues(material, Cell(examples=100, protective=level))]
        for level in ("with", "without", "without_identity")
    }

    assert {len(found) for found in kinds.values()} == {100}
    assert "protective" in kinds["with"]
    assert "identity" in kinds["with"]
    assert "protective" not in kinds["without"]
    assert "identity" in kinds["without"]
    assert not {"protective", "identity"} & set(kinds["without_identity"])


def test_the_cell_decides_prompt_and_shape(material):
    bare = cell_examples(material, Cell(system_prompt="none", shape="pairs", examples=50))
    full = cell_examples(material, Cell(system_prompt="full", examples=50))

    assert all(row[0]["role"] == "user" and len(row) == 2 for row in bare.rows if len(row) == 2)
    assert len(bare.rows) > len(full.rows) == 50
    assert {row[0]["content"] for row in full.rows} == {material.character.long_prompt()}
    assert bare.prompts == {"none": len(bare.rows)}
    assert full.tokens > 10 * bare.tokens


def test_cells_learn_equally_many_tokens(material):
    baseline = Cell(examples=200)
    cells = [
        baseline,
        *(baseline.with_levels(**levels) for levels in (
            {"shape": "pairs"}, {"examples": 50}, {"examples": "all"}, {"system_prompt": "full"},
            {"protective": "without_identity"}, {"method": "sft+dpo"}, {"method": "distillation"},
        )),
    ]  # fmt: skip

    plans = plan_cells(material, cells, baseline, Terms(120, 8, "learned_tokens"))

    learned = [plan.learned_tokens for plan in plans]
    assert max(learned) < 1.06 * min(learned)
    assert plans[1].steps > 1.2 * plans[0].steps
    assert [len(plan.stages) for plan in plans] == [1, 1, 1, 1, 1, 1, 2, 1]


def test_too_few_held_out_groups_are_refused_with_the_remedy(iroh):
    lines = iroh.dialogues.read_text().splitlines(keepends=True)
    iroh.dialogues.write_text("".join(lines[:12]))

    with pytest.raises(EvaluationError, match=r"only \d groups are held out.*understudy import"):
        load_material(iroh)


def test_a_cell_without_dialogues_is_refused(material):
    from dataclasses import replace

    from understudy.errors import ConfigError

    only = tuple(d for d in material.pool if kind_of(d.category) == "protective")
    with pytest.raises(ConfigError, match="no dialogue is left"):
        plan_cell(replace(material, pool=only), Cell(protective="without"), Terms(), 1000)
