"""``understudy train --method distillation``, as a person types it."""

import json
from pathlib import Path

import pytest
from test_train_and_serve_commands import run

from understudy.client import resolve_provider
from understudy.client.provider import Provider
from understudy.client.training_run import TrainingSettings, plan_training
from understudy.errors import ConfigError


def test_the_command_sends_the_long_prompt_and_the_dataset(server, folder):
    code, out, err = run(
        "train", folder.root, "--method", "distillation", "--base-model", "gpt-4o", "--epochs", 1,
        "--on-policy", 0.5, "--json",
    )  # fmt: skip
    assert code == 0, err
    result = json.loads(out)
    config = json.loads((Path(result["run_folder"]) / "config.json").read_text())
    assert (config["method"], config["hyperparameters"]["on_policy_share"]) == ("distillation", 0.5)
    job = json.loads((Path(result["run_folder"]) / "job.json").read_text())
    spec = json.loads((server.home / "jobs" / job["id"] / "spec.json").read_text())
    assert "Iroh" in spec["teacher"]["prompt"]
    assert spec["hyperparameters"]["on_policy_share"] == 0.5


def test_another_prompt_teacher_or_method_is_another_run(server, folder):
    def fingerprint(**settings):
        plan = plan_training(folder, resolve_provider(None), TrainingSettings("gpt-4o", **settings))
        return plan.fingerprint

    distilled = {"method": "distillation"}
    found = {fingerprint(), fingerprint(**distilled), fingerprint(**distilled, teacher="understudy/mini")}
    (folder.character).write_text("name: Iroh\nworldview: Tea is served at dawn.\n")
    found.add(fingerprint(**distilled))
    assert len(found) == 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (TrainingSettings(method="distillation", on_policy_share=2.0), "--on-policy 2 is not a share"),
        (TrainingSettings(teacher="understudy/mini"), "--teacher belongs to --method distillation"),
        (TrainingSettings(method="distillation", beta=0.1), "--beta belongs to --method dpo"),
    ],
)
def test_settings_that_do_not_fit_are_refused(server, folder, settings, words):
    with pytest.raises(ConfigError, match=words):
        plan_training(folder, resolve_provider(None), settings)


def test_openai_is_not_asked_for_what_it_lacks(folder):
    openai = Provider("openai", "https://api.openai.com/v1", "sk-canary", paid=True)
    with pytest.raises(ConfigError, match="OpenAI has no method 'distillation'"):
        plan_training(folder, openai, TrainingSettings(method="distillation"))
