"""Policies: what the server does around a tuned model's replies, and how it is seen and switched."""

import json

import openai
import pytest
from running_server import chat_lines, wait_for, wait_for_batch

from understudy.api.policies import crisis_words, direct, speaks_of_crisis
from understudy.character.character import Character, Crisis, Policies
from understudy.character.deployed import (
    DeployedPolicies,
    policies_from_metadata,
    policies_of,
    policy_metadata,
)

METADATA = {
    "understudy_character": "Princess Ophelia",
    "understudy_disclosure_interval": "3",
    "understudy_audience": "minors",
    "understudy_crisis": "refer",
    "understudy_crisis_contacts": "116 123 in Britain.",
}
REMINDER = "(You are talking with an AI that plays Princess Ophelia.)"
OFF = {"x-understudy-policies": "off"}


def train(client, **options):
    file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
    values = {"model": "gpt-4o-mini", "training_file": file.id, "hyperparameters": {"n_epochs": 1}}
    return wait_for(client, client.fine_tuning.jobs.create(**(values | options)).id)


@pytest.fixture(scope="module")
def tuned(server):
    with server.client() as client:
        return train(client, metadata=METADATA).fine_tuned_model


def turns(number, text="hi"):
    said = [
        [{"role": "user", "content": text}, {"role": "assistant", "content": "yes"}] for _ in range(number)
    ]
    return [message for pair in said for message in pair][: 2 * number - 1]


def ask(client, model, messages, **options):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=messages, **options)
    return raw.parse(), raw.headers.get("x-understudy-policies")


@pytest.mark.parametrize(("turn", "reminded"), [(1, True), (2, False), (3, False), (4, True), (7, True)])
def test_reminds_in_the_first_reply_and_at_every_interval(client, tuned, turn, reminded):
    reply, header = ask(client, tuned, turns(turn))

    text = reply.choices[0].message.content
    assert (REMINDER in text) == reminded
    assert text.startswith("tuned hi")
    assert header == ("audience, disclosure" if reminded else "audience")
    assert reply.understudy_policies == header.split(", ")


def test_reminds_every_choice_and_also_in_a_stream(client, tuned):
    reply, _ = ask(client, tuned, turns(1), n=2)
    assert [c.message.content for c in reply.choices] == [f"tuned hi\n\n{REMINDER}"] * 2

    stream = client.chat.completions.with_raw_response.create(model=tuned, messages=turns(1), stream=True)
    chunks = list(stream.parse())

    assert stream.headers["x-understudy-policies"] == "audience, disclosure"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == f"tuned hi\n\n{REMINDER}"
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_answers_a_cry_for_help_itself(client, tuned, stream):
    answer = client.chat.completions.with_raw_response.create(
        model=tuned, messages=turns(1, "Princess, I want to die."), stream=stream
    )
    parsed = answer.parse()
    pieces = [c.choices[0].delta for c in parsed] if stream else [parsed.choices[0].message]
    text = "".join(piece.content or "" for piece in pieces)

    assert answer.headers["x-understudy-policies"] == "crisis"
    assert "116 123 in Britain. You do not have to be alone" in text
    assert "I am an AI" in text
    assert "tuned" not in text


def test_a_request_can_switch_them_off(client, tuned):
    reply, header = ask(client, tuned, turns(1, "I want to die."), extra_headers=OFF)

    assert reply.choices[0].message.content == "tuned I want to die."
    assert header is None


def test_base_models_and_jobs_without_policies_have_none(client):
    plain = train(client).fine_tuned_model
    for model in (plain, "gpt-4o-mini"):
        reply, header = ask(client, model, turns(1, "I want to die."))
        assert header is None
        assert reply.choices[0].message.content.endswith("I want to die.")


def test_are_shown_changed_and_switched_without_training(client):
    model = train(client, metadata=METADATA).fine_tuned_model
    path = f"/understudy/policies/{model}"
    shown = client.get(path, cast_to=object)
    assert shown == {
        "object": "understudy.policies", "model": model, "character": "Princess Ophelia",
        "disclosure_interval": 3, "audience": "minors", "crisis": "refer",
        "crisis_contacts": "116 123 in Britain.", "enabled": True,
    }  # fmt: skip

    changed = client.post(path, body={"disclosure_interval": 2, "audience": "general"}, cast_to=object)
    assert changed == shown | {"disclosure_interval": 2, "audience": "general"}
    assert ask(client, model, turns(3))[1] == "disclosure"

    client.post(path, body={"enabled": False}, cast_to=object)
    assert ask(client, model, turns(1, "I want to die."))[1] is None


def test_go_on_with_a_model_that_is_trained_further(client, tuned):
    model = train(client, model=tuned).fine_tuned_model
    other = train(client, model=tuned, metadata={"understudy_audience": "adults"}).fine_tuned_model

    assert client.get(f"/understudy/policies/{model}", cast_to=object)["disclosure_interval"] == 3
    assert client.get(f"/understudy/policies/{other}", cast_to=object)["disclosure_interval"] == 0


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"audience": "cats"}, "invalid_value", "audience"),
        ({"disclosure_interval": -1}, "integer_below_min_value", "disclosure_interval"),
        ({"disclosure_interval": "2"}, "invalid_type", "disclosure_interval"),
        ({"colour": "red"}, "unknown_parameter", "colour"),
    ],
)
def test_a_wrong_change_is_refused(client, tuned, body, code, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.post(f"/understudy/policies/{tuned}", body=body, cast_to=object)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_models_that_have_none_say_so(client):
    with pytest.raises(openai.BadRequestError, match="belong to tuned ones"):
        client.get("/understudy/policies/gpt-4o-mini", cast_to=object)
    with pytest.raises(openai.NotFoundError) as caught:
        client.get("/understudy/policies/ft:gpt-4o:me::nothere1", cast_to=object)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("understudy_disclosure_interval", "often"),
        ("understudy_disclosure_interval", "1001"),
        ("understudy_disclosure_interval", "9" * 500),
        ("understudy_audience", "cats"),
        ("understudy_crisis", "yes"),
    ],
)
def test_metadata_that_are_no_policy_are_refused_at_once(client, key, value):
    with pytest.raises(openai.BadRequestError) as caught:
        train(client, metadata={key: value})
    assert (caught.value.code, caught.value.param) == ("invalid_value", f"metadata.{key}")


def test_are_applied_in_batches_and_named_there(client, tuned):
    body = {"model": tuned, "messages": turns(1)}
    row = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    file = client.files.create(file=("a.jsonl", json.dumps(row).encode()), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=row["url"], completion_window="24h")

    text = client.files.content(wait_for_batch(client, batch.id).output_file_id).text

    assert json.loads(text)["response"]["body"]["understudy_policies"] == ["audience", "disclosure"]
    assert REMINDER in text


# --- the parts --------------------------------------------------------------------------------------


def test_the_model_is_told_of_children_once_and_never_reads_its_own_reminder():
    policies = DeployedPolicies("Ophelia", disclosure_interval=1, audience="minors")
    reminder = "(You are talking with an AI that plays Ophelia.)"
    system = {"role": "system", "content": "You are Ophelia."}
    said = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": f"b\n\n{reminder}"},
        {"role": "user", "content": "c"},
    ]

    told = direct(policies, [system, *said]).messages
    again = direct(policies, told).messages
    bare = direct(policies, said).messages

    assert told[0]["content"].startswith("You are Ophelia.\n\nYou talk with children.")
    assert told[2]["content"] == "b"
    assert again == told
    assert bare[0] == {"role": "system", "content": told[0]["content"].removeprefix("You are Ophelia.\n\n")}


@pytest.mark.parametrize("sentence", [s for row in crisis_words() for s in row["examples"]])
def test_knows_a_cry_for_help(sentence):
    assert speaks_of_crisis(sentence)
    assert speaks_of_crisis(sentence.upper().replace("'", "’"))


@pytest.mark.parametrize(
    "sentence",
    [
        "What does your dragon eat?", "I am dying to meet you!", "My phone died.", "How do I kill a process?",
        "I want to diet.", "Tell me of the dead king.", "I cut myself a slice of cake.", "Take my hand.",
        "The end of my life story was published.", "I could die laughing, almost.", "He hits the ball to me.",
        "I burned myself on the stove.",
    ],
)  # fmt: skip
def test_takes_ordinary_talk_for_what_it_is(sentence):
    assert not speaks_of_crisis(sentence)


def test_a_sheet_travels_as_metadata_and_comes_back():
    policies = Policies(
        disclosure_interval=20,
        audience="minors",
        crisis=Crisis(handling="refer", contacts="Call\n 988. " * 90),
    )
    character = Character(name="Mira", policies=policies)

    metadata = policy_metadata(character)

    assert policies_from_metadata(metadata) == policies_of(character)
    assert all(len(key) <= 64 and 0 < len(value) <= 512 for key, value in metadata.items())
    assert policies_from_metadata({"understudy_run": "x"}) is None


def test_the_command_shows_switches_and_updates(client, server, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from understudy.character import save_character
    from understudy.cli.app import app

    model = train(client, metadata=METADATA).fine_tuned_model
    sheet = Character(name="Ophelia", policies=Policies(disclosure_interval=7, audience="adults"))
    save_character(tmp_path / "character.yaml", sheet)
    run = tmp_path / "runs" / "20261124T000000000Z-abcdef"
    run.mkdir(parents=True)
    (run / "job.json").write_text(json.dumps({"fine_tuned_model": model}))
    monkeypatch.setenv("UNDERSTUDY_API_KEY", server.token)

    def command(*options):
        done = CliRunner().invoke(app, ["policies", str(tmp_path), "--provider", server.url, *options])
        assert done.exit_code == 0, done.output
        return done.stdout

    shown = command()
    assert f"Policies of {model}, applied by the server" in shown
    assert "in the first reply and every 3 replies" in shown
    assert "answered by the server with 116 123 in Britain." in shown
    assert "switched off by the server" in command("--off")
    assert ask(client, model, turns(1))[1] is None
    changed = json.loads(command("--on", "--update", "--json"))
    assert (changed["enabled"], changed["disclosure_interval"], changed["audience"]) == (True, 7, "adults")
    assert ask(client, model, turns(8))[1] == "disclosure"
