"""The study file and the cells that it asks for."""

from pathlib import Path

import pytest

from understudy.errors import ConfigError
from understudy.study.design import plan_study
from understudy.study.study_file import StudyFile, load_study_file, usual_study_file, write_study_file


def write(folder, text: str) -> Path:
    path = folder.root / "other-study.yaml"
    path.write_text(text)
    return path


def test_the_file_that_is_written_says_what_the_program_would_do(iroh, tmp_path):
    path = tmp_path / "study.yaml"

    write_study_file(path, "understudy/mini")

    assert load_study_file(path, iroh) == usual_study_file("understudy/mini")


def test_every_fault_is_named_with_its_line(iroh):
    path = write(
        iroh,
        "baseline:\n  examples: 3\n  shap: pairs\n"
        "factors:\n  method: [sft, magic]\nseeds: [1, 1]\nequal: money\n",
    )

    with pytest.raises(ConfigError) as caught:
        load_study_file(path, iroh)

    lines = str(caught.value).splitlines()
    assert [line.split(":")[1] for line in lines] == ["2", "2", "3", "5", "6", "7"]
    assert "Did you mean 'shape'" in str(caught.value) or "there is no such key" in str(caught.value)


def test_a_missing_file_says_how_to_write_one(iroh):
    with pytest.raises(ConfigError, match=r"no such file.*understudy study .*--plan"):
        load_study_file(iroh.root / "nowhere.yaml", iroh)


def test_nothing_to_compare_is_refused(iroh):
    nothing = "factors: {system_prompt: [], shape: [], protective: [], examples: [], method: []}\nalso: []\n"

    with pytest.raises(ConfigError, match="nothing differs from the baseline"):
        load_study_file(write(iroh, nothing), iroh)


def test_one_factor_is_changed_at_a_time(material):
    plan = plan_study(material, usual_study_file("understudy/mini"))

    assert len(plan.cells) == 3 * len(plan.rows)
    singles = [row for row in plan.rows if len(row.changed) == 1]
    assert plan.rows[0].changed == {}
    assert len(plan.rows) == 15
    assert len(singles) == 12
    assert [row.title for row in plan.rows if len(row.changed) > 1] == [
        "system prompt identity, pairs",
        "no protective examples, 50 dialogues",
    ]
    assert len({cell.cell.name for cell in plan.cells}) == 45
    assert "there are 717 to train on" in plan.left_out[0]


def test_seeds_repeat_every_cell_and_the_first_comes_whole(material):
    study = StudyFile(seeds=[1, 5])

    plan = plan_study(material, study)

    assert [cell.cell.seed for cell in plan.cells] == [1] * 15 + [5] * 15
    assert all(len(row.plans) == 2 for row in plan.rows)


def test_the_full_factorial_holds_every_combination(material):
    study = StudyFile.model_validate(
        {"factors": {"system_prompt": ["none", "mix"], "shape": ["pairs"], "protective": [], "examples": [50],
                     "method": []}, "also": []}
    )  # fmt: skip

    plan = plan_study(material, study, full_factorial=True)

    assert len(plan.rows) == 2 * 2 * 2
    assert len({tuple(row.cell.factors().values()) for row in plan.rows}) == 8


def test_far_too_many_cells_are_refused(material):
    sizes = list(range(10, 510))

    with pytest.raises(ConfigError, match="Name fewer levels"):
        plan_study(material, StudyFile.model_validate({"factors": {"examples": sizes}}), full_factorial=True)


def test_too_few_steps_name_every_cell_that_suffers(material):
    study = StudyFile.model_validate({"steps": 30, "equal": "steps", "seeds": [1]})

    with pytest.raises(ConfigError) as caught:
        plan_study(material, study)

    assert (
        str(caught.value).count("fewer than the") == 5
    )  # 400 and 717 dialogues, twice pairs, three quarters of DPO
