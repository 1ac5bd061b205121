"""Jobs that distil a long prompt (an extension): request, object, files, events."""

import json

import openai
import pytest
from running_server import chat_lines, wait_for

MODEL = "gpt-4o-mini-2024-07-18"
PROMPT = "You are Iroh. You speak of tea."


def create(client, content: bytes | None = None, **body):
    file = client.files.create(file=("a.jsonl", content or chat_lines()), purpose="fine-tune")
    body = {"teacher_prompt": PROMPT, "hyperparameters": {"n_epochs": 1, "batch_size": 4}} | body
    return client.fine_tuning.jobs.create(
        model=MODEL, training_file=file.id, method={"type": "distillation", "distillation": body}
    )


def test_a_job_that_distils_runs_to_a_model(client, server):
    job = create(client, hyperparameters={"on_policy_share": 0.25, "n_epochs": 1, "batch_size": 6})
    assert (job.method.type, job.method.supervised.hyperparameters.n_epochs) == ("supervised", 1)
    told = job.method.model_dump()["distillation"]
    assert (told["teacher_prompt"], told["teacher"]) == (PROMPT, None)
    assert told["hyperparameters"]["learning_rate_multiplier"] == "auto"

    done = wait_for(client, job.id)

    assert done.status == "succeeded", done.error
    numbers = done.method.model_dump()["distillation"]["hyperparameters"]
    assert (numbers["on_policy_share"], numbers["n_epochs"]) == (0.25, 1)
    assert isinstance(numbers["learning_rate_multiplier"], float)
    assert done.hyperparameters.n_epochs == 1
    spec = json.loads((server.home / "jobs" / job.id / "spec.json").read_text())
    assert spec["method"] == "distillation"
    assert spec["teacher"] == {"prompt": PROMPT, "model": None}
    assert spec["hyperparameters"]["on_policy_share"] == 0.25


def test_a_strict_client_can_list_jobs_that_distil(client):
    job = create(client)
    assert job.id in [listed.id for listed in client.fine_tuning.jobs.list()]


def test_another_base_may_teach(client, server):
    job = wait_for(client, create(client, teacher=str(server.base)).id)
    spec = json.loads((server.home / "jobs" / job.id / "spec.json").read_text())
    assert spec["teacher"]["model"] == str(server.base)
    assert spec["hyperparameters"]["on_policy_share"] == 0.0


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"teacher_prompt": ""}, "string_below_min_length", "method.distillation.teacher_prompt"),
        (
            {"hyperparameters": {"on_policy_share": 1.5}},
            "decimal_above_max_value",
            "method.distillation.hyperparameters.on_policy_share",
        ),
        (
            {"hyperparameters": {"beta": 0.1}},
            "unknown_parameter",
            "method.distillation.hyperparameters.beta",
        ),
        ({"teacher": "no such model"}, "model_not_available", "method.distillation.teacher"),
        ({"teacher": "ft:a:b::Ab3dE9fG"}, "model_not_available", "method.distillation.teacher"),
    ],
)
def test_faulty_requests_are_refused(client, body, code, param):
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, **body)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_a_teacher_without_prompt_is_refused(client):
    file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
    with pytest.raises(openai.BadRequestError) as caught:
        client.fine_tuning.jobs.create(model=MODEL, training_file=file.id, method={"type": "distillation"})
    assert (caught.value.code, caught.value.param) == (
        "missing_required_parameter",
        "method.distillation.teacher_prompt",
    )


def test_its_file_is_checked_as_a_chat_file(client):
    job = wait_for(client, create(client, chat_lines() + b'{"text": "?"}\n').id)
    assert (job.status, job.error.code) == ("failed", "invalid_training_file")
    assert "Example 13" in job.error.message
