"""The example lines of docs/writing-data.md are what the page says: good ones pass, bad ones are found."""

import json
import re
from pathlib import Path

import pytest

from understudy.character import Character, save_character
from understudy.dataset import check_file
from understudy.dataset.balance import kind_of
from understudy.dialogue import ImportOptions, import_dialogues, load_dialogues
from understudy.folder import CharacterFolder

PAGE = Path(__file__).resolve().parents[2] / "docs/writing-data.md"


def lines(name):
    (block,) = re.findall(
        rf"<!-- {name} -->\n```jsonl\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    return block.splitlines()


def test_the_good_lines_break_no_rule(tmp_path):
    path = tmp_path / "good.jsonl"
    rows = [json.loads(line) for line in lines("good")]
    path.write_text("".join(json.dumps({"messages": row["messages"]}) + "\n" for row in rows))

    assert {problem.code for problem in check_file(path).problems} == {"invalid_n_examples"}


def test_the_good_lines_are_imported_with_their_categories(tmp_path):
    folder = CharacterFolder(tmp_path / "bram")
    save_character(folder.character, Character(name="Bram Kettle"))
    path = tmp_path / "written.jsonl"
    path.write_text("\n".join(lines("good")), encoding="utf-8")

    import_dialogues(folder, path, ImportOptions())

    found = {dialogue.category for dialogue in load_dialogues(folder.dialogues)}
    assert found == {json.loads(line)["category"] for line in lines("good")}
    assert {kind_of(category) for category in found} == {"character", "identity", "protective", "general"}


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, "ai_disclaimer"),
        (2, "personal_data"),
        (3, "empty_line"),
        (4, "invalid_file_format"),
        (5, "invalid_file_format"),
    ],
)
def test_each_bad_line_is_found_as_the_page_says(tmp_path, number, code):
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join(lines("bad")), encoding="utf-8")

    assert [problem.code for problem in check_file(path).problems if problem.line == number] == [code]
    assert f"| {number} |" in PAGE.read_text(encoding="utf-8")
    assert f"`{code}`" in PAGE.read_text(encoding="utf-8")
