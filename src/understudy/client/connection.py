"""Connection: the official openai client, pointed at a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from understudy.client.provider import LOCAL, Provider

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

__all__ = ["connect", "connect_async"]

CONNECT_SECONDS = 10.0
REPLY_SECONDS = 600.0


def connect(provider: Provider | None = None) -> OpenAI:
    """A client of ``provider``; without one, of the server on this machine, started if need be.

    Raises:
        MissingExtraError: The local server is not installed.
        ServerError: It could not be started.
    """
    import openai

    options = _options(provider)
    if _is_plain_loopback(options["base_url"]):
        # A proxy of the environment must not see what stays on this machine.
        options["http_client"] = openai.DefaultHttpxClient(trust_env=False)
    return openai.OpenAI(**options)


def connect_async(provider: Provider | None = None) -> AsyncOpenAI:
    """``connect`` for asyncio."""
    import openai

    options = _options(provider)
    if _is_plain_loopback(options["base_url"]):
        options["http_client"] = openai.DefaultAsyncHttpxClient(trust_env=False)
    return openai.AsyncOpenAI(**options)


def _options(provider: Provider | None) -> dict[str, Any]:
    from openai import Timeout

    base_url, key = _address(provider)
    extra = provider.dialect.key_header if provider is not None else ""
    return {
        "default_headers": {extra: key} if extra else None,
        "base_url": base_url,
        "api_key": key,
        "timeout": Timeout(REPLY_SECONDS, connect=CONNECT_SECONDS),
        "max_retries": 3,
    }


def _address(provider: Provider | None) -> tuple[str, str]:
    if provider is not None and provider.name != LOCAL:
        return provider.base_url, provider.api_key.reveal()
    from understudy.client.embedded import ensure_server

    server = ensure_server()
    return server.base_url, server.token.reveal() if server.token else "none"


def _is_plain_loopback(base_url: str) -> bool:
    return base_url.startswith(("http://127.", "http://localhost", "http://[::1]"))
