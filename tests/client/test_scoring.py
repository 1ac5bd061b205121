"""Scoring through the server's extension."""

import pytest

from understudy.client import connect, resolve_provider, score
from understudy.client.scoring import MessageScore
from understudy.errors import InferenceError


def test_scores_each_assistant_message(server):
    messages = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Sit, have tea"}]

    with connect() as client:
        assert score(client, "gpt-4o", messages) == [MessageScore(1, -4.5, 3, 13)]


def test_an_unknown_model_is_named(server):
    with connect() as client, pytest.raises(InferenceError, match="nothere"):
        score(client, "nothere", [{"role": "assistant", "content": "x"}])


def test_a_token_given_by_url_works_too(server):
    provider = resolve_provider(server.url, api_key=server.token)

    with connect(provider) as client:
        assert score(client, "gpt-4o", [{"role": "assistant", "content": "a b"}])[0].tokens == 2
