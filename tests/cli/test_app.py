"""The command line's frame: it starts light, and errors are one message."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from understudy import __version__
from understudy.cli.app import app
from understudy.errors import ConfigError
from understudy.folder import CharacterFolder, alone

HEAVY = ("torch", "transformers", "openai", "scipy", "sklearn", "matplotlib", "fastapi", "numpy", "pydantic")


def run(*words: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "understudy", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_starting_imports_nothing_heavy():
    code = f"import sys, understudy.cli.app; print([m for m in {HEAVY} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_help_names_every_command_and_ends_with_commands_to_paste():
    shown = run("--help").stdout
    for command in ("init", "import", "build", "check", "show-mask", "train", "evaluate", "cost", "report"):
        assert command in shown
    assert shown.rstrip().splitlines()[-1].strip() == "understudy run iroh"


@pytest.mark.parametrize("command", [command.name for command in app.registered_commands])
def test_the_help_of_every_command_has_an_example_to_paste(command):
    shown = CliRunner().invoke(app, [command, "--help"]).stdout
    assert f"xample: understudy {command} " in shown


def test_version():
    assert run("--version").stdout.strip() == f"understudy {__version__}"


@pytest.mark.parametrize("command", ["build", "train", "evaluate", "cost", "report", "chat", "run"])
def test_a_folder_without_a_character_is_one_message_with_the_remedy(tmp_path, command):
    ended = run(command, "nobody", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == (
        "understudy: nobody: holds no character.yaml. Create it with: understudy init nobody\n"
    )
    assert ended.stdout == ""


def test_a_run_is_named_by_name_or_path_and_lies_among_the_runs(tmp_path):
    folder = CharacterFolder(tmp_path)
    (folder.run("1")).mkdir(parents=True)
    assert folder.existing_run("1") == folder.existing_run(str(folder.run("1"))) == folder.run("1")
    for elsewhere in ("2", "", ".", "..", "../..", "1/..", str(tmp_path)):
        with pytest.raises(ConfigError, match="there is no such run"):
            folder.existing_run(elsewhere)


def test_one_command_at_a_time_writes_in_a_folder(tmp_path):
    with alone(tmp_path):
        code = (
            "import sys, pathlib; from understudy.folder import alone\n"
            "with alone(pathlib.Path(sys.argv[1]), lambda: print('waits', flush=True)): print('writes')"
        )
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        said = other.stdout.readline()
        assert other.poll() is None
    assert (said, other.communicate(timeout=30)[0]) == ("waits\n", "writes\n")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_command_is_misuse():
    ended = run("perform")
    assert ended.returncode == 2
    assert "No such command 'perform'" in ended.stderr


def test_a_full_disk_is_one_message(tmp_path, monkeypatch, capsys):
    import errno

    from understudy.cli import app as frame

    def fail():
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "verdict.json"))

    monkeypatch.setattr(frame, "app", fail)
    with pytest.raises(SystemExit) as ended:
        frame.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert "verdict.json: No space left on device. Free some space" in said
    assert "Traceback" not in said
