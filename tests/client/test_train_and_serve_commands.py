"""The two commands as a person types them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

PROGRAM = """
import signal, sys, typer
# What a shell starts in the background may be deaf to it.
signal.signal(signal.SIGINT, signal.default_int_handler)
from understudy.cli.serve import serve_command
from understudy.cli.train import train_command
from understudy.errors import UnderstudyError
app = typer.Typer(pretty_exceptions_enable=False)
app.command("train")(train_command)
app.command("serve")(serve_command)
try:
    app()
except UnderstudyError as error:
    print(f"understudy: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


def start(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)], env=os.environ | environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def run(*arguments, **environment):
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, out, err


def test_train_prints_the_model_and_then_that_it_is_trained(server, folder):
    code, out, err = run("train", folder.root, "--base-model", "gpt-4o", "--epochs", 1, "--json")
    assert code == 0, err
    first = json.loads(out)
    assert first["model"].startswith("ft:gpt-4o-2024-08-06:personal:iroh:")
    assert "step 1/" in err
    assert "learned tokens/s" in err

    code, out, err = run("train", folder.root, "--base-model", "gpt-4o", "--epochs", 1)
    assert (code, out) == (0, f"already trained: {first['model']}   (--again to train anew)\n")


def test_train_detaches_on_ctrl_c_and_follows_again(server, folder):
    path = folder.dataset / "training.jsonl"
    path.write_text(path.read_text().replace("What do", "FAKE_VERY_SLOW What do"))
    process = start("train", folder.root, "--base-model", "gpt-4o", "--epochs", 4)
    for line in process.stderr:
        if line.startswith("step 1/"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "the job goes on" in err
    assert "--cancel" in err

    code, out, _ = run("train", folder.root, "--base-model", "gpt-4o", "--epochs", 4)

    assert code == 0
    assert out.startswith("ft:")
    (run_folder,) = folder.runs.iterdir()
    assert json.loads((run_folder / "job.json").read_text())["status"] == "succeeded"


def test_train_spends_nothing_unasked(server, folder):
    environment = {"OPENAI_API_KEY": "sk-canary"}

    code, out, err = run("train", folder.root, "--provider", "openai", **environment)
    assert code == 2
    assert "USD" in err
    assert "--yes" in err
    code, out, err = run("train", folder.root, "--provider", "openai", "--dry-run", **environment)
    assert code == 0
    assert "about" in out
    assert "sk-canary" not in out + err
    code, out, err = run("train", folder.root, "--provider", "openai", "--dry-run", "--json", **environment)
    assert json.loads(out)["price_usd"] > 0


def test_train_without_a_dataset_says_what_to_type(server, tmp_path):
    (tmp_path / "character.yaml").write_text("name: Iroh\n")

    code, _, err = run("train", tmp_path)

    assert code == 1
    assert "understudy build" in err


def test_a_port_in_use_is_one_message(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, _, err = run("serve", "--port", port, UNDERSTUDY_HOME=str(tmp_path / "home"))

    assert code == 1
    assert err.count("\n") == 1
    assert f"Port {port}" in err
    assert "--port 0" in err


def test_serve_prints_how_to_use_it_and_ends_cleanly_on_ctrl_c(tmp_path):
    home = str(tmp_path / "home")
    process = start("serve", "--port", 0, "--token", "secret-1", UNDERSTUDY_HOME=home)
    lines = [process.stdout.readline() for _ in range(5)]
    assert lines[0].startswith("Understudy serves at http://127.0.0.1:")
    curl = next(line for line in lines if line.startswith("curl"))
    assert "Bearer secret-1" in curl
    status = json.loads(run("serve", "--status", "--json", UNDERSTUDY_HOME=home)[1])
    assert (status["running"], status["embedded"], "token" in status) == (True, False, False)
    assert run("serve", "--port", 0, UNDERSTUDY_HOME=home)[0] == 1

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 0
    assert "Traceback" not in err
    assert run("serve", "--status", UNDERSTUDY_HOME=home)[1].startswith("No server runs here")


def test_serve_takes_the_place_of_a_background_server(tmp_path, monkeypatch):
    from understudy.client import ensure_server, find_server, stop_server

    monkeypatch.setenv("UNDERSTUDY_HOME", str(tmp_path / "home"))
    background = ensure_server()
    process = start("serve", "--port", 0)
    try:
        assert process.stdout.readline().startswith("Understudy serves at")
        deadline = time.monotonic() + 10
        while (found := find_server()) is None or found.pid == background.pid:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert found.pid == process.pid
        assert run("serve", "--stop")[1] == "The server has ended.\n"
        process.communicate(timeout=20)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
        stop_server()


@pytest.mark.parametrize(
    "arguments", [["--host", "0.0.0.0", "--no-token"], ["--port", "99999"], ["--token", "a", "--no-token"]]
)
def test_serve_refuses_unsafe_or_impossible_settings(tmp_path, arguments):
    code, _, err = run("serve", *arguments, UNDERSTUDY_HOME=str(tmp_path / "home"))

    assert code == 2
    assert err.startswith("understudy: ")
