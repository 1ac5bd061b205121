"""``understudy init`` and ``understudy import`` as a person types them."""

import json
import shlex

import pytest
import typer
from typer.testing import CliRunner

from understudy.character import example_names, load_character
from understudy.character.start import name_from_folder
from understudy.cli.import_ import import_command
from understudy.cli.init import init_command
from understudy.client.recommend import Machine, recommend_base
from understudy.dialogue import load_dialogues
from understudy.errors import CardError, CharacterError, ConfigError, DialogueError

app = typer.Typer()
app.command("init")(init_command)
app.command("import")(import_command)


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*words):
    """Run a command; an error of the family is raised as itself."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_plain_init_makes_a_sheet_that_loads(tmp_path):
    output = run("init", "iroh").stdout

    assert files(tmp_path / "iroh") == ["character.schema.json", "character.yaml"]
    character = load_character(tmp_path / "iroh/character.yaml")
    assert (character.name, character.identity_prompt) == ("Iroh", "You are Iroh.")
    assert "understudy import iroh" in output
    assert "Base model for this machine: " in output
    assert "understudy/mini" in output


@pytest.mark.parametrize(
    "name", ["Ann: the #1", "O'Neil", '"quoted"', "Ünï – ☃", "null", "1984", "a\nb", "<x>"]
)
def test_any_name_makes_a_sheet_that_loads(tmp_path, name):
    run("init", "x", "--name", name)

    assert load_character(tmp_path / "x/character.yaml").name == " ".join(name.split())


def test_commands_to_paste_quote_what_a_shell_would_cut(tmp_path):
    output = run("init", "my iroh", "--name", "O'Neil").stdout

    *_, imports, _, plans = (line for line in output.splitlines())
    words = ["understudy", "import", "my iroh", "transcript.csv", "--speaker", "O'Neil"]
    assert shlex.split(imports) == words
    assert shlex.split(plans) == ["understudy", "plan", "my iroh"]


def test_names_come_from_folders(tmp_path):
    assert name_from_folder(tmp_path / "characters/uncle-iroh") == "Uncle Iroh"
    assert name_from_folder(tmp_path / "mcCoy_the 3rd") == "mcCoy The 3rd"
    run("init", "characters/uncle_iroh/")
    assert load_character(tmp_path / "characters/uncle_iroh/character.yaml").name == "Uncle Iroh"


def test_init_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "zuko").mkdir()
    monkeypatch.chdir(tmp_path / "zuko")

    run("init", ".")

    assert load_character(tmp_path / "zuko/character.yaml").name == "Zuko"


def test_an_existing_character_is_never_overwritten(tmp_path):
    run("init", "iroh")
    before = (tmp_path / "iroh/character.yaml").read_bytes()

    with pytest.raises(ConfigError, match="exists already and is not overwritten"):
        run("init", "iroh", "--name", "Other")

    assert (tmp_path / "iroh/character.yaml").read_bytes() == before


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "iroh").write_text("x", encoding="utf-8")

    with pytest.raises(ConfigError, match="is a file"):
        run("init", "iroh")
    with pytest.raises(ConfigError, match="is a file"):
        run("init", "iroh/inner")


@pytest.mark.parametrize("folder", ["", " ", "/", "x" * 300])
def test_a_folder_that_cannot_be_is_refused(folder):
    with pytest.raises(ConfigError, match=r"folder|name"):
        run("init", folder)


def test_a_card_makes_a_character_with_its_original(tmp_path, shared):
    card = shared / "data/character-cards/default_FluxTheCat.png"

    output = run("init", "flux", "--card", card).stdout

    assert files(tmp_path / "flux") == [
        "character.schema.json",
        "character.yaml",
        "sources/default_FluxTheCat.png",
    ]
    assert (tmp_path / "flux/sources/default_FluxTheCat.png").read_bytes() == card.read_bytes()
    assert "Name: Flux the Cat" in output
    assert load_character(tmp_path / "flux/character.yaml").source["creator_notes"]


def test_example_dialogues_of_a_card_are_the_first_dialogues(tmp_path, shared):
    run("init", "shodan", "--card", shared / "data/character-cards/Shodan_v2.png", "--user", "Hacker")

    dialogues = load_dialogues(tmp_path / "shodan/dialogues.jsonl")
    assert dialogues
    assert all(dialogue.replies() for dialogue in dialogues)


def test_a_prompt_makes_a_character(tmp_path, shared):
    result = run("init", "rosie", "--prompt", shared / "data/companion-personas/Rosie.txt", "--json")

    report = json.loads(result.stdout)
    assert report["name"] == "Rosie"
    assert len(report["made"]) == 4
    assert load_character(tmp_path / "rosie/character.yaml").prompt.startswith("This is a discussion")


def test_a_prompt_without_a_name_takes_the_folder_s_with_a_warning(tmp_path):
    (tmp_path / "prompt.txt").write_text("You are a cat.", encoding="utf-8")

    result = run("init", "whiskers", "--prompt", "prompt.txt")

    assert "Name: Whiskers" in result.stdout
    assert "--name" in result.stderr


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"{}", b"PK\x03\x04"])
def test_a_bad_card_leaves_nothing_behind(tmp_path, content):
    (tmp_path / "card.png").write_bytes(content)

    with pytest.raises(CardError, match=r"card\.png"):
        run("init", "x", "--card", "card.png")
    with pytest.raises(CharacterError):
        run("init", "x", "--prompt", "missing.txt")

    assert not (tmp_path / "x").exists()


def test_several_sources_and_unknown_examples_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="not several"):
        run("init", "x", "--card", "a.png", "--prompt", "b.txt")
    with pytest.raises(ConfigError, match="ophelia"):
        run("init", "x", "--example", "nobody")
    with pytest.raises(ConfigError, match="--name is empty"):
        run("init", "x", "--name", " ")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("example", ["ophelia"])
def test_shipped_examples_are_copied_and_load(tmp_path, example):
    assert example in example_names()

    output = run("init", "mine", "--example", example).stdout

    assert load_character(tmp_path / "mine/character.yaml").name == "Princess Ophelia"
    if (tmp_path / "mine/dialogues.jsonl").exists():
        assert load_dialogues(tmp_path / "mine/dialogues.jsonl")
        assert "understudy run mine" in output


SCRIPT = "Zuko: We have no time.\nIroh: There is always time for tea. [pours]\nZuko: No!\nIroh: Jasmine?\n"


def test_import_shows_what_it_found(tmp_path):
    (tmp_path / "play.txt").write_text(SCRIPT, encoding="utf-8")
    run("init", "iroh")

    output = run("import", "iroh", "play.txt").stdout

    assert "layout: NAME: line" in output
    assert "4 lines; Iroh speaks 2 of them" in output
    assert "1 dialogue with 2 replies in 1 group" in output
    assert "  Zuko: We have no time.\n    Iroh: There is always time for tea.\n" in output
    assert "Added 1 dialogue to iroh/dialogues.jsonl, which now holds 1." in output
    assert output.endswith("Next: understudy build iroh\n")
    assert "1 were there already" in run("import", "iroh", "play.txt").stdout


def test_import_reports_as_json_and_can_run_dry(tmp_path):
    (tmp_path / "play.txt").write_text(SCRIPT, encoding="utf-8")
    run("init", "iroh")

    report = json.loads(run("import", "iroh", "play.txt", "--dry-run", "--json").stdout)

    assert (report["added"], report["replies"], report["dry_run"]) == (1, 2, True)
    assert not (tmp_path / "iroh/dialogues.jsonl").exists()


def test_import_names_what_is_wrong(tmp_path):
    (tmp_path / "play.txt").write_text(SCRIPT, encoding="utf-8")

    with pytest.raises(ConfigError, match="understudy init iroh"):
        run("import", "iroh", "play.txt")
    run("init", "iroh")
    with pytest.raises(DialogueError, match=r"nobody called 'Aang'.*Zuko \(2\)"):
        run("import", "iroh", "play.txt", "--speaker", "Aang")
    with pytest.raises(DialogueError, match="no such file"):
        run("import", "iroh", "none.csv")
    with pytest.raises(ConfigError, match="--format 'pdf' is not one of"):
        run("import", "iroh", "play.txt", "--format", "pdf")
    with pytest.raises(ConfigError, match="--context"):
        run("import", "iroh", "play.txt", "--context", "0")


@pytest.mark.parametrize(
    ("machine", "model"),
    [
        (Machine(2), "HuggingFaceTB/SmolLM2-135M-Instruct"),
        (Machine(8), "HuggingFaceTB/SmolLM2-360M-Instruct"),
        (Machine(64), "Qwen/Qwen3-0.6B"),
        (Machine(64, 8.6, "RTX"), "Qwen/Qwen3-1.7B"),
        (Machine(64, 85.0, "H100"), "Qwen/Qwen3-14B"),
    ],
)
def test_the_recommended_base_grows_with_the_machine(machine, model):
    assert recommend_base(machine).model == model


def test_this_machine_gets_a_recommendation():
    recommendation = recommend_base()

    assert "/" in recommendation.model
    assert recommendation.reason


def test_several_files_and_folders_are_imported_and_the_unreadable_named(tmp_path):
    (tmp_path / "show").mkdir()
    (tmp_path / "show/1.txt").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "show/2.txt").write_text(SCRIPT.replace("time", "hour"), encoding="utf-8")
    (tmp_path / "show/.hidden").write_bytes(b"\0")
    (tmp_path / "other.txt").write_text("Ann: Hi.\nBob: Ho.\n", encoding="utf-8")
    run("init", "iroh")

    result = run("import", "iroh", "show", "other.txt")
    reports = json.loads(run("import", "iroh", "show", "other.txt", "--dry-run", "--json").stdout)

    assert "left out: other.txt: nobody called 'Iroh' speaks in it" in result.stderr
    assert [report["known"] for report in reports] == [1, 1]
    assert result.stdout.count("Next:") == 1
    with pytest.raises(DialogueError, match="None of the 2 files could be imported"):
        run("import", "iroh", "other.txt", "other.txt")


def test_lines_are_written_for_correction_and_never_over_a_file(tmp_path):
    book = '"Tea?" asked Iroh.\n\n"No," he said.\n\n"Why?" asked Zuko.\n\n"Because," said Iroh.\n\n'
    (tmp_path / "book.txt").write_text(book * 3)
    run("init", "iroh")

    result = run("import", "iroh", "book.txt", "--dry-run", "--format", "novel", "--write-lines", "lines.csv")

    assert "line whose speaker is unsure" in result.stdout
    assert "fill in the speakers" in result.stdout
    assert "?,No.,,0,book.txt:3" in (tmp_path / "lines.csv").read_text()
    with pytest.raises(ConfigError, match=r"lines\.csv: exists already"):
        run("import", "iroh", "book.txt", "--write-lines", "lines.csv")


def test_swipes_are_announced(tmp_path):
    rows = [
        {"user_name": "Zuko", "character_name": "Iroh"},
        {"name": "Zuko", "is_user": True, "mes": "Tea?"},
        {"name": "Iroh", "is_user": False, "mes": "Always.", "swipes": ["No.", "Always."]},
    ]
    (tmp_path / "chat.jsonl").write_text("\n".join(map(json.dumps, rows)))
    run("init", "iroh")

    output = run("import", "iroh", "chat.jsonl").stdout

    assert "swipes: 1 that were not kept" in output
    assert "Added 1 preference pair to iroh/preferences.jsonl." in output
