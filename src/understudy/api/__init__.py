"""The OpenAI-compatible server: routes, store, workers.

The HTTP process imports no torch; training and inference run in processes of their own.
Names are loaded on first use, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.api.app import create_app
    from understudy.api.server import serve
    from understudy.api.settings import ServerSettings

__all__ = ["ServerSettings", "create_app", "serve"]

_HOMES = {"ServerSettings": "settings", "create_app": "app", "serve": "server"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
