"""Provider: whose API is called, with which key, and whether it costs money."""

import ipaddress
import os
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from understudy.client.dialect import OTHER, Dialect, dialect_of, dialects
from understudy.errors import ConfigError
from understudy.secret import Secret

__all__ = ["LOCAL", "OPENAI_URL", "Provider", "resolve_provider"]

LOCAL = "local"
OPENAI_URL = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Provider:
    """An API of OpenAI's shape.

    Attributes:
        name: ``local``, ``openai``, or the host of the address.
        base_url: Empty for ``local``: the server on this machine is found or started on connecting.
        api_key: Empty for ``local``; never shown.
        dialect: How the server differs from OpenAI, and what it supports.
        paid: Whether a call may cost money: true for every server outside this machine.
    """

    name: str
    base_url: str
    api_key: Secret
    paid: bool
    dialect: Dialect = OTHER

    def __repr__(self) -> str:
        return f"Provider(name={self.name!r}, base_url={self.base_url!r}, paid={self.paid})"


def resolve_provider(
    name_or_url: str | None = None, *, allow_paid: bool = False, api_key: str | None = None
) -> Provider:
    """Say whom a setting means.

    ``None`` is the server on this machine, whatever keys and addresses the environment holds:
    OPENAI_API_KEY and OPENAI_BASE_URL never spend money by themselves.

    Args:
        name_or_url: ``None`` or ``local``; a name of ``providers.yaml``; the base URL of another
            server; or both, ``azure=https://gateway.example/v1``, for a server that speaks like one.
        allow_paid: That the caller's user named the provider, by flag or in the character's settings.
        api_key: Key of a server given by URL; otherwise UNDERSTUDY_API_KEY is used.

    Raises:
        ConfigError: The name is unknown, the key is missing, or the provider is paid and
            ``allow_paid`` is false.
    """
    if name_or_url is None or name_or_url == LOCAL:
        return Provider(LOCAL, "", Secret(""), paid=False)
    name, given, url = name_or_url.partition("=")
    if given and name in dialects():
        provider = _from_url(url, api_key, dialects()[name])
    elif name_or_url in dialects():
        provider = _from_name(dialects()[name_or_url], api_key)
    else:
        provider = _from_url(name_or_url, api_key)
    if provider.paid and not allow_paid:
        raise ConfigError(
            f"The provider {provider.name!r} may cost money and is used only where a flag or the character's "
            "settings name it. Name it with --provider, or leave it out to stay on this machine."
        )
    return provider


def _from_name(dialect: Dialect, api_key: str | None) -> Provider:
    url = dialect.base_url
    if "RESOURCE" in url:
        endpoint = os.environ.get("AZURE_OPENAI_ENDPOINT", "").strip().rstrip("/")
        if not endpoint:
            raise ConfigError(
                f"Which resource of {dialect.title}? Set AZURE_OPENAI_ENDPOINT to "
                f"https://RESOURCE.openai.azure.com, or give its address: --provider {url}"
            )
        url = endpoint if endpoint.endswith("/v1") else f"{endpoint}/openai/v1"
    provider = _from_url(url, api_key, dialect)
    return replace(provider, name=dialect.name)


def _key(dialect: Dialect, is_its_own: bool, given: str | None) -> str:
    """The key for a server. A provider's own key goes to the provider's own servers alone."""
    key = given or os.environ.get("UNDERSTUDY_API_KEY", "").strip()
    if is_its_own:
        key = given or os.environ.get(dialect.key, "").strip() or key
        if not key:
            raise ConfigError(
                f"No API key for {dialect.name!r}. Set {dialect.key}, or leave --provider out to stay local."
            )
    return key or "none"


def _from_url(url: str, api_key: str | None, dialect: Dialect | None = None) -> Provider:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError as error:
        raise ConfigError(f"The provider {url!r} is not an address ({error}).") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(
            f"The provider {url!r} is not known. Use local, {', '.join(dialects())}, or the address of a "
            "server, for example http://127.0.0.1:8000/v1"
        )
    if parts.username or parts.password:
        raise ConfigError("Do not put a key into the address; set UNDERSTUDY_API_KEY.")
    found = dialect_of(host)
    chosen = dialect or found
    key = _key(chosen, chosen.name != OTHER.name and found.name == chosen.name, api_key)
    name = found.name if found.name == "openai" else host
    return Provider(name, url.rstrip("/"), Secret(key), not _is_loopback(host), chosen)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
