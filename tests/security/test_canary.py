"""Canaries: secrets that must turn up nowhere but where they belong."""

import copy
import json
import logging
import os
import pickle
import subprocess
import sys

import openai
import pytest
from running_server import FAKES, RunningServer, chat_lines, wait_for

from understudy.secret import HIDDEN, RedactingFormatter, Secret, redact, without_secrets

CANARIES = {
    "OPENAI_API_KEY": "sk-canary-openai-0123456789abcdef",
    "UNDERSTUDY_API_KEY": "canary-understudy-0123456789",
    "AZURE_OPENAI_API_KEY": "canary-azure-0123456789",
    "NEBIUS_API_KEY": "canary-nebius-0123456789",
    "WANDB_API_KEY": "canary-wandb-0123456789",
    "HF_TOKEN": "hf_canary0123456789abcdefgh",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-0123456789",
    "DATABASE_PASSWORD": "canary-password-0123456789",
}
TOKEN = "canary-server-token-0123456789"
# Writes its environment down, then is the training process of the other tests.
SPY = (
    "import json, os, runpy, sys; from pathlib import Path; "
    "Path(sys.argv[1]).with_name('environment.json').write_text(json.dumps(dict(os.environ))); "
    f"runpy.run_path({str(FAKES / 'fake_training.py')!r}, run_name='__main__')"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory, base_directory):
    """A server whose environment is full of keys, and whose training process is a spy."""
    home = tmp_path_factory.mktemp("canary") / "home"
    spy = home.parent / "spy.py"
    spy.write_text(SPY.replace("; ", "\n"))
    options = ("--training-command", f"{sys.executable} {spy}")
    running = RunningServer(home, base_directory, token=TOKEN, options=options, environment=CANARIES)
    running.start()
    yield running
    running.stop()


def texts_below(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_secret_is_in_logs_errors_stores_or_workers(server):
    answers = []
    with server.client() as client:
        for word in ("", "FAKE_CRASH", "FAKE_FAIL"):
            file = client.files.create(file=("a.jsonl", chat_lines(word=word)), purpose="fine-tune")
            job = client.fine_tuning.jobs.create(model="gpt-4o", training_file=file.id, suffix="canary")
            job = wait_for(client, job.id)
            answers.append(job.model_dump_json())
            answers += [event.model_dump_json() for event in client.fine_tuning.jobs.list_events(job.id)]
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="nothere", messages=[{"role": "user", "content": "Hi"}])
        answers.append(str(caught.value))
    for key in (f"{TOKEN}x", "sk-other-0123456789abcdef0123"):
        with server.client(api_key=key) as stranger, pytest.raises(openai.AuthenticationError) as caught:
            stranger.models.list()
        answers.append(str(caught.value))

    everything = {**texts_below(server.home), "answers": "\n".join(answers).encode()}
    assert server.home / "server.json" in everything
    for place, text in everything.items():
        for canary in (*CANARIES.values(), TOKEN):
            belongs = canary == TOKEN and place == server.home / "server.json"
            assert belongs or canary.encode() not in text, f"{canary} in {place}"


def test_a_worker_is_told_no_secret(server):
    seen = [json.loads(path.read_text()) for path in server.home.rglob("environment.json")]

    assert seen
    for environment in seen:
        assert not environment.keys() & {*CANARIES, "UNDERSTUDY_SERVER_TOKEN"}
        assert environment["HF_HUB_OFFLINE"] == "1"


def test_the_token_is_readable_for_its_owner_alone(server):
    assert (server.home / "server.json").stat().st_mode & 0o077 == 0


def test_errors_of_commands_show_no_key():
    command = [sys.executable, "-m", "understudy", "models", "--provider", "openai=http://127.0.0.1:9/v1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | CANARIES)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert not any(canary in done.stdout + done.stderr for canary in CANARIES.values())


SHOWN = [repr, str, "{}".format, "{!r}".format, lambda s: f"{s}", lambda s: str([s]), lambda s: str({1: s})]


@pytest.mark.parametrize("shown", SHOWN)
def test_a_secret_shows_itself_in_no_text(shown):
    assert "canary" not in shown(Secret("canary-0123456789"))


def test_a_secret_goes_into_no_file():
    secret = Secret("canary-0123456789")

    with pytest.raises(TypeError):
        json.dumps({"key": secret})
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        "Bearer " + secret
    assert copy.deepcopy(secret) == secret
    assert secret != Secret("canary-012345678")


def test_a_log_line_with_a_traceback_is_redacted():
    Secret("canary-known-0123456789")
    try:
        raise ValueError("refused canary-known-0123456789, Authorization: Bearer abcdef0123456789")
    except ValueError:
        record = logging.LogRecord("x", 40, "x", 1, "sk-abcdefghijklmnopqrstuvwx", (), sys.exc_info())
    line = RedactingFormatter().format(record)

    assert "canary-known" not in line
    assert "abcdef" not in line
    assert line.count(HIDDEN) >= 3


def test_ordinary_words_are_not_redacted():
    text = "The task is to ask for a token of 12 tokens; bearer of news, api key missing."
    assert redact(text) == text


def test_what_is_no_secret_stays_in_the_environment(monkeypatch):
    for name in ("PATH", "TOKENIZERS_PARALLELISM", "UNDERSTUDY_HOME", "KEYBOARD", "MONKEY_TYPE"):
        monkeypatch.setenv(name, "kept")
    monkeypatch.setenv("HF_TOKEN", "x")

    kept = without_secrets()
    assert all(kept[name] == "kept" for name in ("TOKENIZERS_PARALLELISM", "KEYBOARD", "MONKEY_TYPE"))
    assert "HF_TOKEN" not in kept
    assert without_secrets(keep=("HF_",))["HF_TOKEN"] == "x"
