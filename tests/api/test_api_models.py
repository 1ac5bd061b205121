"""Models: lists, names with slashes and colons, deletion."""

import json
import time
from pathlib import Path

import openai
import pytest
from running_server import chat_lines, wait_for


@pytest.fixture
def tuned(client) -> str:
    file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        model="gpt-4o-mini", training_file=file.id, hyperparameters={"n_epochs": 1}
    )
    return wait_for(client, job.id).fine_tuned_model


def test_lists_base_and_tuned_models(client, server, tuned):
    names = [model.id for model in client.models.list()]

    assert str(server.base) in names
    assert tuned in names


def test_finds_models_whose_names_hold_slashes_and_colons(client, server, tuned):
    assert client.models.retrieve(tuned).id == tuned
    found = client.models.retrieve(str(server.base))
    assert (found.id, found.object, found.shutdown_date) == (str(server.base), "model", None)


def test_a_model_that_is_not_there_is_404(client):
    for name in ("ft:gpt-4o-mini:personal::nothere1", "nothere"):
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve(name)
        assert caught.value.code == "model_not_found"


def test_deletes_tuned_models_only(client, server, tuned):
    assert client.models.delete(tuned).deleted
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model=tuned, messages=[{"role": "user", "content": "x"}])
    with pytest.raises(openai.PermissionDeniedError, match="base model"):
        client.models.delete(str(server.base))


def test_an_unreachable_hub_is_a_quick_and_clear_refusal(client):
    began = time.monotonic()
    file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
    with pytest.raises(openai.BadRequestError) as caught:
        client.fine_tuning.jobs.create(model="understudy-tests/no-such-model", training_file=file.id)

    assert caught.value.code == "model_not_available"
    assert time.monotonic() - began < 15


def test_a_model_on_a_changed_base_is_refused_with_the_reason(client, tmp_path):
    base = tmp_path / "my base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    (base / "model.safetensors").write_bytes(b"first weights")
    file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        model=str(base), training_file=file.id, hyperparameters={"n_epochs": 1}
    )
    tuned = wait_for(client, job.id).fine_tuned_model
    assert tuned.startswith("ft:my-base:personal::")
    assert client.models.retrieve(tuned)

    (base / "model.safetensors").write_bytes(b"other weights")

    for call in (
        lambda: client.models.retrieve(tuned),
        lambda: client.chat.completions.create(model=tuned, messages=[{"role": "user", "content": "x"}]),
    ):
        with pytest.raises(openai.NotFoundError, match="Train it again"):
            call()


def test_a_job_goes_on_from_a_model_that_is_deleted_meanwhile(client, server, tuned):
    file = client.files.create(file=("a.jsonl", chat_lines(12, "FAKE_SLOW")), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(model=tuned, training_file=file.id)

    client.models.delete(tuned)

    spec = json.loads(
        (server.home / "jobs" / wait_for(client, job.id, "running").id / "spec.json").read_text()
    )
    assert (Path(spec["adapter"]) / "adapter_model.safetensors").is_file()
    client.fine_tuning.jobs.cancel(job.id)


def test_training_on_keeps_the_learning_rate_of_the_base(client, server, tuned):
    file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
    numbers = {"n_epochs": 1, "learning_rate_multiplier": 1}
    job = client.fine_tuning.jobs.create(model=tuned, training_file=file.id, hyperparameters=numbers)
    wait_for(client, job.id)

    spec = json.loads((server.home / "jobs" / job.id / "spec.json").read_text())

    assert spec["hyperparameters"]["learning_rate"] == pytest.approx(1e-4)
    assert spec["base_model"] == str(server.base)
    assert spec["adapter"].startswith(str(server.home / "adapters"))
