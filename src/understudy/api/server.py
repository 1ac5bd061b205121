"""Server: binds the port, announces itself to local clients, serves, and cleans up."""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from understudy import __version__
from understudy.api.bases import find_base
from understudy.api.int8 import check_int8
from understudy.api.keys import KeyRing
from understudy.api.settings import ServerSettings, is_loopback
from understudy.errors import ConfigError, ServerError

__all__ = ["serve"]

logger = logging.getLogger(__name__)

IDLE_CHECK_SECONDS = 1.0
CONNECTIONS_LIMIT = 512


def serve(settings: ServerSettings, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM, or until the idle time is over.

    Args:
        on_ready: Called with the base URL once requests are answered.

    Raises:
        ModelError: The default base cannot be a base model, or an int8 copy was not accepted.
        ConfigError: Other machines can reach it, and there is no API key.
        MissingExtraError: CTranslate2 is asked for and not installed.
        ServerError: The port is taken, or another server already writes this home.
    """
    find_base(settings.default_base, settings.default_base)
    _require_keys(settings)
    check_int8(settings.int8)
    with _sole_writer(settings), _bound_socket(settings) as bound:
        port = int(bound.getsockname()[1])
        settings = replace(settings, port=port)
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(settings, bound, on_ready))


def _require_keys(settings: ServerSettings) -> None:
    if not is_loopback(settings.host) and not any(key.is_valid() for key in KeyRing(settings.home).all()):
        raise ConfigError(
            f"--host {settings.host} can be reached from other machines, and there is no API key for them. "
            "Create one: understudy keys create NAME"
        )


async def _serve(
    settings: ServerSettings, bound: socket.socket, on_ready: Callable[[str], None] | None
) -> None:
    import uvicorn

    from understudy.api.app import create_app

    app = create_app(settings)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=3, lifespan="on",
        log_config=None, server_header=False, limit_concurrency=CONNECTIONS_LIMIT,
    )  # fmt: skip
    server = uvicorn.Server(config)
    _leave_signals_to_us(server)
    announcing = asyncio.create_task(_announce_when_ready(server, settings, on_ready))
    idling = asyncio.create_task(_end_when_idle(server, app.state.desks, settings))
    try:
        await server.serve(sockets=[bound])
    finally:
        for task in (announcing, idling):
            task.cancel()
        _withdraw(settings)
        if app.state.desks.jobs.has_abandoned_threads:
            # A download cannot be stopped, and the interpreter would wait for it; its job goes on later.
            logging.shutdown()
            os._exit(0)


def _leave_signals_to_us(server: Any) -> None:
    """End on the first SIGINT or SIGTERM, at once on the second.

    uvicorn's own handling raises the signal again when it is done, before our cleaning up.
    """
    server.capture_signals = contextlib.nullcontext

    def end() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)


async def _announce_when_ready(
    server: Any, settings: ServerSettings, on_ready: Callable[[str], None] | None
) -> None:
    while not server.started:
        await asyncio.sleep(0.02)
    _announce(settings)
    if on_ready is not None:
        on_ready(_url(settings))


async def _end_when_idle(server: Any, desks: Any, settings: ServerSettings) -> None:
    limit = settings.idle_timeout_seconds
    if limit is None:
        return
    while not server.should_exit:
        await asyncio.sleep(min(IDLE_CHECK_SECONDS, max(0.05, limit / 4)))
        if desks.is_busy():
            desks.activity.last_used = time.monotonic()
        elif desks.activity.idle_seconds() > limit:
            logger.info("No request for %.0f seconds; the server ends.", limit)
            server.should_exit = True


def _url(settings: ServerSettings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"http://{host}:{settings.port}/v1"


# --- one server for a home ------------------------------------------------------------------


@contextlib.contextmanager
def _sole_writer(settings: ServerSettings) -> Iterator[None]:
    """Hold the home's lock; the system releases it however the process ends."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(settings.lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ServerError(
            f"{settings.home}: cannot be written ({error.strerror}). "
            "Set UNDERSTUDY_HOME to a folder of yours."
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ServerError(_already_served(settings)) from None
        yield
    finally:
        os.close(handle)


def _already_served(settings: ServerSettings) -> str:
    try:
        url = json.loads(settings.announcement.read_text(encoding="utf-8"))["base_url"]
    except (OSError, ValueError, KeyError):
        url = "another address"
    return (
        f"A server already runs on {settings.home}, at {url}. Use it, stop it with: understudy serve --stop, "
        "or set UNDERSTUDY_HOME to another folder."
    )


@contextlib.contextmanager
def _bound_socket(settings: ServerSettings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host.strip("[]"), settings.port))
    except OSError as error:
        bound.close()
        raise ServerError(
            f"Port {settings.port} on {settings.host} cannot be used ({error.strerror or error}). "
            "Choose another with --port, or --port 0 for any free one."
        ) from error
    try:
        yield bound
    finally:
        bound.close()


# --- what local clients read -------------------------------------------------------------------


def _announce(settings: ServerSettings) -> None:
    """Write address and token where only this user can read them, complete or absent."""
    values = {
        "base_url": _url(settings),
        "port": settings.port,
        "token": settings.token.reveal() if settings.token else None,
        "pid": os.getpid(),
        "version": __version__,
        "embedded": settings.embedded,
        "default_base": settings.default_base,
        "started_at": int(time.time()),
    }
    beside = settings.announcement.with_name(f".server.json.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(values, file, indent=2)
    os.replace(beside, settings.announcement)


def _withdraw(settings: ServerSettings) -> None:
    """Remove the announcement, unless another server has replaced it."""
    path: Path = settings.announcement
    with contextlib.suppress(OSError, ValueError, KeyError):
        if json.loads(path.read_text(encoding="utf-8"))["pid"] == os.getpid():
            path.unlink()
