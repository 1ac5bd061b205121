"""Int8 copies at the server: which are taken, which model speaks through them, and the whole path."""

import json
import subprocess
import sys
from pathlib import Path

import openai
import pytest
from running_server import FAKES, RunningServer, chat_lines, wait_for

from understudy.api.int8 import FINGERPRINT

pytest.importorskip("ctranslate2", reason="the extra 'int8' is not installed")
INT8_WORKER = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "shutdown":
        break
    for event in (
        {"event": "start", "prompt_tokens": 7},
        {"event": "delta", "index": 0, "text": "int8 " + request["base"]},
        {"event": "finish", "index": 0, "finish_reason": "stop", "completion_tokens": 1},
        {"event": "done"},
    ):
        print(json.dumps({"id": request["id"], **event}), flush=True)
"""


def copy_of(server: RunningServer, name: str, folder: Path, **changes) -> Path:
    """What an export leaves for the server to read, without a model in it."""
    (adapter,) = [path for path in (server.home / "adapters").iterdir() if (path / "manifest.json").is_file()]
    manifest = json.loads((adapter / "manifest.json").read_text())
    record = {
        "schema": "understudy.parity/1", "accepted": True, "model": name, "base_model": "tiny",
        "adapter_sha256": manifest["files"]["adapter_model.safetensors"]["sha256"], "converter": "4",
        "context_tokens": 256, "cache_bytes_per_token": 1024,
        "comparison": {"difference": 0.01, "allowed": 0.05, "same_replies": 3, "probes": 4},
    }  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "parity.json").write_text(json.dumps(record | changes))
    for name in ("model.bin", "config.json", "vocabulary.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    return folder


@pytest.fixture
def tuned(own_server, tmp_path) -> str:
    """A model that the server has; its adapter gets a manifest, as real ones have."""
    with own_server.client() as client:
        file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
        job = client.fine_tuning.jobs.create(model=str(own_server.base), training_file=file.id)
        job = wait_for(client, job.id)
        assert job.status == "succeeded", job.error
    own_server.stop()
    stored = sorted((own_server.home / "adapters").iterdir(), key=lambda path: path.stat().st_mtime)
    seal = {"files": {"adapter_model.safetensors": {"sha256": "ab" * 32}}}
    for adapter in stored[:-1]:
        for path in adapter.glob("manifest.json"):
            path.unlink()
    (stored[-1] / "manifest.json").write_text(json.dumps(seal))
    return job.fine_tuned_model


def ask(client: openai.OpenAI, model: str):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello"}])


def test_only_the_model_of_the_copy_speaks_through_it(own_server, tuned, tmp_path):
    worker = tmp_path / "worker.py"
    worker.write_text(INT8_WORKER)
    folder = copy_of(own_server, tuned, tmp_path / "copy")
    own_server.options = ("--int8", str(folder), "--int8-command", f"{sys.executable} {worker}")
    own_server.start()
    with own_server.client() as client:
        said = ask(client, tuned)
        assert said.choices[0].message.content == f"int8 {folder}"
        assert said.system_fingerprint == FINGERPRINT
        plain = ask(client, str(own_server.base))
        assert plain.choices[0].message.content == "base hello"
        assert plain.system_fingerprint is None
        body = {"model": tuned, "messages": [{"role": "assistant", "content": "a b"}]}
        score = client.post("/understudy/score", body=body, cast_to=object)
        assert score["messages"][0]["logprob"] == -3.0  # likelihoods stay those of the trained model


def test_a_copy_of_other_weights_does_not_speak(own_server, tuned, tmp_path):
    folder = copy_of(own_server, tuned, tmp_path / "copy", adapter_sha256="cd" * 32)
    own_server.options = ("--int8", str(folder))
    own_server.start()
    with own_server.client() as client, pytest.raises(openai.NotFoundError, match="other weights"):
        ask(client, tuned)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"accepted": False}, "says that the comparison was not passed"),
        (
            {"model": "ft:other:me::AbCdEfGh"},
            "is a copy of ft:other:me::AbCdEfGh, which this server does not have",
        ),
    ],
)
def test_the_server_does_not_start_with_a_copy_that_it_may_not_use(
    own_server, tuned, tmp_path, changes, words
):
    folder = copy_of(own_server, tuned, tmp_path / "copy", **changes)
    command = [sys.executable, "-m", "understudy.api", "--port", "0", "--base", str(own_server.base)]
    command += ["--inference-command", f"{sys.executable} {FAKES / 'fake_inference.py'}"]
    done = subprocess.run(
        [*command, "--int8", str(folder)], capture_output=True, text=True, timeout=60,
        env={"PATH": "/usr/bin:/bin", "UNDERSTUDY_HOME": str(own_server.home), **_python_path()},
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def _python_path() -> dict[str, str]:
    import os

    return {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}


@pytest.mark.slow
def test_a_trained_model_is_exported_compared_and_served_in_int8(tmp_path):
    pytest.importorskip("understudy_miniatures")
    from understudy.client.weights import find_weights
    from understudy.export.process import run_export
    from understudy.export.spec import ExportSpec

    server = RunningServer(tmp_path / "home", Path("understudy/mini"), fakes=False)
    server.start()
    with server.client() as client:
        file = client.files.create(file=("a.jsonl", chat_lines(40)), purpose="fine-tune")
        numbers = {"n_epochs": 6, "batch_size": 4, "learning_rate_multiplier": 2.0}
        job = client.fine_tuning.jobs.create(
            model="understudy/mini", training_file=file.id, hyperparameters=numbers, seed=1
        )
        job = wait_for(client, job.id, seconds=200)
        assert job.status == "succeeded", job.error
        weights = find_weights(client, job.fine_tuned_model)
    probes = [
        [{"role": "user", "content": f"Question {n} "}, {"role": "assistant", "content": f"Answer {n}."}]
        for n in range(40, 52)
    ]
    spec = ExportSpec(
        model=weights.model, slug="x", base_model=weights.base_model, base=weights.base,
        adapter=weights.adapter, output=tmp_path / "export", formats=("ctranslate2",), gguf_type="f16",
        identity_prompt="", temperature=0.3, probes=probes, card={"character": "X"},
    )  # fmt: skip
    found = run_export(spec)["formats"]["ctranslate2"]
    assert found["difference"] <= found["allowed"] <= 0.05
    assert found["same_replies"] >= 10
    server.stop()
    server.options = ("--int8", found["path"])
    server.start()
    with server.client() as client:
        messages = [{"role": "user", "content": "Question 3 "}]
        said = client.chat.completions.create(model=weights.model, messages=messages, temperature=0)
        assert said.system_fingerprint == FINGERPRINT
        assert said.choices[0].message.content.startswith("Answer 3")
        pieces = client.chat.completions.create(
            model=weights.model, messages=messages, temperature=0, stream=True
        )
        text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
        assert text == said.choices[0].message.content
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=weights.model, messages=messages, logprobs=True)
        assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "logprobs")
    server.stop()
