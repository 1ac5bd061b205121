"""Chat: whole and streamed, the order of chunks, faults before and in the stream."""

import json
import time
import urllib.request

import openai
import pytest

MODEL = "gpt-4o-mini"


def ask(client, text="hello there", **options):
    options = {"model": MODEL, "messages": [{"role": "user", "content": text}]} | options
    return client.chat.completions.create(**options)


def raw(server, body: dict, path="/chat/completions"):
    """The bare bytes, as no client library shows them."""
    request = urllib.request.Request(
        server.url + path, json.dumps(body).encode(),
        {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.headers, answer.read().decode()


def test_answers_in_the_shape_of_a_completion(client):
    reply = ask(client)

    assert reply.object == "chat.completion"
    assert reply.id.startswith("chatcmpl-")
    assert reply.model == MODEL
    assert reply.choices[0].message.content == "base hello there"
    assert reply.choices[0].finish_reason == "stop"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (7, 3, 10)
    assert reply.usage.prompt_tokens_details.cached_tokens == 0


def test_stops_at_the_token_limit(client):
    for name in ("max_tokens", "max_completion_tokens"):
        reply = ask(client, **{name: 2})
        assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("base hello", "length")


def test_gives_several_choices(client):
    reply = ask(client, n=3)

    assert [c.index for c in reply.choices] == [0, 1, 2]
    assert {c.message.content for c in reply.choices} == {"base hello there"}
    assert reply.usage.completion_tokens == 9


def test_gives_log_probabilities_when_asked(client):
    with_them = ask(client, logprobs=True, top_logprobs=2).choices[0].logprobs

    assert [t.token for t in with_them.content] == ["base", " hello", " there"]
    assert ask(client).choices[0].logprobs is None


def test_joins_text_parts_and_takes_developer_messages(client):
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]

    assert ask(client, messages=messages).choices[0].message.content == "base one two"


def test_streams_in_the_order_of_the_contract(server):
    body = {"model": MODEL, "messages": [{"role": "user", "content": "a b"}], "stream": True}
    headers, text = raw(server, body | {"stream_options": {"include_usage": True}})

    assert headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    assert len({(c["id"], c["created"], c["model"], c["object"]) for c in chunks}) == 1
    deltas = [c["choices"][0]["delta"] for c in chunks[:-1]]
    assert (deltas[0]["role"], deltas[0]["content"]) == ("assistant", "")
    assert [d["content"] for d in deltas[1:-1]] == ["base", " a", " b"]
    assert deltas[-1] == {}
    assert [c["choices"][0]["finish_reason"] for c in chunks[:-1]] == [None] * 4 + ["stop"]
    assert all(c["usage"] is None for c in chunks[:-1])
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 10


def test_streams_no_usage_unless_asked(client):
    chunks = list(ask(client, stream=True))

    assert all(c.choices for c in chunks)
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "base hello there"


def test_interleaves_choices_of_a_stream_by_index(client):
    texts = {0: "", 1: ""}
    for chunk in ask(client, stream=True, n=2):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""

    assert texts == {0: "base hello there", 1: "base hello there"}


def test_a_fault_in_mid_stream_raises_in_the_client(client):
    stream = ask(client, "FAKE_BREAK", stream=True)

    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "half a"]
    with pytest.raises(openai.APIError, match="device went away"):
        next(stream)


def test_a_prompt_that_is_too_long_is_an_ordinary_error_also_for_streams(client):
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, "FAKE_TOO_LONG", stream=stream)
        assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
        assert "512" in caught.value.message


def test_a_dead_process_is_an_error_once_and_replaced(client):
    with pytest.raises(openai.InternalServerError, match="inference process ended"):
        ask(client, "FAKE_CRASH now")

    assert ask(client).choices[0].message.content == "base hello there"


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_cancels_its_request(server, stream):
    cancelled = server.home / "cancelled.txt"
    before = len(cancelled.read_text().split()) if cancelled.exists() else 0
    with server.client(timeout=0.5) as client:
        if stream:
            answer = ask(client, "FAKE_SLOW " * 50, stream=True)
            next(iter(answer))
            answer.close()
        else:
            with pytest.raises(openai.APITimeoutError):
                ask(client, "FAKE_SLOW " * 50)

    end = time.monotonic() + 5
    while not cancelled.exists() or len(cancelled.read_text().split()) == before:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_many_requests_share_one_process(server):
    from concurrent.futures import ThreadPoolExecutor

    with server.client() as client, ThreadPoolExecutor(8) as pool:
        texts = pool.map(lambda i: ask(client, f"number {i}").choices[0].message.content, range(24))

        assert list(texts) == [f"base number {i}" for i in range(24)]


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"model": None}, 400, None, None),
        ({"model": ""}, 400, None, None),
        ({"model": "gpt-99"}, 404, "model_not_found", "model"),
        ({"model": "ft:gpt-4o-mini:me::nothere1"}, 404, "model_not_found", "model"),
        ({"messages": None}, 400, "invalid_type", "messages"),
        ({"messages": []}, 400, "empty_array", "messages"),
        ({"messages": "hello"}, 400, "invalid_type", "messages"),
        ({"messages": ["hello"]}, 400, "invalid_type", "messages[0]"),
        ({"messages": [{"content": "x"}]}, 400, "missing_required_parameter", "messages[0].role"),
        ({"messages": [{"role": "king", "content": "x"}]}, 400, "invalid_value", "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, 400, "invalid_type", "messages[0].content"),
        ({"messages": [{"role": "user", "content": "x", "y": 1}]}, 400, "unknown_parameter", "messages[0].y"),
        ({"colour": "red"}, 400, "unknown_parameter", "colour"),
        ({"colour": "red", "messages": []}, 400, "empty_array", "messages"),
        ({"colour": "red", "temperature": 9}, 400, "unknown_parameter", "colour"),
        ({"temperature": 2.5}, 400, "decimal_above_max_value", "temperature"),
        ({"temperature": -0.5}, 400, "decimal_below_min_value", "temperature"),
        ({"temperature": "hot"}, 400, "invalid_type", "temperature"),
        ({"top_p": 1.5}, 400, "decimal_above_max_value", "top_p"),
        ({"n": 0}, 400, "integer_below_min_value", "n"),
        ({"n": 129}, 400, "integer_above_max_value", "n"),
        ({"n": 1.5}, 400, "invalid_type", "n"),
        ({"max_tokens": 0}, 400, "integer_below_min_value", "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, 400, "invalid_parameter_combination", "max_tokens"),
        ({"stop": ["a"] * 5}, 400, "array_above_max_length", "stop"),
        ({"stop": 5}, 400, "invalid_type", "stop"),
        ({"top_logprobs": 3}, 400, None, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "integer_above_max_value", "top_logprobs"),
        ({"frequency_penalty": 3}, 400, "decimal_above_max_value", "frequency_penalty"),
        ({"presence_penalty": -2.5}, 400, "decimal_below_min_value", "presence_penalty"),
        ({"stream_options": {"include_usage": True}}, 400, None, "stream_options"),
        ({"stream": True, "stream_options": {"x": 1}}, 400, "unknown_parameter", "stream_options.x"),
        ({"tools": [{"type": "function"}]}, 400, "unsupported_parameter", "tools"),
        ({"response_format": {"type": "json_object"}}, 400, "unsupported_value", "response_format"),
    ],
)
def test_refuses_faults_with_code_and_place(server, change, status, code, param):
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]} | change
    with pytest.raises(urllib.error.HTTPError) as caught:
        raw(server, {key: value for key, value in body.items() if key != "model" or value is not None})

    error = json.loads(caught.value.read())["error"]
    assert (caught.value.code, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"
    assert caught.value.headers["x-request-id"].startswith("req_")
    caught.value.close()


def test_names_a_missing_list_of_messages(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        raw(server, {"model": MODEL})

    assert json.loads(caught.value.read())["error"]["code"] == "missing_required_parameter"
    caught.value.close()


def test_accepts_and_ignores_what_has_no_effect_here(client):
    reply = ask(client, user="me", metadata={"a": "b"}, store=False, service_tier="auto", seed=3, tools=[])

    assert reply.choices[0].message.content == "base hello there"


def test_scores_given_replies(server):
    messages = [
        {"role": "assistant", "content": "Welcome in"},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Sit, have tea"},
    ]

    _, text = raw(server, {"model": MODEL, "messages": messages}, "/understudy/score")

    answer = json.loads(text)
    assert answer["object"] == "understudy.score"
    assert answer["messages"] == [
        {"index": 0, "logprob": -3.0, "tokens": 2, "bytes": 10},
        {"index": 2, "logprob": -4.5, "tokens": 3, "bytes": 13},
    ]
