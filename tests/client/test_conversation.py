"""A conversation and the chat command, against a real server with a small inference process."""

import json
from collections.abc import Iterator

import openai
import pytest
from typer.testing import CliRunner

from understudy.cli.app import app
from understudy.client.conversation import Conversation
from understudy.errors import ConfigError, InferenceError


@pytest.fixture
def conversation(server) -> Iterator[Conversation]:
    with server.client() as client:
        yield Conversation(client, "tiny-base", system_prompt="You are Iroh.")


@pytest.fixture
def model(server) -> str:
    with server.client() as client:
        return next(m.id for m in client.models.list() if not m.id.startswith("ft:"))


def test_replies_stream_and_become_history(conversation, model):
    conversation.model = model
    pieces = list(conversation.reply("Good morning to you"))
    assert len(pieces) > 1
    assert conversation.history == [
        {"role": "user", "content": "Good morning to you"},
        {"role": "assistant", "content": "".join(pieces)},
    ]


def test_a_reply_that_breaks_off_leaves_the_history_as_it_was(conversation, model):
    conversation.model = model
    list(conversation.reply("Hello"))
    before = list(conversation.history)
    with pytest.raises(InferenceError, match="broke off"):
        list(conversation.reply("FAKE_BREAK"))
    assert conversation.history == before


def test_the_oldest_turns_leave_when_the_context_is_full(conversation, model):
    conversation.model = model
    list(conversation.reply("first"))
    list(conversation.reply("second"))
    conversation.client = Crowded(conversation.client, most_messages=4)
    list(conversation.reply("third"))
    assert conversation.forgotten == 2
    assert [m["content"] for m in conversation.history if m["role"] == "user"] == ["second", "third"]


def test_one_message_that_is_too_long_says_so_and_is_taken_back(conversation, model):
    conversation.model = model
    with pytest.raises(InferenceError, match="maximum context length"):
        list(conversation.reply("FAKE_TOO_LONG"))
    assert conversation.history == []


class Crowded:
    """The same server as if its context held a few messages only."""

    def __init__(self, client: openai.OpenAI, most_messages: int) -> None:
        self.chat = self.completions = self
        self._client, self._most = client, most_messages

    def create(self, messages: list, **options):
        if len(messages) > self._most:
            messages = [*messages[:-1], {"role": "user", "content": "FAKE_TOO_LONG"}]
        return self._client.chat.completions.create(messages=messages, **options)


def test_chat_answers_one_question(server, folder, model):
    ended = CliRunner().invoke(app, ["chat", str(folder.root), "--model", model, "--say", "hello there"])
    assert ended.exit_code == 0, ended.output
    assert ended.stdout == "base hello there\n"


def test_chat_reads_lines_and_greets(server, folder, model):
    sheet = "name: Iroh\ngreeting: Welcome to the tea shop.\n"
    folder.character.write_text(sheet)
    typed = "one cup\n/again\nanother\n/exit\nnever read\n"
    ended = CliRunner().invoke(app, ["chat", str(folder.root), "--model", model], input=typed)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.splitlines() == [
        "Iroh: Welcome to the tea shop.",
        "Iroh: base one cup",
        "Iroh: Welcome to the tea shop.",
        "Iroh: base another",
    ]


def test_chat_without_a_trained_model_says_how_to_get_one(server, folder):
    ended = CliRunner().invoke(app, ["chat", str(folder.root)])
    assert isinstance(ended.exception, ConfigError)
    assert f"understudy train {folder.root}" in str(ended.exception)


def test_chat_with_an_unknown_run_names_those_that_exist(server, folder):
    folder.run("7").mkdir(parents=True)
    ended = CliRunner().invoke(app, ["chat", str(folder.root), "--run", "8"])
    assert isinstance(ended.exception, ConfigError)
    assert "there is no such run. Runs of this character: 7." in str(ended.exception)
    ended = CliRunner().invoke(app, ["chat", str(folder.root), "--run", "7"])
    assert "has no trained model yet" in str(ended.exception)


def test_chat_takes_the_newest_run_that_has_a_model(server, folder, model):
    for run, job in (("1", {"fine_tuned_model": model}), ("2", {"fine_tuned_model": None})):
        folder.run(run).mkdir(parents=True)
        (folder.run(run) / "job.json").write_text(json.dumps(job))
    ended = CliRunner().invoke(app, ["chat", str(folder.root), "--say", "hi"])
    assert ended.stdout == "base hi\n"
