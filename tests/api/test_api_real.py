"""The whole path with the real training and inference processes, on the embedded model."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from running_server import RunningServer, chat_lines, wait_for

EXAMPLE = Path(__file__).parents[2] / "examples" / "openai_client.py"


def test_a_program_with_nothing_but_the_openai_package_trains_and_chats(real, tmp_path):
    training = tmp_path / "train.jsonl"
    training.write_bytes(chat_lines(12))

    done = subprocess.run(
        [sys.executable, str(EXAMPLE), real.url, real.token, str(training)],
        capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Created fine-tuning job: ftjob-")
    assert any(re.match(r"Step 96/96: training loss=\d+\.\d\d", line) for line in lines)
    name = next(line for line in lines if line.startswith("New fine-tuned model created: "))
    assert re.search(r"ft:gpt-4o-mini-2024-07-18:personal:example:\w{8}$", name)
    assert lines[-2] == "The job has successfully completed"
    assert lines[-1].strip()


def test_training_lowers_the_loss_and_the_tuned_model_scores_the_lesson_higher(real):
    with real.client() as client:
        file = client.files.create(file=("a.jsonl", chat_lines(12)), purpose="fine-tune")
        numbers = {"n_epochs": 4, "batch_size": 4}
        job = client.fine_tuning.jobs.create(
            model="understudy/mini", training_file=file.id, hyperparameters=numbers, seed=1
        )
        job = wait_for(client, job.id, seconds=120)
        assert job.status == "succeeded", job.error
        losses = [
            e.data["train_loss"]
            for e in client.fine_tuning.jobs.list_events(job.id, limit=100)
            if e.type == "metrics"
        ]
        lesson = [
            {"role": "user", "content": "Question 3 "},
            {"role": "assistant", "content": "Answer 3."},
        ]

        def logprob(model: str) -> float:
            body = {"model": model, "messages": lesson}
            return client.post("/understudy/score", body=body, cast_to=object)["messages"][0]["logprob"]

        assert losses[0] < losses[-1]
        assert logprob(job.fine_tuned_model) > logprob("understudy/mini") + 1
        checkpoints = client.fine_tuning.jobs.checkpoints.list(job.id).data
        assert [c.step_number for c in checkpoints] == [9, 6]
        assert logprob(checkpoints[-1].fine_tuned_model_checkpoint) < logprob(job.fine_tuned_model)


def test_the_real_model_streams_stops_and_refuses_long_prompts(real):
    import openai

    with real.client() as client:
        options = {"model": "understudy/mini", "seed": 5, "max_tokens": 24, "temperature": 1.0}
        messages = [{"role": "user", "content": "Tell me about the sea."}]
        whole = client.chat.completions.create(messages=messages, **options)
        pieces = client.chat.completions.create(messages=messages, stream=True, **options)
        assert "".join(c.choices[0].delta.content or "" for c in pieces) == whole.choices[0].message.content
        assert 0 < whole.usage.completion_tokens <= 24
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(
                model="understudy/mini", messages=[{"role": "user", "content": "tea " * 9000}]
            )
        assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")


@pytest.mark.slow
def test_a_server_killed_in_training_ends_with_the_same_weights(tmp_path):
    pytest.importorskip("understudy_miniatures")
    weights = []
    for kill in (False, True):
        server = RunningServer(tmp_path / f"home-{kill}", Path("understudy/mini"), fakes=False)
        server.start()
        with server.client() as client:
            file = client.files.create(file=("a.jsonl", chat_lines(40)), purpose="fine-tune")
            numbers = {"n_epochs": 4, "batch_size": 4}
            job = client.fine_tuning.jobs.create(
                model="understudy/mini", training_file=file.id, hyperparameters=numbers, seed=1
            )
            if kill:
                while not client.fine_tuning.jobs.checkpoints.list(job.id).data:
                    assert client.fine_tuning.jobs.retrieve(job.id).status != "failed"
        if kill:
            server.kill()
            server.start()
        with server.client() as client:
            done = wait_for(client, job.id, seconds=120)
            assert done.status == "succeeded", done.error
        (newest,) = sorted((server.home / "adapters").iterdir(), key=os.path.getmtime)[-1:]
        weights.append((newest / "adapter_model.safetensors").read_bytes())
        server.stop()

    assert weights[0] == weights[1]
