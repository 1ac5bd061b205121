"""Identity: ids made by the server, never by clients."""

import secrets
import string

__all__ = ["new_id", "new_request_id", "new_suffix"]

_ALPHANUMERICS = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """An id such as ``file-4fT…``: ``prefix`` and 24 random letters and digits."""
    return prefix + "".join(secrets.choice(_ALPHANUMERICS) for _ in range(24))


def new_request_id() -> str:
    """The id of a request, as ``x-request-id`` carries it."""
    return f"req_{secrets.token_hex(16)}"


def new_suffix() -> str:
    """The eight random letters and digits that end a model's name."""
    return "".join(secrets.choice(_ALPHANUMERICS) for _ in range(8))
