"""The contract's errors: each with its class in the official client, its type, code, param and message."""

import re

import openai
import pytest
from running_server import chat_lines, wait_for

MODEL = "gpt-4o-mini-2024-07-18"
CHAT, JOBS, BATCHES, SCORE = "/chat/completions", "/fine_tuning/jobs", "/batches", "/understudy/score"
USER = {"role": "user", "content": "hello"}
MISSING = object()
Bad, NotFound, Denied = openai.BadRequestError, openai.NotFoundError, openai.PermissionDeniedError


@pytest.fixture(scope="module")
def files(server):
    """A file of each purpose that matters."""
    with server.client() as client:
        return {
            "fine-tune": client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune").id,
            "batch": client.files.create(file=("b.jsonl", b'{"a": 1}\n'), purpose="batch").id,
            "user_data": client.files.create(file=("c.txt", b"hello"), purpose="user_data").id,
        }


def refused(kind, call):
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.request_id.startswith("req_")
    assert caught.value.body.keys() == {"message", "type", "param", "code"}
    assert caught.value.type == "invalid_request_error"
    return caught.value


def changed(body, change):
    return {key: value for key, value in (body | change).items() if value is not MISSING}


CHAT_FAULTS = [
    ({"model": MISSING}, Bad, None, None, "you must provide a model parameter"),
    ({"model": ""}, Bad, None, None, "you must provide a model parameter"),
    ({"model": 5}, Bad, "invalid_type", "model", "expected a string"),
    ({"model": "gpt-99"}, NotFound, "model_not_found", "model", "The model `gpt-99` does not exist"),
    ({"model": "ft:gpt-4o:me::AbCdEfGh"}, NotFound, "model_not_found", "model", "`ft:gpt-4o:me::AbCdEfGh`"),
    ({"model": "../../etc"}, NotFound, "model_not_found", "model", "does not exist"),
    (
        {"messages": MISSING},
        Bad,
        "missing_required_parameter",
        "messages",
        "Missing required parameter: 'messages'",
    ),
    ({"messages": []}, Bad, "empty_array", "messages", "Expected a minimum length 1, but got length 0"),
    ({"messages": None}, Bad, "invalid_type", "messages", "expected an array, but got null"),
    ({"messages": "hi"}, Bad, "invalid_type", "messages", "expected an array, but got a string"),
    ({"messages": {"role": "user"}}, Bad, "invalid_type", "messages", "expected an array, but got an object"),
    ({"messages": ["hi"]}, Bad, "invalid_type", "messages[0]", "expected an object, but got a string"),
    (
        {"messages": [{"content": "x"}]},
        Bad,
        "missing_required_parameter",
        "messages[0].role",
        "'messages[0].role'",
    ),
    (
        {"messages": [USER, {"role": "king", "content": "x"}]},
        Bad,
        "invalid_value",
        "messages[1].role",
        "Supported values are: 'developer', 'system', 'user', 'assistant', 'tool', 'function'",
    ),
    (
        {"messages": [{"role": 5, "content": "x"}]},
        Bad,
        "invalid_value",
        "messages[0].role",
        "Invalid value: '5'",
    ),
    ({"messages": [{"role": "user"}]}, Bad, "invalid_type", "messages[0]", "expected a string, got null"),
    (
        {"messages": [{"role": "user", "content": 5}]},
        Bad,
        "invalid_type",
        "messages[0].content",
        "a string or an array",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        Bad,
        "invalid_value",
        "messages[0].content",
        "reads text only",
    ),
    (
        {"messages": [{"role": "user", "content": [{"text": "x"}]}]},
        Bad,
        "missing_required_parameter",
        "messages[0].content",
        "content[0].type",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
        Bad,
        "invalid_type",
        "messages[0].content",
        "content[0].text",
    ),
    (
        {"messages": [USER | {"colour": 1}]},
        Bad,
        "unknown_parameter",
        "messages[0].colour",
        "Unknown parameter",
    ),
    ({"messages": [USER | {"name": 5}]}, Bad, "invalid_type", "messages[0].name", "expected a string"),
    ({"messages": [USER] * 4097}, Bad, "array_above_max_length", "messages", "maximum length 4096"),
    ({"colour": 1}, Bad, "unknown_parameter", "colour", "Unknown parameter: 'colour'"),
    ({"temperature": 2.1}, Bad, "decimal_above_max_value", "temperature", "<= 2, but got 2.1 instead"),
    ({"temperature": 3}, Bad, "decimal_above_max_value", "temperature", "decimal above maximum value"),
    ({"temperature": -1}, Bad, "decimal_below_min_value", "temperature", ">= 0, but got -1 instead"),
    ({"temperature": "hot"}, Bad, "invalid_type", "temperature", "expected a decimal, but got a string"),
    ({"temperature": True}, Bad, "invalid_type", "temperature", "expected a decimal, but got a boolean"),
    ({"top_p": 1.1}, Bad, "decimal_above_max_value", "top_p", "<= 1, but got 1.1"),
    ({"top_p": -0.1}, Bad, "decimal_below_min_value", "top_p", ">= 0, but got -0.1"),
    ({"n": 0}, Bad, "integer_below_min_value", "n", "integer below minimum value. Expected a value >= 1"),
    ({"n": 129}, Bad, "integer_above_max_value", "n", "<= 128, but got 129 instead"),
    ({"n": 1.5}, Bad, "invalid_type", "n", "expected an integer, but got a decimal"),
    ({"max_tokens": 0}, Bad, "integer_below_min_value", "max_tokens", ">= 1, but got 0"),
    (
        {"max_completion_tokens": 0},
        Bad,
        "integer_below_min_value",
        "max_completion_tokens",
        ">= 1, but got 0",
    ),
    ({"max_tokens": "many"}, Bad, "invalid_type", "max_tokens", "expected an integer, but got a string"),
    (
        {"max_tokens": 5, "max_completion_tokens": 5},
        Bad,
        "invalid_parameter_combination",
        "max_tokens",
        "at the same time is not supported",
    ),
    (
        {"stop": ["a", "b", "c", "d", "e"]},
        Bad,
        "array_above_max_length",
        "stop",
        "at most 4 items, but got 5",
    ),
    ({"stop": 5}, Bad, "invalid_type", "stop", "a string or an array of strings"),
    ({"stop": ["a", 5]}, Bad, "invalid_type", "stop", "a string or an array of strings"),
    ({"seed": 1.5}, Bad, "invalid_type", "seed", "expected an integer, but got a decimal"),
    ({"seed": 2**63}, Bad, "integer_above_max_value", "seed", "9223372036854775807"),
    ({"seed": -(2**63) - 1}, Bad, "integer_below_min_value", "seed", "-9223372036854775808"),
    ({"logprobs": "yes"}, Bad, "invalid_type", "logprobs", "expected a boolean, but got a string"),
    ({"top_logprobs": 3}, Bad, None, "top_logprobs", "only allowed when 'logprobs' is enabled"),
    (
        {"logprobs": True, "top_logprobs": 21},
        Bad,
        "integer_above_max_value",
        "top_logprobs",
        "<= 20, but got 21",
    ),
    (
        {"logprobs": True, "top_logprobs": -1},
        Bad,
        "integer_below_min_value",
        "top_logprobs",
        ">= 0, but got -1",
    ),
    ({"frequency_penalty": 2.5}, Bad, "decimal_above_max_value", "frequency_penalty", "<= 2, but got 2.5"),
    ({"frequency_penalty": -3}, Bad, "decimal_below_min_value", "frequency_penalty", ">= -2, but got -3"),
    ({"presence_penalty": 2.5}, Bad, "decimal_above_max_value", "presence_penalty", "<= 2, but got 2.5"),
    ({"presence_penalty": "x"}, Bad, "invalid_type", "presence_penalty", "expected a decimal"),
    ({"stream": "yes"}, Bad, "invalid_type", "stream", "expected a boolean"),
    ({"stream_options": {"include_usage": True}}, Bad, None, "stream_options", "only allowed when 'stream'"),
    (
        {"stream": True, "stream_options": {"colour": 1}},
        Bad,
        "unknown_parameter",
        "stream_options.colour",
        "Unknown",
    ),
    (
        {"stream": True, "stream_options": {"include_usage": 1}},
        Bad,
        "invalid_type",
        "stream_options.include_usage",
        "expected a boolean, but got an integer",
    ),
    (
        {"tools": [{"type": "function"}]},
        Bad,
        "unsupported_parameter",
        "tools",
        "does not support the parameter",
    ),
    (
        {"functions": [{"name": "f"}]},
        Bad,
        "unsupported_parameter",
        "functions",
        "does not support the parameter",
    ),
    ({"logit_bias": {"5": 1}}, Bad, "unsupported_parameter", "logit_bias", "does not support the parameter"),
    (
        {"response_format": {"type": "json_object"}},
        Bad,
        "unsupported_value",
        "response_format",
        "plain text only",
    ),
    (
        {"metadata": {str(i): "x" for i in range(17)}},
        Bad,
        "object_above_max_properties",
        "metadata",
        "at most 16, but got 17",
    ),
    ({"metadata": {"k": "x" * 513}}, Bad, "string_above_max_length", "metadata.k", "at most 512 characters"),
    (
        {"metadata": {"k" * 65: "x"}},
        Bad,
        "property_name_above_max_length",
        "metadata",
        "64 characters, but got 65",
    ),
    ({"metadata": {"k": 5}}, Bad, "invalid_type", "metadata.k", "expected a string, but got an integer"),
    ({"metadata": "x"}, Bad, "invalid_type", "metadata", "expected an object, but got a string"),
    ({"user": 5}, Bad, "invalid_type", "user", "expected a string"),
    (
        {"messages": [{"role": "user", "content": "FAKE_TOO_LONG"}]},
        Bad,
        "context_length_exceeded",
        "messages",
        "maximum context length is 512 tokens",
    ),
    # The order of checks: model, messages, unknown keys, values.
    ({"model": "gpt-99", "messages": []}, NotFound, "model_not_found", "model", "gpt-99"),
    ({"messages": [], "colour": 1, "n": 0}, Bad, "empty_array", "messages", "length"),
    ({"colour": 1, "n": 0}, Bad, "unknown_parameter", "colour", "Unknown"),
]


@pytest.mark.parametrize(("change", "kind", "code", "param", "words"), CHAT_FAULTS)
def test_chat_refuses(client, change, kind, code, param, words):
    body = changed({"model": MODEL, "messages": [USER]}, change)

    error = refused(kind, lambda: client.post(CHAT, body=body, cast_to=object))

    assert (error.code, error.param) == (code, param)
    assert words in error.message


SUPERVISED = {"type": "supervised"}
JOB_FAULTS = [
    ({"model": MISSING}, "missing_required_parameter", "model", "Missing required parameter: 'model'"),
    ({"training_file": MISSING}, "missing_required_parameter", "training_file", "'training_file'"),
    ({"model": 5}, "invalid_type", "model", "expected a string, but got an integer"),
    ({"model": "gpt-99"}, "model_not_available", "model", "The model `gpt-99` is not known here"),
    ({"model": "ft:gpt-4o:me::AbCdEfGh"}, "model_not_available", "model", "does not exist on this server"),
    ({"model": "/nowhere"}, "model_not_available", "model", "is not a model directory"),
    ({"training_file": "file-x"}, "invalid_training_file", "training_file", "'file-x' does not exist"),
    ({"validation_file": "file-x"}, "invalid_validation_file", "validation_file", "'file-x' does not exist"),
    ({"training_file": "user_data"}, "invalid_training_file", "training_file", "purpose 'user_data'"),
    ({"validation_file": "batch"}, "invalid_validation_file", "validation_file", "purpose 'batch'"),
    ({"suffix": ""}, "string_below_min_length", "suffix", "minimum length 1"),
    ({"suffix": "x" * 65}, "string_above_max_length", "suffix", "maximum length 64, but got length 65"),
    ({"suffix": 5}, "invalid_type", "suffix", "expected a string"),
    ({"seed": -1}, "integer_below_min_value", "seed", ">= 0, but got -1"),
    ({"seed": 2**31}, "integer_above_max_value", "seed", "<= 2147483647"),
    ({"seed": "x"}, "invalid_type", "seed", "expected an integer"),
    ({"colour": 1}, "unknown_parameter", "colour", "Unknown parameter: 'colour'"),
    (
        {"hyperparameters": {"n_epochs": 51}},
        "integer_above_max_value",
        "hyperparameters.n_epochs",
        "<= 50, but got 51",
    ),
    (
        {"hyperparameters": {"n_epochs": 0}},
        "integer_below_min_value",
        "hyperparameters.n_epochs",
        ">= 1, but got 0",
    ),
    (
        {"hyperparameters": {"n_epochs": 1.5}},
        "invalid_type",
        "hyperparameters.n_epochs",
        "'auto' or an integer",
    ),
    (
        {"hyperparameters": {"batch_size": 257}},
        "integer_above_max_value",
        "hyperparameters.batch_size",
        "<= 256",
    ),
    (
        {"hyperparameters": {"batch_size": "big"}},
        "invalid_type",
        "hyperparameters.batch_size",
        "'auto' or an integer",
    ),
    (
        {"hyperparameters": {"learning_rate_multiplier": 0}},
        "decimal_below_min_value",
        "hyperparameters.learning_rate_multiplier",
        "> 0, but got 0",
    ),
    ({"hyperparameters": {"colour": 1}}, "unknown_parameter", "hyperparameters.colour", "Unknown"),
    ({"hyperparameters": {"lora_rank": 0}}, "integer_below_min_value", "hyperparameters.lora_rank", ">= 1"),
    (
        {"hyperparameters": {"quantization": "8bit"}},
        "invalid_value",
        "hyperparameters.quantization",
        "'4bit'",
    ),
    ({"method": {}}, "missing_required_parameter", "method.type", "'method.type'"),
    ({"method": {"type": "magic"}}, "invalid_value", "method.type", "'supervised', 'dpo', 'reinforcement'"),
    (
        {"method": {"type": "reinforcement"}},
        "unsupported_value",
        "method.type",
        "'reinforcement' is not supported",
    ),
    (
        {"method": SUPERVISED | {"supervised": {"hyperparameters": {"n_epochs": 99}}}},
        "integer_above_max_value",
        "method.supervised.hyperparameters.n_epochs",
        "<= 50, but got 99",
    ),
    ({"metadata": {str(i): "x" for i in range(17)}}, "object_above_max_properties", "metadata", "at most 16"),
    (
        {"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]},
        "unsupported_value",
        "integrations",
        "sends nothing to other services",
    ),
    ({"integrations": [{}] * 6}, "array_above_max_length", "integrations", "maximum length 5"),
]


@pytest.mark.parametrize(("change", "code", "param", "words"), JOB_FAULTS)
def test_job_creation_refuses(client, files, change, code, param, words):
    body = changed({"model": MODEL, "training_file": "fine-tune"}, change)
    for key in ("training_file", "validation_file"):
        if body.get(key) in files:
            body[key] = files[body[key]]

    error = refused(Bad, lambda: client.post(JOBS, body=body, cast_to=object))

    assert (error.code, error.param) == (code, param)
    assert words in error.message


BATCH_FAULTS = [
    ({"input_file_id": MISSING}, "missing_required_parameter", "input_file_id", "'input_file_id'"),
    ({"endpoint": MISSING}, "missing_required_parameter", "endpoint", "'endpoint'"),
    (
        {"completion_window": MISSING},
        "missing_required_parameter",
        "completion_window",
        "'completion_window'",
    ),
    (
        {"endpoint": "/v1/embeddings"},
        "invalid_value",
        "endpoint",
        "'/v1/chat/completions', '/v1/understudy/score'",
    ),
    ({"completion_window": "1h"}, "invalid_value", "completion_window", "Supported values are: '24h'"),
    ({"input_file_id": "file-x"}, "invalid_input_file", "input_file_id", "'file-x' does not exist"),
    ({"input_file_id": "fine-tune"}, "invalid_input_file", "input_file_id", "purpose 'fine-tune'"),
    ({"input_file_id": 5}, "invalid_type", "input_file_id", "expected a string"),
    ({"metadata": {"k": "x" * 513}}, "string_above_max_length", "metadata.k", "at most 512 characters"),
    (
        {"output_expires_after": {"anchor": "now", "seconds": 3600}},
        "invalid_value",
        "output_expires_after.anchor",
        "'created_at'",
    ),
    (
        {"output_expires_after": {"anchor": "created_at", "seconds": 60}},
        "integer_below_min_value",
        "output_expires_after.seconds",
        ">= 3600, but got 60",
    ),
    ({"colour": 1}, "unknown_parameter", "colour", "Unknown parameter"),
]


@pytest.mark.parametrize(("change", "code", "param", "words"), BATCH_FAULTS)
def test_batch_creation_refuses(client, files, change, code, param, words):
    body = {"input_file_id": "batch", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    body = changed(body, change)
    if body.get("input_file_id") in files:
        body["input_file_id"] = files[body["input_file_id"]]

    error = refused(Bad, lambda: client.post(BATCHES, body=body, cast_to=object))

    assert (error.code, error.param) == (code, param)
    assert words in error.message


FILE_FAULTS = [
    ("a.json", b"{}", "fine-tune", {}, "invalid_file_format", "file", r"Only \.jsonl files"),
    ("a.txt", b"{}", "batch", {}, "invalid_file_format", "file", r"purpose 'batch'"),
    ("a.jsonl", b"", "fine-tune", {}, None, "file", "empty"),
    ("a.jsonl", b"\n \n", "fine-tune", {}, "invalid_jsonl_file", "file", "holds no line"),
    (
        "a.jsonl",
        b"{}\n{oops\n",
        "fine-tune",
        {},
        "invalid_jsonl_file",
        "file",
        r"Line 2 is not valid JSON.*'{oops'",
    ),
    ("a.jsonl", b"{}\n[]\n", "batch", {}, "invalid_jsonl_file", "file", "Line 2 is not a JSON object"),
    ("a.jsonl", b'{"a": "\xff"}\n', "fine-tune", {}, "invalid_jsonl_file", "file", "Line 1 is not UTF-8"),
    (
        "a.jsonl",
        b"{}\n",
        "training",
        {},
        "invalid_value",
        "purpose",
        "Supported values are: 'assistants', 'batch'",
    ),
    ("a.jsonl", b"{}\n", "", {}, "missing_required_parameter", "purpose", "'purpose' is a required property"),
    (
        "a.jsonl",
        b"{}\n",
        "batch",
        {"expires_after": {"anchor": "now", "seconds": 3600}},
        "invalid_value",
        "expires_after[anchor]",
        "'created_at'",
    ),
    (
        "a.jsonl",
        b"{}\n",
        "batch",
        {"expires_after": {"anchor": "created_at", "seconds": 3599}},
        "invalid_value",
        "expires_after[seconds]",
        "3600 to 2592000",
    ),
    (
        "a.jsonl",
        b"{}\n",
        "batch",
        {"expires_after": {"anchor": "created_at", "seconds": 2592001}},
        "invalid_value",
        "expires_after[seconds]",
        "3600 to 2592000",
    ),
]


@pytest.mark.parametrize(("name", "content", "purpose", "more", "code", "param", "words"), FILE_FAULTS)
def test_an_upload_refuses(client, name, content, purpose, more, code, param, words):
    error = refused(Bad, lambda: client.files.create(file=(name, content), purpose=purpose, **more))

    assert (error.code, error.param) == (code, param)
    assert re.search(words, error.message)


UNKNOWN = [
    (lambda c: c.files.retrieve("file-x"), None, "id", "No such File object: file-x"),
    (lambda c: c.files.content("file-x"), None, "id", "No such File object: file-x"),
    (lambda c: c.files.delete("file-x"), None, "id", "No such File object: file-x"),
    (lambda c: c.fine_tuning.jobs.retrieve("ftjob-x"), "fine_tune_not_found", "fine_tune_id", "ftjob-x"),
    (lambda c: c.fine_tuning.jobs.cancel("ftjob-x"), "fine_tune_not_found", "fine_tune_id", "ftjob-x"),
    (lambda c: c.fine_tuning.jobs.pause("ftjob-x"), "fine_tune_not_found", "fine_tune_id", "ftjob-x"),
    (lambda c: c.fine_tuning.jobs.resume("ftjob-x"), "fine_tune_not_found", "fine_tune_id", "ftjob-x"),
    (lambda c: c.fine_tuning.jobs.list_events("ftjob-x"), "fine_tune_not_found", "fine_tune_id", "ftjob-x"),
    (
        lambda c: c.fine_tuning.jobs.checkpoints.list("ftjob-x"),
        "fine_tune_not_found",
        "fine_tune_id",
        "ftjob-x",
    ),
    (lambda c: c.models.retrieve("ft:gpt-4o:me::x"), "model_not_found", "model", "`ft:gpt-4o:me::x`"),
    (lambda c: c.models.retrieve("nothere"), "model_not_found", "model", "`nothere` does not exist"),
    (lambda c: c.models.delete("ft:gpt-4o:me::x"), "model_not_found", "model", "`ft:gpt-4o:me::x`"),
    (lambda c: c.batches.retrieve("batch_x"), None, "batch_id", "No batch found with id 'batch_x'"),
    (lambda c: c.batches.cancel("batch_x"), None, "batch_id", "No batch found with id 'batch_x'"),
    (lambda c: c.embeddings.create(model="x", input="y"), None, None, r"Invalid URL \(POST /v1/embeddings\)"),
    (lambda c: c.moderations.create(input="y"), None, None, r"Invalid URL \(POST /v1/moderations\)"),
]


@pytest.mark.parametrize(("call", "code", "param", "words"), UNKNOWN)
def test_what_is_not_there_is_404(client, call, code, param, words):
    error = refused(NotFound, lambda: call(client))

    assert (error.code, error.param) == (code, param)
    assert re.search(words, error.message)


LISTS = [
    (lambda c, **o: c.files.list(**o), 10_000),
    (lambda c, **o: c.fine_tuning.jobs.list(**o), 1000),
    (lambda c, **o: c.batches.list(**o), 100),
]


@pytest.mark.parametrize(("ask", "most"), LISTS)
def test_lists_refuse_wrong_limits_and_cursors(client, ask, most):
    for limit, code, words in (
        (0, "integer_below_min_value", "integer below minimum value. Expected a value >= 1, but got 0"),
        (most + 1, "integer_above_max_value", f"<= {most}, but got {most + 1} instead"),
        ("many", "invalid_type", "expected an integer, but got 'many' instead"),
    ):
        error = refused(Bad, lambda limit=limit: ask(client, limit=limit))
        assert (error.code, error.param) == (code, "limit")
        assert words in error.message
    error = refused(Bad, lambda: ask(client, after="nothing-x"))
    assert (error.code, error.param) == (None, "after")
    assert "'nothing-x' to continue after" in error.message


def test_a_cursor_of_another_job_is_no_cursor(client, files):
    def job():
        numbers = {"n_epochs": 1, "batch_size": 12}
        made = client.fine_tuning.jobs.create(
            model=MODEL, training_file=files["fine-tune"], hyperparameters=numbers
        )
        return wait_for(client, made.id)

    one, two = job(), job()
    event = client.fine_tuning.jobs.list_events(one.id).data[-1]

    error = refused(Bad, lambda: client.fine_tuning.jobs.list_events(two.id, after=event.id))

    assert (error.code, error.param) == (None, "after")
    ended = refused(Bad, lambda: client.fine_tuning.jobs.cancel(one.id))
    assert (ended.code, ended.param) == ("invalid_state", "fine_tuning_job_id")
    assert "its status is succeeded" in ended.message
    assert ended.response.headers["x-should-retry"] == "false"


def test_files_refuse_an_unknown_order(client):
    error = refused(Bad, lambda: client.files.list(order="up"))
    assert (error.code, error.param) == ("invalid_value", "order")
    assert "'asc' or 'desc'" in error.message


def test_base_models_are_not_deleted(client, server):
    error = refused(Denied, lambda: client.models.delete(str(server.base)))
    assert (error.code, error.param) == (None, "model")
    assert "is a base model and cannot be deleted" in error.message


def test_a_wrong_key_is_401(server):
    with server.client(api_key="sk-wrong") as client:
        error = refused(openai.AuthenticationError, client.models.list)
    assert (error.code, error.param) == ("invalid_api_key", None)
    assert "Incorrect API key provided" in error.message


SCORE_FAULTS = [
    ({"model": MISSING}, Bad, None, None, "you must provide a model parameter"),
    ({"model": "gpt-99"}, NotFound, "model_not_found", "model", "gpt-99"),
    ({"messages": [USER]}, Bad, "invalid_value", "messages", "no assistant message to score"),
    ({"messages": []}, Bad, "empty_array", "messages", "length"),
    ({"temperature": 1}, Bad, "unknown_parameter", "temperature", "Unknown parameter"),
]


@pytest.mark.parametrize(("change", "kind", "code", "param", "words"), SCORE_FAULTS)
def test_scoring_refuses(client, change, kind, code, param, words):
    body = {"model": MODEL, "messages": [USER, {"role": "assistant", "content": "yes"}]}

    error = refused(kind, lambda: client.post(SCORE, body=changed(body, change), cast_to=object))

    assert (error.code, error.param) == (code, param)
    assert words in error.message
