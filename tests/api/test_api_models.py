"""Models: lists, names with slashes and colons, deletion."""

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


def test_an_unreachable_hub_is_a_quick_and_clear_refusal(client, monkeypatch):
    import time

    began = time.monotonic()
    file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
    with pytest.raises(openai.BadRequestError) as caught:
        client.fine_tuning.jobs.create(model="understudy-tests/no-such-model", training_file=file.id)

    assert caught.value.code == "model_not_available"
    assert time.monotonic() - began < 15
