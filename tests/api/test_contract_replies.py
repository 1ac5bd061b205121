"""The contract's chat completions, from a real model: seeds, stops, probabilities, penalties, streams."""

import json
import math
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from running_server import wait_for_batch

MODEL = "understudy/mini"
SYSTEM = {"role": "system", "content": "You are Princess Ophelia of Lanternhill, and you love the sea. " * 3}
ASKED = [SYSTEM, {"role": "user", "content": "Tell me about the sea, and then about the moon."}]


@pytest.fixture(scope="module")
def talk(real):
    """``talk(seed=3)`` asks for a short reply; the same server for all."""
    with real.client(timeout=120) as client:

        def ask(messages=None, **options):
            usual = {"model": MODEL, "messages": messages or ASKED, "max_tokens": 24, "seed": 5}
            return client.chat.completions.create(**(usual | options))

        yield ask


def text_of(reply, index=0):
    return reply.choices[index].message.content


def joined(stream, index=0):
    chunks = [c for c in stream if c.choices and c.choices[0].index == index]
    return "".join(c.choices[0].delta.content or "" for c in chunks), chunks


def test_a_seed_gives_the_same_text_whatever_is_generated_beside_it(talk):
    alone = [text_of(talk(seed=seed, temperature=1.0)) for seed in range(6)]

    def crowd(number):
        messages = [{"role": "user", "content": f"Say {'so ' * (number % 7)}something about {number}."}]
        return talk(messages, seed=None, temperature=1.1, max_tokens=8 + number % 20)

    with ThreadPoolExecutor(18) as pool:
        beside = [pool.submit(crowd, number) for number in range(6)]
        together = [pool.submit(talk, seed=seed, temperature=1.0) for seed in range(6)]
        beside += [pool.submit(crowd, number) for number in range(6, 12)]
        assert [text_of(future.result()) for future in together] == alone
        assert all(text_of(future.result()) is not None for future in beside)
    assert len(set(alone)) > 3


def test_a_batch_gives_the_text_that_the_same_request_gives_alone(real, talk):
    bodies = [{"model": MODEL, "messages": ASKED, "seed": seed, "max_tokens": 16} for seed in range(8)]
    rows = [
        {"custom_id": str(n), "method": "POST", "url": "/v1/chat/completions", "body": body}
        for n, body in enumerate(bodies)
    ]
    with real.client(timeout=120) as client:
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        file = client.files.create(file=("a.jsonl", lines), purpose="batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        done = wait_for_batch(client, batch.id, seconds=60)
        answers = map(json.loads, client.files.content(done.output_file_id).text.splitlines())
        found = {row["custom_id"]: row["response"]["body"] for row in answers}

    for number in (0, 3, 7):
        alone = talk(seed=number, max_tokens=16)
        assert found[str(number)]["choices"][0]["message"]["content"] == text_of(alone)
        assert found[str(number)]["usage"]["completion_tokens"] == alone.usage.completion_tokens


def test_choices_of_one_request_differ_and_repeat_with_the_seed(talk):
    first, again = talk(n=3), talk(n=3)

    texts = [text_of(first, index) for index in range(3)]
    assert [choice.index for choice in first.choices] == [0, 1, 2]
    assert len(set(texts)) > 1
    assert texts == [text_of(again, index) for index in range(3)]


def test_temperature_zero_and_a_tiny_nucleus_are_greedy(talk):
    greedy = text_of(talk(temperature=0, seed=None))

    assert text_of(talk(temperature=0, seed=1)) == greedy
    assert text_of(talk(temperature=2, top_p=0, seed=2)) == greedy
    assert text_of(talk(temperature=1, top_p=1e-9, seed=3)) == greedy


def test_a_stop_string_ends_the_text_before_it_also_across_tokens(talk):
    whole = text_of(talk(temperature=0, max_tokens=40))
    middle = len(whole) // 2
    stop = whole[middle : middle + 5]

    reply = talk(temperature=0, max_tokens=40, stop=[stop, "never this"])
    text, chunks = joined(talk(temperature=0, max_tokens=40, stop=stop, stream=True))

    assert text_of(reply) == text == whole[: whole.index(stop)]
    assert reply.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == "stop"


def test_a_limit_ends_with_length_and_is_counted(talk):
    for name in ("max_tokens", "max_completion_tokens"):
        reply = talk(**({"max_tokens": openai.omit} | {name: 3}))
        assert reply.choices[0].finish_reason == "length"
        assert reply.usage.completion_tokens == 3
        assert reply.usage.total_tokens == reply.usage.prompt_tokens + 3


def test_probabilities_belong_to_the_text_and_are_in_order(talk):
    reply = talk(logprobs=True, top_logprobs=4, temperature=0)

    notes = reply.choices[0].logprobs.content
    assert b"".join(bytes(note.bytes) for note in notes).decode().strip() == text_of(reply).strip()
    assert len(notes) == reply.usage.completion_tokens
    for note in notes:
        values = [other.logprob for other in note.top_logprobs]
        assert len(values) == 4
        assert values == sorted(values, reverse=True)
        assert note.token == note.top_logprobs[0].token  # Greedy takes the likeliest.
        assert math.fsum(math.exp(value) for value in values) < 1.0001
    assert reply.choices[0].logprobs.refusal is None


def test_penalties_make_repetition_rarer(talk):
    asked = [
        [{"role": "user", "content": text}]
        for text in (
            "Tell me a story.",
            "Say: red red red blue blue red!",
            "What is a lake?",
            "Why, why, why?",
        )
    ]

    def repeated(**options):
        replies = [text_of(talk(messages, temperature=0, max_tokens=60, **options)) for messages in asked]
        words = [reply.lower().split() for reply in replies]
        return sum(len(reply) - len(set(reply)) for reply in words)

    assert repeated(frequency_penalty=2.0, presence_penalty=2.0) < repeated()


def test_a_stream_carries_the_same_text_and_the_same_usage(talk):
    whole = talk(temperature=1.0, seed=8)
    chunks = list(talk(temperature=1.0, seed=8, stream=True, stream_options={"include_usage": True}))

    text, _ = joined(chunks)
    assert text == text_of(whole)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_no_chunk_ends_inside_a_character(talk):
    messages = [{"role": "user", "content": "naïve – 🙂 ¿qué? 海"}]
    chunks = list(talk(messages, temperature=2.0, seed=1, max_tokens=60, stream=True))

    text, parts = joined(chunks)
    assert "".join(c.choices[0].delta.content or "" for c in parts) == text
    assert text == text_of(talk(messages, temperature=2.0, seed=1, max_tokens=60))


def test_a_prompt_beyond_the_context_tells_limit_and_size(talk):
    long = [{"role": "user", "content": "tea " * 9000}]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            talk(long, stream=stream)
        assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "messages")
        assert "maximum context length is" in caught.value.message
        assert "your messages resulted in" in caught.value.message


def test_a_developer_message_stands_where_the_system_message_stands(talk):
    developer = [SYSTEM | {"role": "developer"}, ASKED[1]]

    assert text_of(talk(developer, temperature=0)) == text_of(talk(temperature=0))


def test_scores_are_per_message_and_per_byte(real):
    said = [*ASKED, {"role": "assistant", "content": "The sea is wide – naïve."}, ASKED[1]]
    said.append({"role": "assistant", "content": "xq zzv kkw."})
    with real.client(timeout=120) as client:
        answer = client.post("/understudy/score", body={"model": MODEL, "messages": said}, cast_to=object)

    likely, odd = answer["messages"]
    assert (likely["index"], odd["index"]) == (2, 4)
    assert likely["bytes"] == len("The sea is wide – naïve.".encode())
    assert likely["logprob"] / likely["bytes"] > odd["logprob"] / odd["bytes"]
    assert likely["tokens"] > 3
