"""Jobs on preferences (DPO): request, object, files, events, results."""

import csv
import io

import openai
import pytest
from running_server import chat_lines, preference_lines, wait_for

MODEL = "gpt-4o-mini-2024-07-18"


def upload(client, content: bytes) -> str:
    return client.files.create(file=("pairs.jsonl", content), purpose="fine-tune").id


def create(client, content: bytes | None = None, numbers: dict | None = None, **options):
    numbers = {"n_epochs": 1, "batch_size": 4} if numbers is None else numbers
    method = {"type": "dpo", "dpo": {"hyperparameters": numbers}}
    options = {"model": MODEL, "method": method} | options
    return client.fine_tuning.jobs.create(
        training_file=upload(client, content or preference_lines()), **options
    )


def test_a_job_on_preferences_runs_to_a_model(client):
    job = create(client, numbers={"beta": 0.25, "n_epochs": 2, "batch_size": 4})
    assert job.method.type == "dpo"
    assert job.method.dpo.hyperparameters.beta == 0.25
    assert job.method.dpo.hyperparameters.learning_rate_multiplier == "auto"
    assert job.hyperparameters.n_epochs == 2

    done = wait_for(client, job.id)

    assert done.status == "succeeded", done.error
    assert done.method.dpo.hyperparameters.beta == 0.25
    assert done.method.supervised is None
    assert done.fine_tuned_model.startswith(f"ft:{MODEL}:personal::")
    metrics = [e for e in client.fine_tuning.jobs.list_events(job.id, limit=100).data if e.type == "metrics"]
    assert len(metrics) == 6
    assert metrics[0].data["train_reward_accuracy"] == 1.0
    assert metrics[0].data["train_reward_margin"] == 0.25  # the worker was told this beta
    rows = list(csv.DictReader(io.StringIO(client.files.content(done.result_files[0]).text)))
    assert [row["step"] for row in rows] == list("123456")
    assert list(rows[0]) == [
        "step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"
    ]  # fmt: skip


def test_automatic_numbers_are_resolved(client):
    job = create(client, numbers={})
    assert job.method.dpo.hyperparameters.beta == "auto"

    done = wait_for(client, job.id)

    numbers = done.method.dpo.hyperparameters
    assert (numbers.beta, numbers.batch_size) == (0.1, 1)
    assert isinstance(numbers.n_epochs, int)
    assert 0 < numbers.learning_rate_multiplier < 1
    assert done.hyperparameters.n_epochs == numbers.n_epochs


def test_the_deprecated_place_of_the_numbers_is_read_too(client):
    job = create(client, method={"type": "dpo"}, hyperparameters={"n_epochs": 1, "batch_size": 6})
    assert (job.method.dpo.hyperparameters.n_epochs, job.method.dpo.hyperparameters.beta) == (1, "auto")
    assert wait_for(client, job.id).status == "succeeded"


def test_preferences_are_trained_on_top_of_a_tuned_model(client):
    tuned = client.fine_tuning.jobs.create(
        model=MODEL, training_file=upload(client, chat_lines()), hyperparameters={"n_epochs": 1}
    )
    first = wait_for(client, tuned.id).fine_tuned_model

    done = wait_for(client, create(client, model=first).id)

    assert done.status == "succeeded", done.error
    assert done.model == first
    assert done.fine_tuned_model != first


@pytest.mark.parametrize(
    ("numbers", "code", "param"),
    [
        ({"beta": 0}, "decimal_below_min_value", "method.dpo.hyperparameters.beta"),
        ({"beta": 2.1}, "decimal_above_max_value", "method.dpo.hyperparameters.beta"),
        ({"beta": "much"}, "invalid_type", "method.dpo.hyperparameters.beta"),
        ({"n_epochs": 51}, "integer_above_max_value", "method.dpo.hyperparameters.n_epochs"),
        ({"gamma": 1}, "unknown_parameter", "method.dpo.hyperparameters.gamma"),
    ],
)
def test_numbers_out_of_range_are_refused(client, numbers, code, param):
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, numbers=numbers)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_beta_belongs_to_preferences_alone(client):
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, method={"type": "supervised", "supervised": {"hyperparameters": {"beta": 0.1}}})
    assert (caught.value.code, caught.value.param) == (
        "unknown_parameter",
        "method.supervised.hyperparameters.beta",
    )


def test_a_file_of_the_other_format_fails_the_job(client):
    job = wait_for(client, create(client, chat_lines()).id)
    assert (job.status, job.error.code, job.error.param) == (
        "failed",
        "invalid_training_file",
        "training_file",
    )
    assert "is in the chat format, but the method is dpo" in job.error.message

    plain = client.fine_tuning.jobs.create(model=MODEL, training_file=upload(client, preference_lines()))
    error = wait_for(client, plain.id).error
    assert "is in the preference format, but the method is supervised" in error.message


def test_faulty_pairs_are_all_named_with_the_code_of_their_file(client):
    broken = (
        b'{"input": {"messages": [{"role": "user", "content": "a"}]}, "preferred_output": []}\n'
        b'{"input": {}, "preferred_output": [{"role": "user", "content": "a"}], '
        b'"non_preferred_output": [{"role": "assistant", "content": "b"}]}\n'
    )
    job = wait_for(client, create(client, preference_lines() + broken).id)
    assert job.error.code == "invalid_training_file"
    assert "Example 13" in job.error.message
    assert "Example 14" in job.error.message
    few = wait_for(client, create(client, preference_lines(4)).id)
    assert few.error.code == "invalid_n_examples"
    validation = upload(client, broken)
    other = wait_for(client, create(client, validation_file=validation).id)
    assert (other.error.code, other.error.param) == ("invalid_validation_file", "validation_file")
