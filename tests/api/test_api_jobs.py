"""Jobs: the life cycle, the objects on the way, and every way to fail."""

import csv
import io
import json
import re

import openai
import pytest
from running_server import chat_lines, wait_for

MODEL = "gpt-4o-mini-2024-07-18"


def upload(client, content: bytes) -> str:
    return client.files.create(file=("chats.jsonl", content), purpose="fine-tune").id


def create(client, content: bytes | None = None, **options):
    """A job of one epoch in three steps, unless ``options`` say otherwise."""
    options = {"model": MODEL, "training_file": upload(client, content or chat_lines())} | options
    if "hyperparameters" not in options and "method" not in options:
        options["hyperparameters"] = {"n_epochs": 1, "batch_size": 4}
    return client.fine_tuning.jobs.create(**options)


def messages(client, job_id: str) -> list[str]:
    return [e.message for e in client.fine_tuning.jobs.list_events(job_id, limit=100)][::-1]


def test_runs_from_files_to_a_model_in_the_known_order(client):
    job = create(client, suffix="My_Iroh", seed=7, metadata={"for": "test"}, hyperparameters={})
    assert (job.status, job.hyperparameters.n_epochs, job.seed) == ("validating_files", "auto", 7)

    done = wait_for(client, job.id)

    assert done.status == "succeeded"
    assert done.error is None
    assert done.metadata == {"for": "test"}
    assert re.fullmatch(rf"ft:{MODEL}:personal:my-iroh:[A-Za-z0-9]{{8}}", done.fine_tuned_model)
    # Twelve examples: eight epochs in steps of one, by OpenAI's rules.
    assert (done.hyperparameters.n_epochs, done.hyperparameters.batch_size) == (8, 1)
    assert done.method.supervised.hyperparameters.n_epochs == 8
    assert done.trained_tokens == 8000
    assert done.finished_at >= done.created_at
    told = [m for m in messages(client, job.id) if not m.startswith(("Step", "Checkpoint", "the file"))]
    assert told[0] == f"Created fine-tuning job: {job.id}"
    assert f"Validating training file: {done.training_file}" in told
    assert told[-4:] == [
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
        f"New fine-tuned model created: {done.fine_tuned_model}",
        "The job has successfully completed",
    ]


def test_says_that_a_local_base_stands_in_for_a_hosted_name(client):
    job = create(client)

    events = [e for e in client.fine_tuning.jobs.list_events(job.id, limit=100) if e.level == "warn"]

    assert any("runs at OpenAI only" in e.message and "--base" in e.message for e in events)
    assert job.model == MODEL


def test_reports_every_step_once_as_a_metrics_event(client):
    job = wait_for(client, create(client, hyperparameters={"n_epochs": 2, "batch_size": 3}).id)

    events = [e for e in client.fine_tuning.jobs.list_events(job.id, limit=100) if e.type == "metrics"]

    assert [e.data["step"] for e in reversed(events)] == list(range(1, 9))
    assert events[-1].message == "Step 1/8: training loss=2.00"
    assert events[0].message == "Step 8/8: training loss=0.25, full validation loss=1.50"
    assert events[0].data["full_valid_loss"] == 1.5


def test_keeps_the_last_epochs_as_checkpoints_that_chat(client):
    job = wait_for(client, create(client, hyperparameters={"n_epochs": 5, "batch_size": 4}).id)

    page = client.fine_tuning.jobs.checkpoints.list(job.id)

    # Five epochs of three steps: the last three are kept, and the final one is the model itself.
    assert [c.step_number for c in page.data] == [12, 9]
    newest = page.data[0]
    assert re.fullmatch(rf"ft:{MODEL}:personal::\w{{8}}:ckpt-step-12", newest.fine_tuned_model_checkpoint)
    assert newest.metrics.full_valid_loss == 1.5
    reply = client.chat.completions.create(
        model=newest.fine_tuned_model_checkpoint, messages=[{"role": "user", "content": "hi"}]
    )
    assert reply.choices[0].message.content == "tuned hi"


def test_leaves_a_csv_of_the_steps(client):
    job = wait_for(client, create(client, hyperparameters={"n_epochs": 1, "batch_size": 6}).id)

    text = client.files.content(job.result_files[0]).text

    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == [
        "step",
        "train_loss",
        "train_accuracy",
        "valid_loss",
        "valid_mean_token_accuracy",
    ]
    assert rows[0] == {
        "step": "1", "train_loss": "2.00000", "train_accuracy": "0.50000", "valid_loss": "",
        "valid_mean_token_accuracy": "",
    }  # fmt: skip
    assert client.files.retrieve(job.result_files[0]).purpose == "fine-tune-results"


def test_trains_on_from_a_tuned_model(client):
    first = wait_for(client, create(client).id)

    second = wait_for(client, create(client, model=first.fine_tuned_model).id)

    assert second.status == "succeeded"
    assert second.model == first.fine_tuned_model
    assert second.fine_tuned_model.startswith(f"ft:{MODEL}:")


def test_passes_our_extra_hyperparameters_to_the_process(client, server):
    numbers = {
        "n_epochs": 1,
        "batch_size": 2,
        "learning_rate_multiplier": 3,
        "lora_rank": 4,
        "max_tokens": 99,
    }
    method = {"type": "supervised", "supervised": {"hyperparameters": numbers}}
    job = wait_for(client, create(client, method=method, seed=5).id)

    spec = json.loads((server.home / "jobs" / job.id / "spec.json").read_text())

    assert spec["hyperparameters"] == {"n_epochs": 1, "batch_size": 2, "learning_rate": pytest.approx(3e-4)}
    assert (spec["lora"]["rank"], spec["lora"]["alpha"], spec["max_tokens"], spec["seed"]) == (4, 8, 99, 5)


def test_four_bits_are_refused_at_once_where_there_is_no_gpu(client):
    from understudy.training.quantization import why_not_four_bit

    if why_not_four_bit() is None:
        pytest.skip("this machine can train in four bits")
    method = {"type": "supervised", "supervised": {"hyperparameters": {"quantization": "4bit"}}}

    with pytest.raises(openai.BadRequestError) as caught:
        create(client, method=method)

    assert caught.value.code == "unsupported_value"
    assert caught.value.param == "method.supervised.hyperparameters.quantization"
    assert "Four-bit training needs" in caught.value.message


# --- faults of the request ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code", "param"),
    [
        ({"training_file": "file-nothere"}, "invalid_training_file", "training_file"),
        ({"model": "gpt-99"}, "model_not_available", "model"),
        ({"model": "ft:gpt-4o:me::12345678"}, "model_not_available", "model"),
        ({"model": "/etc"}, "model_not_available", "model"),
        ({"suffix": "x" * 65}, "string_above_max_length", "suffix"),
        ({"seed": -1}, "integer_below_min_value", "seed"),
        ({"seed": 2**31}, "integer_above_max_value", "seed"),
        ({"hyperparameters": {"n_epochs": 51}}, "integer_above_max_value", "hyperparameters.n_epochs"),
        ({"hyperparameters": {"batch_size": 0}}, "integer_below_min_value", "hyperparameters.batch_size"),
        ({"hyperparameters": {"n_epochs": "many"}}, "invalid_type", "hyperparameters.n_epochs"),
        (
            {"hyperparameters": {"learning_rate_multiplier": 0}},
            "decimal_below_min_value",
            "hyperparameters.learning_rate_multiplier",
        ),
        ({"hyperparameters": {"epochs": 3}}, "unknown_parameter", "hyperparameters.epochs"),
        ({"method": {"type": "reinforcement"}}, "unsupported_value", "method.type"),
        ({"metadata": {str(i): "x" for i in range(17)}}, "object_above_max_properties", "metadata"),
        ({"metadata": {"k" * 65: "x"}}, "property_name_above_max_length", "metadata"),
        ({"metadata": {"k": "x" * 513}}, "string_above_max_length", "metadata.k"),
        ({"extra_body": {"colour": "red"}}, "unknown_parameter", "colour"),
        (
            {"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]},
            "unsupported_value",
            "integrations",
        ),
    ],
)
def test_refuses_faulty_requests_at_once(client, options, code, param):
    with pytest.raises(openai.BadRequestError) as caught:
        create(client, **options)

    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.type == "invalid_request_error"


def test_range_messages_state_limit_and_value(client):
    with pytest.raises(openai.BadRequestError, match="<= 50, but got 51"):
        create(client, hyperparameters={"n_epochs": 51})


def test_refuses_a_file_of_another_purpose(client):
    file = client.files.create(file=("x.txt", b"hello"), purpose="user_data")

    with pytest.raises(openai.BadRequestError, match="purpose 'user_data'"):
        create(client, training_file=file.id)


def test_unknown_jobs_are_404(client):
    for call in (
        client.fine_tuning.jobs.retrieve,
        client.fine_tuning.jobs.cancel,
        client.fine_tuning.jobs.list_events,
        client.fine_tuning.jobs.checkpoints.list,
    ):
        with pytest.raises(openai.NotFoundError, match="ftjob-nothere"):
            call("ftjob-nothere")


# --- faults that come later ---------------------------------------------------------------------


def test_too_few_examples_fail_the_job_not_the_request(client):
    job = wait_for(client, create(client, chat_lines(9)).id)

    assert (job.status, job.error.code, job.error.param) == ("failed", "invalid_n_examples", "training_file")
    assert "9 examples" in job.error.message
    assert job.fine_tuned_model is None


def test_all_faulty_examples_are_named(client):
    bad = b'{"messages": [{"role": "user", "content": "no reply"}]}\n'
    job = wait_for(client, create(client, chat_lines() + bad + chat_lines(2, "more") + b'{"text": "?"}\n').id)

    assert (job.status, job.error.code) == ("failed", "invalid_training_file")
    assert "Example 13" in job.error.message
    assert "Example 16" in job.error.message


def test_a_faulty_validation_file_is_named_as_such(client):
    validation = upload(client, b'{"messages": [{"role": "user", "content": "no reply"}]}\n')

    job = wait_for(client, create(client, validation_file=validation).id)

    assert (job.status, job.error.code, job.error.param) == (
        "failed",
        "invalid_validation_file",
        "validation_file",
    )


def test_a_small_validation_file_is_enough(client):
    validation = upload(client, chat_lines(2, "validation"))

    job = wait_for(client, create(client, validation_file=validation).id)
    assert job.status == "succeeded"
    advice = [
        e.message for e in client.fine_tuning.jobs.list_events(job.id, limit=100) if "advised" in e.message
    ]
    assert advice == ["only 12 examples; 50 to 100 are advised. Add examples."]


@pytest.mark.parametrize(
    ("word", "code", "words"),
    [
        ("FAKE_FAIL", "invalid_training_file", "learns nothing"),
        ("FAKE_CRASH", "server_error", "boom: no such luck"),
        ("FAKE_KILLED ", "out_of_memory", "smaller"),
    ],
)
def test_a_process_that_dies_fails_its_job_with_the_reason(client, word, code, words):
    job = wait_for(client, create(client, chat_lines(12, word)).id)

    assert (job.status, job.error.code) == ("failed", code)
    assert words in job.error.message
    assert wait_for(client, create(client).id).status == "succeeded"


# --- cancel, pause, lists -------------------------------------------------------------------------


def test_cancels_a_running_job_and_goes_on_with_the_next(client):
    slow = create(client, chat_lines(12, "FAKE_SLOW"), hyperparameters={"n_epochs": 8})
    waiting = create(client)
    wait_for(client, slow.id, "running")

    assert client.fine_tuning.jobs.cancel(slow.id).status == "cancelled"

    assert wait_for(client, waiting.id).status == "succeeded"
    job = client.fine_tuning.jobs.retrieve(slow.id)
    assert (job.status, job.fine_tuned_model) == ("cancelled", None)
    assert messages(client, slow.id)[-1] == "Fine-tuning job cancelled"


def test_cancels_a_job_that_waits(client):
    slow = create(client, chat_lines(12, "FAKE_SLOW"), hyperparameters={"n_epochs": 8})
    waiting = create(client)
    wait_for(client, waiting.id, "queued")

    client.fine_tuning.jobs.cancel(waiting.id)
    client.fine_tuning.jobs.cancel(slow.id)

    assert client.fine_tuning.jobs.retrieve(waiting.id).status == "cancelled"
    assert "Fine-tuning job started" not in messages(client, waiting.id)


def test_a_wrong_state_is_refused_for_good(client):
    job = wait_for(client, create(client).id)

    with pytest.raises(openai.BadRequestError, match="its status is succeeded") as caught:
        client.fine_tuning.jobs.cancel(job.id)

    assert caught.value.response.headers["x-should-retry"] == "false"


def test_a_paused_job_goes_on_where_it_stopped(server):
    with server.client(_strict_response_validation=False) as client:
        job = create(client, chat_lines(12, "FAKE_SLOW"), hyperparameters={"n_epochs": 2, "batch_size": 2})
        wait_for(client, job.id, "running")
        while not any(m.startswith("Step 2/12") for m in messages(client, job.id)):
            pass
        assert client.fine_tuning.jobs.pause(job.id).status == "paused"
        while not (snapshots := client.fine_tuning.jobs.checkpoints.list(job.id).data):
            assert client.fine_tuning.jobs.retrieve(job.id).status == "paused"
        snapshot = snapshots[0].fine_tuned_model_checkpoint
        assert snapshot.endswith(f":ckpt-step-{snapshots[0].step_number}")
        said = [{"role": "user", "content": "hi"}]
        reply = client.chat.completions.create(model=snapshot, messages=said)
        assert reply.choices[0].message.content == "tuned hi"
        client.fine_tuning.jobs.resume(job.id)

        assert wait_for(client, job.id).status == "succeeded"
        told = messages(client, job.id)
    assert any(re.match(r"Fine-tuning job resumed from step \d+ of 12", m) for m in told)
    steps = [m for m in told if m.startswith("Step")]
    assert len(steps) == len(set(steps)) == 12


def test_finds_jobs_by_metadata(client):
    job = create(client, metadata={"run": "unique-7"})
    create(client, metadata={"run": "unique-8"})

    found = client.fine_tuning.jobs.list(metadata={"run": "unique-7"})

    assert [j.id for j in found] == [job.id]
    without = client.fine_tuning.jobs.list(extra_query={"metadata": "null"})
    assert all(j.metadata is None for j in without)


def test_lists_jobs_and_events_by_pages(client):
    job = wait_for(client, create(client).id)

    assert next(iter(client.fine_tuning.jobs.list(limit=1))).created_at >= job.created_at
    page = client.fine_tuning.jobs.list_events(job.id, limit=3)
    assert page.has_more
    assert page.data[0].message == "The job has successfully completed"
    everything = [e.id for e in client.fine_tuning.jobs.list_events(job.id, limit=3)]
    assert len(everything) == len(set(everything)) == len(messages(client, job.id))
    with pytest.raises(openai.BadRequestError) as caught:
        client.fine_tuning.jobs.list_events(job.id, limit=0)
    assert caught.value.code == "integer_below_min_value"


def test_a_deleted_training_file_does_not_stop_its_job(client):
    job = create(client, chat_lines(12, "FAKE_SLOW delete me"), hyperparameters={"n_epochs": 1})
    client.files.delete(job.training_file)

    assert wait_for(client, job.id).status == "succeeded"
