"""Training runs: what is sent, what is kept, and what a second start finds."""

import json

import pytest

from understudy.client import TrainingSettings, connect, resolve_provider, train
from understudy.client.training_run import cancel_training, plan_training
from understudy.errors import ConfigError, DatasetError, ProviderError, TrainingError

LOCAL = resolve_provider(None)
USUAL = {"base_model": "gpt-4o-mini", "n_epochs": 1}


@pytest.fixture
def client(server):
    with connect() as client:
        yield client


def plan_for(folder, **settings):
    return plan_training(folder, LOCAL, TrainingSettings(**(USUAL | settings)))


def test_leaves_a_run_that_explains_itself(folder, client):
    events = []

    run = train(folder, client, plan_for(folder, n_epochs=2), events.append)

    assert run.model.startswith("ft:gpt-4o-mini-2024-07-18:personal:iroh:")
    config = json.loads((run.folder / "config.json").read_text())
    job = json.loads((run.folder / "job.json").read_text())
    kept = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    assert (config["base_model"], config["hyperparameters"]["n_epochs"]) == ("gpt-4o-mini", 2)
    assert config["dataset"].keys() == {"training.jsonl", "validation.jsonl"}
    assert (job["status"], job["fine_tuned_model"]) == ("succeeded", run.model)
    assert job["learned_tokens_per_second"] == 100.0
    assert kept == events
    assert events[0]["message"].startswith("Created fine-tuning job")
    assert events[-1]["message"] == "The job has successfully completed"
    assert folder.latest_run() == run.folder


def test_does_not_train_the_same_twice_unless_told(folder, client):
    first = train(folder, client, plan_for(folder))

    second = train(folder, client, plan_for(folder))
    other_seed = train(folder, client, plan_for(folder, seed=2))
    again = train(folder, client, plan_for(folder, again=True))

    assert (second.id, second.model, second.reused) == (first.id, first.model, True)
    assert not other_seed.reused
    assert not again.reused
    assert len({first.model, other_seed.model, again.model}) == 3
    assert sorted(p.name for p in folder.runs.iterdir()) == [first.id, other_seed.id, again.id]


def test_trains_again_where_the_model_is_gone(folder, client):
    first = train(folder, client, plan_for(folder))
    client.models.delete(first.model)

    second = train(folder, client, plan_for(folder))

    assert not second.reused
    assert second.model != first.model


def test_uploads_the_same_file_once(folder, client):
    train(folder, client, plan_for(folder))
    before = len(list(client.files.list(purpose="fine-tune")))

    train(folder, client, plan_for(folder, again=True))

    assert len(list(client.files.list(purpose="fine-tune"))) == before


@pytest.mark.parametrize("lost", [(), ("job.json",)])
def test_takes_up_a_job_that_went_on_without_it(folder, client, lost):
    def leave(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(folder, client, plan_for(folder), leave)
    (run_folder,) = folder.runs.iterdir()
    for name in (*lost, "events.jsonl"):
        (run_folder / name).unlink()

    run = train(folder, client, plan_for(folder))

    assert run.folder == run_folder
    assert run.job["status"] == "succeeded"
    assert len(list(folder.runs.iterdir())) == 1
    assert len((run_folder / "events.jsonl").read_text().splitlines()) > 5


def test_a_failed_job_says_why_and_is_not_taken_for_done(folder, client):
    _put_into_every_line(folder, "FAKE_CRASH")
    with pytest.raises(TrainingError, match="boom"):
        train(folder, client, plan_for(folder))

    with pytest.raises(TrainingError, match="boom"):
        train(folder, client, plan_for(folder))
    assert len(list(folder.runs.iterdir())) == 2


def test_cancels_what_is_unfinished(folder, client):
    _put_into_every_line(folder, "FAKE_SLOW")

    def cancel(event):
        if event["message"] == "Fine-tuning job started":
            assert len(cancel_training(folder, client)) == 1

    with pytest.raises(TrainingError, match="was cancelled"):
        train(folder, client, plan_for(folder), cancel)
    assert cancel_training(folder, client) == []


def test_a_refused_job_leaves_no_run(folder, client):
    with pytest.raises(ProviderError, match="gpt-99"):
        train(folder, client, plan_for(folder, base_model="gpt-99"))

    assert not list(folder.runs.glob("*"))


def test_says_how_to_build_a_missing_dataset(folder):
    (folder.dataset / "training.jsonl").unlink()

    with pytest.raises(DatasetError, match="understudy build"):
        plan_for(folder)


def test_a_dataset_that_every_provider_refuses_is_refused_before_it_is_sent(folder):
    manifest = json.loads((folder.dataset / "manifest.json").read_text())
    manifest["counts"]["training"]["examples"] = 3
    (folder.dataset / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DatasetError, match=r"has 3 examples; at least 10 are needed\..*understudy import"):
        plan_for(folder)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_learning_rate_that_learns_nothing_is_refused(folder, rate):
    with pytest.raises(ConfigError, match="is not a number above 0"):
        plan_for(folder, learning_rate_multiplier=rate)


def test_a_server_that_does_not_answer_is_named(folder):
    provider = resolve_provider("http://127.0.0.1:9/v1", allow_paid=True)
    plan = plan_training(folder, provider, TrainingSettings(base_model="x"))
    with pytest.raises(ProviderError, match=r"127.0.0.1 does not answer. Check the address"):
        train(folder, connect(provider), plan, lambda event: None)
    assert not any(folder.runs.glob("*"))


def test_sends_the_recommendation_for_the_base_and_what_was_set(folder):
    mini = plan_for(folder, base_model="understudy/mini")
    other = plan_for(folder, base_model="some/model", n_epochs=3)

    assert mini.hyperparameters["max_tokens"] == 2048
    assert other.hyperparameters["n_epochs"] == 3
    assert other.hyperparameters["learning_rate_multiplier"] == 2.0
    assert mini.suffix == "iroh"


def test_hosted_training_shows_its_price_and_sends_no_key_of_ours(folder, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    provider = resolve_provider("openai", allow_paid=True)

    plan = plan_training(folder, provider, TrainingSettings())

    assert plan.base_model == "gpt-4.1-mini-2025-04-14"
    assert plan.hyperparameters == {"n_epochs": 10}
    assert plan.price_usd == pytest.approx(plan.billed_tokens * 5 / 1e6)
    assert "5 USD per million tokens" in plan.price_note


def test_another_server_needs_the_name_of_a_base(folder):
    provider = resolve_provider("http://127.0.0.1:8000/v1")

    with pytest.raises(ConfigError, match="--base-model"):
        plan_training(folder, provider, TrainingSettings())


def test_keeps_no_secret_in_the_run(folder, client, server):
    run = train(folder, client, plan_for(folder))

    assert all(server.token not in path.read_text() for path in run.folder.iterdir())


def _put_into_every_line(folder, word):
    path = folder.dataset / "training.jsonl"
    path.write_text(path.read_text().replace("What do you say", f"{word} What do you say"))
