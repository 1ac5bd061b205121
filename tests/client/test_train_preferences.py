"""``understudy train --method dpo``, as a person types it."""

import json
from pathlib import Path

import pytest
from running_server import preference_lines
from test_train_and_serve_commands import run

from understudy.client import connect, resolve_provider
from understudy.client.training_run import TrainingSettings, plan_training, train
from understudy.errors import ConfigError


def test_the_command_trains_on_the_characters_preferences(server, folder):
    folder.preferences.write_bytes(preference_lines(14))

    code, out, err = run("train", folder.root, "--method", "dpo", "--base-model", "gpt-4o", "--json",
                         "--beta", 0.4, "--epochs", 1)  # fmt: skip

    assert code == 0, err
    assert "14 pairs of replies on gpt-4o" in err
    assert "prefers the preferred in 100%" in err
    result = json.loads(out)
    config = json.loads((Path(result["run_folder"]) / "config.json").read_text())
    assert (config["method"], config["hyperparameters"]["beta"]) == ("dpo", 0.4)
    job = json.loads((Path(result["run_folder"]) / "job.json").read_text())
    assert job["method"]["dpo"]["hyperparameters"]["beta"] == 0.4


def test_what_build_wrote_is_trained_and_what_was_collected_is_sent_to_build(server, folder):
    pair = {
        "id": "preference-1", "group": "g", "source": "test", "chosen": "Aye.", "rejected": "As an AI, no.",
        "messages": [{"role": "user", "content": "Are you a pirate?"}],
    }  # fmt: skip
    folder.preferences.write_text(json.dumps(pair) + "\n", "utf-8")
    code, _, err = run("train", folder.root, "--method", "dpo", "--base-model", "gpt-4o")
    assert code == 1
    assert "holds pairs as they were collected" in err
    assert "understudy build" in err

    folder.dataset.mkdir(exist_ok=True)
    (folder.dataset / "preferences.jsonl").write_bytes(preference_lines(14))
    code, _, err = run("train", folder.root, "--method", "dpo", "--base-model", "gpt-4o", "--epochs", 1)
    assert code == 0, err
    assert "14 pairs of replies on gpt-4o" in err


def test_it_goes_on_from_a_tuned_model_and_is_another_run(server, folder, tmp_path):
    provider = resolve_provider(None)
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_bytes(preference_lines(12))
    with connect(provider) as client:
        tuning = plan_training(folder, provider, TrainingSettings("gpt-4o", n_epochs=1))
        first = train(folder, client, tuning)
        settings = TrainingSettings(first.model, n_epochs=1, method="dpo", preferences=pairs)
        second = train(folder, client, plan_training(folder, provider, settings))
        third = train(folder, client, plan_training(folder, provider, settings))

    assert second.model != first.model
    assert second.job["model"] == first.model
    assert third.reused
    assert third.model == second.model


def test_a_missing_or_faulty_file_is_refused_before_anything_is_sent(server, folder):
    code, _, err = run("train", folder.root, "--method", "dpo")
    assert code == 1
    assert "preferences.jsonl: no such file" in err
    folder.preferences.write_bytes(preference_lines(11) + b'{"messages": []}\n{"input": 3}\n')
    code, _, err = run("train", folder.root, "--method", "dpo")
    assert code == 1
    assert "preferences.jsonl:12: is in the chat format" in err
    assert "preferences.jsonl:13: " in err
    assert not list(folder.runs.glob("*"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (TrainingSettings(method="ppo"), "--method 'ppo' is not one of supervised, dpo"),
        (TrainingSettings(method="dpo", beta=0.0), "--beta 0 is not a number above 0"),
        (TrainingSettings(beta=0.1), "--beta belongs to --method dpo"),
        (TrainingSettings(quantization="8bit"), "--quantize '8bit' is not 4bit"),
    ],
)
def test_settings_that_do_not_fit_are_refused(server, folder, settings, words):
    with pytest.raises(ConfigError, match=words):
        plan_training(folder, resolve_provider(None), settings)
