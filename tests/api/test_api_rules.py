"""Rules that need no server: automatic numbers, names of bases, the result file."""

import subprocess
import sys

import pytest

from understudy.api.bases import advice, find_base, recommended_hyperparameters, resolve_base
from understudy.api.hyperparameters import automatic_batch_size, automatic_epochs, resolve
from understudy.api.results import results_csv
from understudy.api.settings import ServerSettings, is_loopback
from understudy.api.workers import worker_environment
from understudy.errors import ConfigError, ModelError
from understudy.secret import Secret


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [(4, 25), (10, 10), (12, 8), (25, 4), (33, 3), (34, 3), (100, 3), (8334, 2), (12501, 1)],
)
def test_epochs_follow_the_published_rule(examples, epochs):
    assert automatic_epochs(examples) == epochs


@pytest.mark.parametrize(("examples", "size"), [(10, 1), (600, 1), (1000, 2), (50_000, 100), (10**6, 256)])
def test_batch_size_is_two_in_a_thousand(examples, size):
    assert automatic_batch_size(examples) == size


def test_given_numbers_are_kept_and_auto_is_settled():
    shown = {"n_epochs": 2, "batch_size": "auto", "learning_rate_multiplier": "auto"}

    settled = resolve(shown, 100, advice("Qwen/Qwen3-0.6B"))

    assert settled == {"n_epochs": 2, "batch_size": 1, "learning_rate_multiplier": 2.0}


def test_our_client_clamps_epochs_and_takes_the_row_of_the_base():
    assert recommended_hyperparameters("some/model", 300)["n_epochs"] == 10
    assert recommended_hyperparameters("some/model", 2500)["n_epochs"] == 4
    assert recommended_hyperparameters("some/model", 10**6)["n_epochs"] == 1
    assert recommended_hyperparameters("understudy/mini", 500)["max_tokens"] == 2048


def test_openai_names_mean_the_default_base(tmp_path):
    (tmp_path / "config.json").write_text("{}")

    base = find_base("gpt-4o-mini", str(tmp_path))

    assert (base.name, base.source, base.stands_in) == ("gpt-4o-mini-2024-07-18", str(tmp_path), True)


def test_directories_give_their_last_part_as_name(tmp_path):
    folder = tmp_path / "my model: v2"
    folder.mkdir()
    (folder / "config.json").write_text("{}")

    base = find_base(str(folder), "understudy/mini")

    assert base.name == "my-model-v2"
    assert resolve_base(str(folder)) == folder


def test_a_hosted_model_cannot_stand_in_for_others():
    with pytest.raises(ModelError, match="Choose a local one"):
        find_base("gpt-4o", "gpt-4o-mini")


@pytest.mark.parametrize("name", ["gpt-99", "/", "..", "a/b/c", "", "-x/y", "a b/c"])
def test_other_names_are_refused_with_what_would_do(name):
    with pytest.raises(ModelError, match=r"understudy/mini|config\.json"):
        find_base(name, "understudy/mini")


def test_the_result_file_keeps_the_last_row_of_a_repeated_step():
    rows = [{"step": 1, "train_loss": 2.0}, {"step": 1, "train_loss": 1.0, "valid_loss": 3}]

    assert results_csv(rows).decode().splitlines() == [
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy",
        "1,1.00000,,3,",
    ]


def test_other_interfaces_need_a_token():
    with pytest.raises(ConfigError, match="token"):
        ServerSettings(host="0.0.0.0", token=None)
    assert ServerSettings(host="0.0.0.0", token=Secret("x")).token.reveal() == "x"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("0.0.0.0", False),
     ("localhost.evil.example", False), ("", False), ("127.0.0.1.evil.example", False)],
)  # fmt: skip
def test_knows_loopback(host, expected):
    assert is_loopback(host) is expected


def test_the_http_process_never_imports_torch():
    program = (
        "import sys, understudy.api.app, understudy.api.server, understudy.dataset, huggingface_hub; "
        "heavy = {'torch', 'transformers', 'peft', 'accelerate'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr


def test_workers_get_no_secrets_and_no_network(monkeypatch):
    for name in ("OPENAI_API_KEY", "UNDERSTUDY_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "canary")

    environment = worker_environment(3)

    assert "canary" not in environment.values()
    assert (environment["OMP_NUM_THREADS"], environment["OMP_WAIT_POLICY"]) == ("3", "PASSIVE")
    assert environment["HF_HUB_OFFLINE"] == "1"


def test_the_server_package_lists_what_it_offers():
    import understudy.api
    import understudy.client

    for package in (understudy.api, understudy.client):
        assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError):
        _ = understudy.api.nothing
