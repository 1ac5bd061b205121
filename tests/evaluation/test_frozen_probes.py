"""Frozen probes: made once, refused when changed, made anew when the sheet changes, looks counted."""

import json

import pytest

from understudy.character.character import Character
from understudy.dialogue import Dialogue, Message
from understudy.errors import EvaluationError
from understudy.evaluation.frozen_probes import freeze_probes
from understudy.evaluation.looks import count_looks, record_look


def sheet(**changes) -> Character:  # type: ignore[no-untyped-def]
    fact = {
        "id": "cat",
        "statement": "Your cat is called Tom.",
        "questions": ["Who purrs?"],
        "expected": ["Tom"],
    }
    return Character(name="Ann", **{"facts": [fact], **changes})


HELD_OUT = [
    Dialogue(f"d{n}", f"g{n}", (Message("user", f"Hi {n}"), Message("assistant", "Yes."))) for n in range(4)
]


def look(folder, sha, model="m", settings=None):  # type: ignore[no-untyped-def]
    return record_look(
        folder, name="final", sha256=sha, run_id="r", model=model, settings=settings or {"seed": 0}
    )


def test_a_frozen_set_is_the_same_when_it_is_read_again(tmp_path):
    first = freeze_probes(tmp_path, sheet(), [], HELD_OUT)
    again = freeze_probes(tmp_path, sheet(), [], HELD_OUT)

    assert again.set == first.set
    assert (again.sha256, again.frozen_at) == (first.sha256, first.frozen_at)
    assert {p.name for p in tmp_path.iterdir()} == {"final.json"}


def test_the_sets_lie_apart(tmp_path):
    final = freeze_probes(tmp_path, sheet(), [], HELD_OUT)
    development = freeze_probes(tmp_path, sheet(), [], HELD_OUT[:1], "development")

    assert final.sha256 != development.sha256
    assert {p.name for p in tmp_path.iterdir()} == {"final.json", "development.json"}


@pytest.mark.parametrize("part", ["probes", "scripts", "conversations"])
def test_a_changed_file_is_refused_and_says_how_to_mend_it(tmp_path, part):
    freeze_probes(tmp_path, sheet(), [], HELD_OUT)
    path = tmp_path / "final.json"
    row = json.loads(path.read_text(encoding="utf-8"))
    row[part] = row[part][1:]
    path.write_text(json.dumps(row), encoding="utf-8")

    with pytest.raises(EvaluationError, match=r"final\.json: was changed after it was frozen.*Restore it"):
        freeze_probes(tmp_path, sheet(), [], HELD_OUT)


def test_a_damaged_file_names_itself(tmp_path):
    (tmp_path / "final.json").write_text("{", encoding="utf-8")

    with pytest.raises(EvaluationError, match=r"final\.json: cannot be read"):
        freeze_probes(tmp_path, sheet(), [], HELD_OUT)


def test_a_changed_sheet_freezes_new_probes_keeps_the_old_ones_and_says_so(tmp_path):
    first = freeze_probes(tmp_path, sheet(), [], HELD_OUT)
    look(tmp_path, first.sha256)
    changed = sheet(worldview=["Cats may talk."])
    second = freeze_probes(tmp_path, changed, [], HELD_OUT)

    assert second.sha256 != first.sha256
    assert "looked at 1 times" in str(second.replaced)
    assert second.replaced in second.set.notes
    assert (tmp_path / "former" / f"final-{first.sha256[:12]}.json").is_file()
    assert count_looks(tmp_path, second.sha256) == 0
    assert freeze_probes(tmp_path, changed, [], HELD_OUT).replaced == second.replaced


def test_looks_are_counted_by_model_and_settings_not_by_showing(tmp_path):
    assert look(tmp_path, "s") == 1
    assert look(tmp_path, "s") == 1
    assert look(tmp_path, "s", model="other") == 2
    assert look(tmp_path, "s", settings={"seed": 1}) == 3
    assert look(tmp_path, "another set") == 1
    with (tmp_path / "looks.jsonl").open("a") as file:
        file.write('{"torn')
    assert count_looks(tmp_path, "s") == 3
