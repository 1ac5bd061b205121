"""Provider: what the environment may and may not do."""

import pytest

from understudy.client import resolve_provider
from understudy.errors import ConfigError

KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "UNDERSTUDY_API_KEY")


@pytest.fixture(autouse=True)
def tempting_environment(monkeypatch):
    """Keys and addresses lie about, as on many machines."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1")
    monkeypatch.delenv("UNDERSTUDY_API_KEY", raising=False)


def test_nothing_named_stays_on_this_machine():
    for name in (None, "local"):
        provider = resolve_provider(name)
        assert (provider.name, provider.base_url, provider.api_key.reveal(), provider.paid) == (
            "local",
            "",
            "",
            False,
        )


def test_connecting_without_a_name_reaches_the_local_server(server):
    from understudy.client import connect

    with connect() as client:
        assert str(client.base_url).startswith("http://127.0.0.1:")
        assert client.api_key == server.token
        assert client.models.list().data


def test_openai_is_used_only_where_it_is_named():
    with pytest.raises(ConfigError, match="may cost money"):
        resolve_provider("openai")

    provider = resolve_provider("openai", allow_paid=True)

    assert (provider.base_url, provider.api_key.reveal(), provider.paid) == (
        "https://api.openai.com/v1",
        "sk-canary",
        True,
    )


def test_openai_without_a_key_says_which_to_set(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")

    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        resolve_provider("openai", allow_paid=True)


def test_a_server_by_url_gets_its_own_key_and_never_openais(monkeypatch):
    assert resolve_provider("http://127.0.0.1:8000/v1").api_key.reveal() == "none"
    monkeypatch.setenv("UNDERSTUDY_API_KEY", "for-mine")
    assert resolve_provider("http://127.0.0.1:8000/v1/").base_url == "http://127.0.0.1:8000/v1"
    assert resolve_provider("http://127.0.0.1:8000/v1").api_key.reveal() == "for-mine"
    assert resolve_provider("http://127.0.0.1:8000/v1", api_key="given").api_key.reveal() == "given"


@pytest.mark.parametrize(
    ("url", "paid"),
    [
        ("http://127.0.0.1:1/v1", False),
        ("http://localhost:1/v1", False),
        ("http://[::1]:1/v1", False),
        ("http://192.168.1.5:1/v1", True),
        ("https://localhost.example.com/v1", True),
    ],
)
def test_whatever_leaves_the_machine_may_cost(url, paid):
    assert resolve_provider(url, allow_paid=True).paid is paid


@pytest.mark.parametrize("name", ["opneai", "ftp://x/v1", "http://", "http://[::1", "http://key@host/v1", ""])
def test_refuses_what_is_no_provider(name):
    with pytest.raises(ConfigError):
        resolve_provider(name, allow_paid=True)


def test_shows_no_key():
    assert "sk-canary" not in repr(resolve_provider("openai", allow_paid=True))
