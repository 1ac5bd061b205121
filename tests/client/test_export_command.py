"""``understudy export``, as a person types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import openai
import pytest
from running_server import RunningServer, chat_lines, wait_for

from understudy.client.weights import find_weights
from understudy.errors import ModelError


def tune(server: RunningServer) -> str:
    with server.client() as client:
        file = client.files.create(file=("a.jsonl", chat_lines(12)), purpose="fine-tune")
        job = client.fine_tuning.jobs.create(
            model="gpt-4o", training_file=file.id, hyperparameters={"n_epochs": 1}
        )
        return wait_for(client, job.id, seconds=300).fine_tuned_model


def character(root: Path, model: str) -> Path:
    """A character with held-out lines and one run."""
    folder = root / "iroh"
    (folder / "dataset").mkdir(parents=True)
    (folder / "character.yaml").write_text("name: Iroh\n")
    (folder / "dataset" / "validation.jsonl").write_bytes(chat_lines(3))
    run = folder / "runs" / "20261124T000000000Z-abcdef"
    run.mkdir(parents=True)
    (run / "config.json").write_text('{"base_model": "gpt-4o"}')
    (run / "job.json").write_text(json.dumps({"fine_tuned_model": model, "status": "succeeded"}))
    return folder


def export(server: RunningServer, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "understudy", "export", *map(str, arguments)], text=True, capture_output=True,
        env=os.environ | {"UNDERSTUDY_HOME": str(server.home), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_the_server_says_where_a_tuned_model_lies(server):
    model = tune(server)
    with server.client() as client:
        found = find_weights(client, model)
        assert (found.adapter / "adapter_model.safetensors").is_file()
        assert found.base == server.base
        with pytest.raises(ModelError, match="does not exist"):
            find_weights(client, "ft:gpt-4o:personal::nothere1")
        with pytest.raises(ModelError, match="is a base model; only tuned models are exported"):
            find_weights(client, str(server.base))
    with (
        openai.OpenAI(base_url=server.url, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.get(f"/understudy/weights/{model}", cast_to=object)


def test_a_damaged_model_is_refused_in_one_line_and_leaves_nothing(server, tmp_path):
    folder = character(tmp_path, tune(server))

    done = export(server, folder)

    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"understudy: {server.base}: holds no weights")
    assert not (folder / "runs" / "20261124T000000000Z-abcdef" / "export").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "onnx"], "--format onnx: give adapter, merged, gguf, ctranslate2."),
        (["--gguf-type", "q2"], "--gguf-type q2: give one of f16, f32, q8_0."),
        (["--run", "never"], "there is no such run"),
    ],
)
def test_wrong_settings_are_named(server, tmp_path, arguments, words):
    done = export(server, character(tmp_path, tune(server)), *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_without_held_out_lines_there_is_nothing_to_check_with(server, tmp_path):
    folder = character(tmp_path, tune(server))
    (folder / "dataset" / "validation.jsonl").unlink()
    done = export(server, folder)
    assert done.returncode == 1
    assert "holds no held-out conversation to check an export with" in done.stderr


@pytest.mark.slow
def test_a_model_that_was_trained_here_leaves_in_every_form(tmp_path):
    pytest.importorskip("understudy_miniatures")
    pytest.importorskip("gguf")
    server = RunningServer(tmp_path / "home", Path("understudy/mini"), fakes=False)
    server.start()
    try:
        folder = character(tmp_path, tune(server))
        every = [text for name in ("adapter", "merged", "gguf") for text in ("--format", name)]
        done = export(server, folder, *every, "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert set(report["formats"]) == {"adapter", "merged", "gguf"}
        for row in report["formats"].values():
            assert row["difference"] < 0.01 < row["effect"]
            assert (Path(row["path"]) / "README.md").is_file()
    finally:
        server.stop()
