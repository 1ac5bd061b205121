"""Provider: whose API is called, with which key, and whether it costs money."""

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

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
        paid: Whether a call may cost money: true for every server outside this machine.
    """

    name: str
    base_url: str
    api_key: Secret
    paid: bool

    def __repr__(self) -> str:
        return f"Provider(name={self.name!r}, base_url={self.base_url!r}, paid={self.paid})"


def resolve_provider(
    name_or_url: str | None = None, *, allow_paid: bool = False, api_key: str | None = None
) -> Provider:
    """Say whom a setting means.

    ``None`` is the server on this machine, whatever keys and addresses the environment holds:
    OPENAI_API_KEY and OPENAI_BASE_URL never spend money by themselves.

    Args:
        name_or_url: ``None`` or ``local``; ``openai``; or the base URL of another server.
        allow_paid: That the caller's user named the provider, by flag or in the character's settings.
        api_key: Key of a server given by URL; otherwise UNDERSTUDY_API_KEY is used.

    Raises:
        ConfigError: The name is unknown, the key is missing, or the provider is paid and
            ``allow_paid`` is false.
    """
    if name_or_url is None or name_or_url == LOCAL:
        return Provider(LOCAL, "", Secret(""), paid=False)
    if name_or_url == "openai":
        provider = Provider("openai", OPENAI_URL, Secret(_openai_key()), paid=True)
    else:
        provider = _from_url(name_or_url, api_key)
    if provider.paid and not allow_paid:
        raise ConfigError(
            f"The provider {provider.name!r} may cost money and is used only where a flag or the character's "
            "settings name it. Name it with --provider, or leave it out to stay on this machine."
        )
    return provider


def _openai_key() -> str:
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key:
        raise ConfigError(
            "No API key for 'openai'. Set OPENAI_API_KEY, or leave --provider out to stay local."
        )
    return key


def _from_url(url: str, api_key: str | None) -> Provider:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError as error:
        raise ConfigError(f"The provider {url!r} is not an address ({error}).") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(
            f"The provider {url!r} is not known. Use local, openai, or the address of a server, for example "
            "http://127.0.0.1:8000/v1"
        )
    if parts.username or parts.password:
        raise ConfigError("Do not put a key into the address; set UNDERSTUDY_API_KEY.")
    key = api_key or os.environ.get("UNDERSTUDY_API_KEY", "").strip() or "none"
    return Provider(host, url.rstrip("/"), Secret(key), paid=not _is_loopback(host))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
