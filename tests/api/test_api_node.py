"""The official openai client for Node on the main path."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from running_server import chat_lines

NODE = Path(__file__).parents[1] / "node"


@pytest.fixture(scope="module")
def told(server, tmp_path_factory):
    """What ``main_path.mjs`` saw."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (NODE / "node_modules" / "openai").is_dir():
        pytest.skip("the openai package for Node is not installed: npm install --prefix tests/node")
    training = tmp_path_factory.mktemp("node") / "train.jsonl"
    training.write_bytes(chat_lines())
    command = ["node", str(NODE / "main_path.mjs"), server.url, server.token, str(training)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_uploads_trains_and_reads_what_is_left(told):
    assert (told["file"]["purpose"], told["content"].encode()) == ("fine-tune", chat_lines())
    assert told["created"]["status"] == "validating_files"
    job = told["job"]
    assert (job["status"], job["error"], job["metadata"]) == ("succeeded", None, {"from": "node"})
    assert job["fine_tuned_model"].startswith("ft:gpt-4o-mini-2024-07-18:personal:node:")
    assert told["events"][0] == "The job has successfully completed"
    assert told["events"][-1] == f"Created fine-tuning job: {job['id']}"
    assert len(told["events"]) > 6  # Several pages of three.
    assert [c["step_number"] for c in told["checkpoints"]] == [3]
    assert told["result"].startswith(
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,"
    )
    assert told["model"]["id"] == job["fine_tuned_model"]


def test_chats_whole_streamed_and_in_a_batch(told):
    choice = told["reply"]["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("tuned hello there", "stop")
    assert [note["token"] for note in choice["logprobs"]["content"]] == ["tuned", " hello", " there"]
    assert told["streamed"] == "tuned hello there"
    assert told["usage"]["total_tokens"] == 10
    answer = told["batch"]["response"]["body"]["choices"][0]["message"]["content"]
    assert (told["batch"]["custom_id"], answer) == ("one", "tuned hello there")


def test_gets_errors_of_the_right_kind_and_deletes(told):
    error = told["error"]
    assert error.pop("request").startswith("req_")
    assert error == {"kind": "NotFoundError", "status": 404, "code": "model_not_found", "param": "model"}
    assert all(answer["deleted"] for answer in told["deleted"])
