"""Dialects: the same functions drive every provider, each in its own way."""

import json
from dataclasses import replace

import openai
import pytest
from fake_provider import CSV, KEY, FakeProvider

from understudy.client import TrainingSettings, connect, resolve_provider, train
from understudy.client.dialect import OTHER, Dialect, dialect_of, dialects
from understudy.client.lifetime import list_models, warning_of_end
from understudy.client.results import decode_result
from understudy.client.training_run import plan_training
from understudy.errors import ConfigError, ProviderError

CLOSED = (403, "training_not_available", "Fine-tuning is no longer available.")


@pytest.fixture
def fake():
    running = []

    def start(dialect, refuse=None):
        running.append(FakeProvider(dialect, refuse))
        return running[-1]

    yield start
    for provider in running:
        provider.stop()


def provider_of(fake):
    name = fake.url if fake.dialect in ("other", "chat only") else f"{fake.dialect}={fake.url}"
    return resolve_provider(name, allow_paid=True, api_key=KEY)


def train_at(fake, folder, **settings):
    provider = provider_of(fake)
    plan = plan_training(folder, provider, TrainingSettings(**({"base_model": "base-model"} | settings)))
    with connect(provider) as client:
        return train(folder, client, plan)


@pytest.mark.parametrize("dialect", ["openai", "azure", "nebius", "other"])
def test_trains_at_every_provider_that_trains(fake, folder, dialect):
    provider = fake(dialect)

    run = train_at(provider, folder, suffix="a suffix that is longer than eighteen characters")

    assert run.model.startswith("ft:base-model:acme:")
    assert (run.folder / "step_metrics.csv").read_bytes() == CSV
    assert provider.deleted == []
    assert ("metadata" in provider.created[0]) is (dialect in ("openai", "other"))
    assert all(KEY not in path.read_text() for path in run.folder.iterdir())


@pytest.mark.parametrize("dialect", ["openai", "nebius"])
def test_takes_up_a_job_whose_note_was_lost(fake, folder, dialect):
    provider = fake(dialect)
    first = train_at(provider, folder)
    (first.folder / "job.json").unlink()

    again = train_at(provider, folder)

    assert (again.id, again.model) == (first.id, first.model)
    assert len(provider.created) == 1


@pytest.mark.parametrize("dialect", ["openai", "azure", "nebius"])
def test_a_closed_service_is_asked_once_and_its_uploads_are_taken_back(fake, folder, dialect):
    provider = fake(dialect, CLOSED)

    with pytest.raises(ProviderError, match=r"that is final.*leaving --provider out.*understudy providers"):
        train_at(provider, folder)

    assert len(provider.created) == 1
    assert len(provider.deleted) == 2
    assert provider.files == {}
    assert not list(folder.runs.glob("*"))


def test_what_lay_there_before_is_left_there(fake, folder):
    provider = fake("openai")
    train_at(provider, folder)
    kept = set(provider.files)
    provider.refuse = CLOSED

    with pytest.raises(ProviderError):
        train_at(provider, folder, seed=2)

    assert kept <= set(provider.files)


def test_where_no_answer_came_the_uploads_stay_for_the_job_that_may_exist(fake, folder, monkeypatch):
    monkeypatch.setattr("openai._base_client.BaseClient._calculate_retry_timeout", lambda *a, **k: 0.0)
    provider = fake("other", (500, None, "The server had an error."))

    with pytest.raises(ProviderError):
        train_at(provider, folder)

    assert provider.deleted == []


def test_a_provider_whose_training_has_another_shape_is_refused_before_anything_is_sent(fake, folder):
    provider = fake("together")

    with pytest.raises(ConfigError, match=r"Together AI cannot train.*/fine-tunes.*--model"):
        train_at(provider, folder)
    assert provider.created == []
    assert provider.files == {}
    with connect(provider_of(provider)) as client:
        reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert reply.choices[0].message.content == "Good day."


def test_a_server_without_a_fine_tuning_api_is_named_and_left_clean(fake, folder):
    provider = fake("chat only")

    with pytest.raises(ProviderError, match="no fine-tuning API"):
        train_at(provider, folder)
    assert provider.files == {}


def test_a_provider_that_repeats_the_key_does_not_make_us_show_it(fake, folder):
    provider = fake("openai")
    wrong = resolve_provider(f"openai={provider.url}", api_key="canary-wrong-key")
    plan = plan_training(folder, wrong, TrainingSettings(base_model="base-model"))

    with connect(wrong) as client, pytest.raises(ProviderError) as caught:
        train(folder, client, plan)
    assert "canary-wrong-key" not in str(caught.value)
    assert "Incorrect API key" in str(caught.value)


@pytest.mark.parametrize(
    ("dialect", "end"), [("openai", "2027-01-14"), ("azure", "2027-01-14"), ("other", None)]
)
def test_the_end_of_a_model_is_shown(fake, dialect, end):
    running = fake(dialect)
    provider = provider_of(running)

    with connect(provider) as client:
        ends = {row["id"]: row["shutdown_date"] for row in list_models(client, provider)}
        warning = warning_of_end(client, replace(provider, paid=True), "old-model")
    assert ends == {"new-model": None, "old-model": end}
    assert (warning is None) if end is None else (f"stops on {end}" in warning)


def test_the_command_lists_models_with_their_end(fake, monkeypatch, capsys):
    from typer.testing import CliRunner

    from understudy.cli.app import app

    monkeypatch.setenv("UNDERSTUDY_API_KEY", KEY)
    done = CliRunner().invoke(app, ["models", "--provider", f"openai={fake('openai').url}"])
    assert "old-model   stops on 2027-01-14" in done.stdout
    shown = CliRunner().invoke(app, ["providers", "--json"])
    assert {row["name"] for row in json.loads(shown.stdout)} == {
        "openai",
        "azure",
        "nebius",
        "together",
        "other",
    }


@pytest.mark.parametrize("form", [
    CSV, CSV.replace(b"\n", b"\r\n"), b"", b"no table at all", b"QUJD", b"\xff\xfe", b"====",
])  # fmt: skip
def test_what_is_no_encoded_table_is_left_as_it_is(form):
    assert decode_result(form) == form


def test_an_encoded_table_is_decoded_whichever_way_it_is_wrapped():
    import base64

    assert decode_result(base64.b64encode(CSV)) == CSV
    assert decode_result(base64.encodebytes(CSV * 30)) == CSV * 30


# The table


@pytest.mark.parametrize("dialect", dialects().values(), ids=dialects())
def test_every_row_says_where_and_when_it_was_read(dialect):
    assert isinstance(dialect, Dialect)
    assert dialect.source
    assert dialect.as_of is not None
    assert dialect.note
    assert dialect.training or not dialect.methods


@pytest.mark.parametrize(("host", "name"), [
    ("api.openai.com", "openai"), ("acme.openai.azure.com", "azure"),
    ("openai.azure.com.evil.example", "other"),
    ("evilapi.openai.com", "other"), ("api.together.xyz", "together"), ("127.0.0.1", "other"),
])  # fmt: skip
def test_a_provider_is_known_by_its_host(host, name):
    assert dialect_of(host).name == name


def test_a_providers_own_key_goes_to_its_own_servers_alone(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "canary-azure")
    monkeypatch.setenv("NEBIUS_API_KEY", "canary-nebius")
    monkeypatch.delenv("UNDERSTUDY_API_KEY", raising=False)
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)

    own = resolve_provider("https://acme.openai.azure.com/openai/v1", allow_paid=True)
    other = resolve_provider("azure=http://127.0.0.1:1/v1")
    named = resolve_provider("nebius", allow_paid=True)

    assert (own.api_key.reveal(), own.dialect.name) == ("canary-azure", "azure")
    assert (other.api_key.reveal(), other.dialect.name) == ("none", "azure")
    assert (named.api_key.reveal(), named.name) == ("canary-nebius", "nebius")
    with pytest.raises(ConfigError, match="AZURE_OPENAI_ENDPOINT"):
        resolve_provider("azure", allow_paid=True)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://acme.openai.azure.com/")
    assert resolve_provider("azure", allow_paid=True).base_url == "https://acme.openai.azure.com/openai/v1"
    assert OTHER.key == "UNDERSTUDY_API_KEY"


def test_the_key_header_of_azure_is_sent(fake):
    with connect(provider_of(fake("azure"))) as client:
        assert client.models.list().data
    bare = openai.OpenAI(base_url=fake("azure").url, api_key=KEY, max_retries=0)
    with bare, pytest.raises(openai.AuthenticationError):
        bare.models.list()


def test_four_bits_are_asked_of_servers_of_ours_alone(fake, folder):
    for dialect in ("openai", "azure", "nebius"):
        provider = fake(dialect)
        with pytest.raises(ConfigError, match="knows no --quantize"):
            train_at(provider, folder, quantization="4bit")
        assert provider.created == []
    settings = TrainingSettings(base_model="base-model", quantization="4bit")
    plan = plan_training(folder, provider_of(fake("other")), settings)
    assert plan.as_method()["supervised"]["hyperparameters"]["quantization"] == "4bit"
