"""The sheet is read with all its problems at once, and written so that it reads back."""

import json

import jsonschema
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from understudy.character import (
    Character,
    build_schema,
    load_character,
    parse_sheet,
    published_schema,
    render_sheet,
    save_character,
)
from understudy.errors import CharacterError

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


def test_all_problems_are_named_with_their_lines():
    sheet = "name: 1984\ntone: a\ntone: b\ngretting: x\nfacts:\n  - id: a\n    statement: 3\n"

    with pytest.raises(CharacterError) as caught:
        parse_sheet(sheet, "character.yaml")

    lines = str(caught.value).splitlines()
    assert [line.split(":")[1] for line in lines] == ["1", "3", "4", "7"]
    assert "quotation marks" in lines[0]
    assert "second time" in lines[1]
    assert "Did you mean 'greeting'?" in lines[2]
    assert "facts.0.statement" in lines[3]


def test_two_facts_of_one_id_are_refused():
    sheet = "name: A\nfacts: [{id: a, statement: x}, {id: a, statement: y}]\n"

    with pytest.raises(CharacterError, match="two facts have the id 'a'"):
        parse_sheet(sheet, "character.yaml")


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ("", "must hold keys"),
        ("- a\n", "must hold keys"),
        ("name: [\n", r"c\.yaml:2: is not valid YAML"),
        ("name: a: b\n", r"c\.yaml:1: is not valid YAML"),
        ("name: 2024-99-99\n", "is not valid YAML"),
        ("tone: x\n", "name: is missing"),
        ("name:\n", "name: is missing"),
        ("name: '  '\n", "name: "),
        ("name: A\npolicies: {disclosure: never}\n", "in_character"),
        ("name: A\nfacts: 3\n", "must be a list"),
        ("name: A\npolicies: strict\n", "must hold keys of its own"),
        ("name: " + "[" * 500 + "]" * 500, "must be text|is not valid YAML"),
        ("name: " + "- " * 500, "is not valid YAML"),
    ],
)
def test_faults_have_a_remedy_and_no_traceback(sheet, message):
    with pytest.raises(CharacterError, match=message):
        parse_sheet(sheet, "c.yaml")


def test_one_line_counts_as_a_list_and_an_empty_key_as_left_out():
    character = parse_sheet("name: A\ntone: Calm.\ngreeting:\nworldview:\n", "c.yaml")

    assert character.tone == ["Calm."]
    assert character.greeting == ""
    assert character.worldview == []


def test_a_missing_file_says_how_to_begin(tmp_path):
    with pytest.raises(CharacterError, match="understudy init"):
        load_character(tmp_path / "character.yaml")
    (tmp_path / "odd.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(CharacterError, match="UTF-8"):
        load_character(tmp_path / "odd.yaml")


@given(name=TEXT.filter(str.strip), tone=st.lists(TEXT), prompt=TEXT, source=st.dictionaries(TEXT, TEXT))
@example("Ada", [], "Be kind.\n\n", {})
@example("Ada", ["\n\n"], "\n", {"a": "\n\n\n"})
def test_what_is_written_reads_back(name, tone, prompt, source):
    character = Character(name=name, tone=tone, prompt=prompt, source=source)

    assert parse_sheet(render_sheet(character), "again") == character


def test_saved_sheet_explains_its_sections(tmp_path):
    path = tmp_path / "character.yaml"

    save_character(path, Character(name="Ada"))

    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=./character.schema.json\n")
    assert "# How the character speaks.\ntone: []" in text
    assert load_character(path).name == "Ada"


def test_the_published_schema_is_the_model_s():
    assert json.loads(published_schema()) == build_schema(), (
        "the model changed: run python -m understudy.character.schema"
    )


def test_the_schema_accepts_sheets_and_refuses_misspelled_keys():
    jsonschema.Draft202012Validator.check_schema(build_schema())
    validator = jsonschema.Draft202012Validator(build_schema())
    good = yaml.safe_load(render_sheet(Character(name="Ada", tone=["Calm."])))

    assert list(validator.iter_errors(good)) == []
    assert list(validator.iter_errors({"name": "Ada", "tone": "one line"})) == []
    assert list(validator.iter_errors({"name": "Ada", "ton": []}))
    assert list(validator.iter_errors({"tone": []}))
