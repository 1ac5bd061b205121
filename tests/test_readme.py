"""What the README says can be typed, run and opened."""

import ast
import importlib
import re
from pathlib import Path

from typer.main import get_command

from understudy.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_command_that_is_shown_exists_with_its_options():
    commands = get_command(app).commands
    shown = [line[2:].split("#")[0].split() for block in blocks("console") for line in block.splitlines()]
    ours = [words[1:] for words in shown if words and words[0] == "understudy"]
    assert len(ours) >= 5
    for name, *words in ours:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, name


def test_the_table_of_commands_is_complete():
    listed = set(re.findall(r"^\| `understudy ([a-z-]+)", README, re.MULTILINE))
    assert listed == set(get_command(app).commands)


def test_python_examples_compile_and_import_what_there_is():
    for block in blocks("python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert all(hasattr(module, name.name) for name in node.names), node.module


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_folder_list_is_the_folder_list():
    listed = set(re.findall(r"^  ([a-z0-9]+)/ ", README, re.MULTILINE))
    real = {p.name for p in (ROOT / "src" / "understudy").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert listed == real
