"""A plain prompt keeps its words; its name is guessed as a person would."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.character import guess_name, read_prompt_text
from understudy.errors import CharacterError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("You are Princess Ophelia. You live in a tower.", "Princess Ophelia"),
        ("You are Iroh, uncle of Zuko.", "Iroh"),
        ("You're Dr. Watson.", "Dr. Watson"),
        ("You are Anne of Green Gables and you talk a lot.", "Anne of Green Gables"),
        ("The robot's name is Rosie.", "Rosie"),
        ("You are a helpful pirate named Captain Jack, and", "Captain Jack"),
        ("You will answer questions. Your name is Zed.", "Zed"),
        ("Name: Luna Starweaver\nAge: 200", "Luna Starweaver"),
        ("I want you to act as a linux terminal. I will type", "Linux Terminal"),
        ("I want you to act as the Buddha from now on", "Buddha"),
        ("This is a discussion between a human and Lucky, who is a space corgi.", "Lucky"),
        ("Roleplay as Sherlock Holmes.", "Sherlock Holmes"),
        ('You are "Idea Clarifier" a version of', "Idea Clarifier"),
        ("Act as a composer. Later: a song called Hot Skull is fine." + " x" * 300, "Composer"),
        ("You are a cat.", None),
        ("I want you to act like {character} from {series}.", None),
        ("", None),
    ],
)
def test_names_are_guessed(text, name):
    assert guess_name(text) == name


@pytest.mark.parametrize("name", ["Evelyn", "Lucky", "Rosie"])
def test_companion_files_come_apart_into_prompt_and_example_turns(shared, name):
    read = read_prompt_text(shared / f"data/companion-personas/{name}.txt")

    character = read.character
    assert character.name == name
    assert character.identity_prompt == f"You are {name}."
    assert "###END" not in character.prompt
    turns = [turn for example in character.examples for turn in example]
    assert [turn.role for turn in turns[:2]] == ["user", "assistant"]
    assert not any("\\n" in turn.content or "`" in turn.content for turn in turns)


def test_most_prompts_of_a_public_list_get_a_name(shared):
    path = shared / "data/awesome-chatgpt-prompts/prompts-2025-12.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    named = [row for row in rows if guess_name(row["prompt"])]

    assert len(named) >= 0.75 * len(rows)


def test_the_words_are_kept(tmp_path):
    text = "You are Ada.\n\n  * Speak\tplainly.\n{{not a macro}} ünïcödé"
    path = tmp_path / "prompt.txt"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())

    character = read_prompt_text(path).character

    assert character.prompt == text
    assert character.long_prompt() == text


def test_a_name_can_be_given_and_otherwise_falls_back_with_a_warning(tmp_path):
    path = tmp_path / "prompt.txt"
    path.write_text("You are a cat.", encoding="utf-8")

    assert read_prompt_text(path, name="Tom").character.name == "Tom"
    read = read_prompt_text(path, fallback_name="Whiskers")
    assert read.character.name == "Whiskers"
    assert any("--name" in warning for warning in read.warnings)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n ", "is empty"),
        (b"\x89PNG\r\n\x1a\n", "not a text file"),
        (b"a\0b", "not a text file"),
        (b"###ENDPREAMBLE###\nUser: Hi", "no prompt"),
    ],
)
def test_what_is_no_prompt_is_refused(tmp_path, content, message):
    path = tmp_path / "prompt.txt"
    path.write_bytes(content)

    with pytest.raises(CharacterError, match=message):
        read_prompt_text(path)


@given(st.text(max_size=200))
def test_any_text_gives_a_usable_name_or_none(text):
    name = guess_name(text)

    assert name is None or (name.strip() == name and 0 < len(name) <= 200)
