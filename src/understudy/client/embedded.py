"""Embedded: the server on this machine, found or started, shared by all terminals."""

import contextlib
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from understudy import __version__
from understudy.api.settings import home_directory
from understudy.errors import MissingExtraError, ServerError
from understudy.secret import Secret, without_secrets

__all__ = [
    "Announcement",
    "ensure_server",
    "find_server",
    "home_directory",
    "is_unused",
    "require_extra",
    "stop_server",
]

START_SECONDS = 60.0
STOP_SECONDS = 75.0
HEALTH_SECONDS = 5.0
IDLE_TIMEOUT_SECONDS = 3600.0
NEEDED = ("fastapi", "uvicorn", "multipart", "torch", "transformers", "peft", "accelerate")


@dataclass(frozen=True)
class Announcement:
    """What a running server says of itself in ``server.json``."""

    base_url: str
    port: int
    token: Secret | None
    pid: int
    version: str
    embedded: bool
    default_base: str
    started_at: int

    def __repr__(self) -> str:
        return f"Announcement({self.base_url!r}, pid={self.pid}, version={self.version!r})"


def find_server(home: Path | None = None) -> Announcement | None:
    """The server that runs on ``home``; ``None`` where there is none, or only what a killed one left."""
    path = (home or home_directory()) / "server.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values["token"] = Secret(values["token"]) if values["token"] else None
        found = Announcement(**{field.name: values[field.name] for field in fields(Announcement)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if _answers(found) else None


def ensure_server(home: Path | None = None) -> Announcement:
    """Find the server of ``home``, or start one: detached, on a free loopback port, with a random token.

    Two terminals that ask at once get the same server. One of another version is replaced if it
    was started this way; its unfinished jobs go on in the new one.

    Raises:
        MissingExtraError: The extra ``local`` is not installed.
        ServerError: The server does not come up; its log is named.
    """
    home = home or home_directory()
    found = find_server(home)
    if found is not None and _is_usable(found):
        return found
    require_extra()
    with _one_at_a_time(home):
        found = find_server(home)
        if found is not None and _is_usable(found):
            return found
        if found is not None:
            stop_server(home)
        return _start(home)


def stop_server(home: Path | None = None) -> bool:
    """Stop the server of ``home`` with its workers. Returns whether one ran.

    Raises:
        ServerError: It does not end.
    """
    found = find_server(home)
    if found is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(found.pid, signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    while time.monotonic() < end:
        if not _is_alive(found.pid):
            return True
        time.sleep(0.05)
    raise ServerError(f"The server (process {found.pid}) does not end. End it with: kill -9 {found.pid}")


def _is_usable(found: Announcement) -> bool:
    """A server that somebody started by hand is used whatever its version."""
    return found.version == __version__ or not found.embedded


def is_unused(found: Announcement) -> bool:
    """Whether no job is unfinished and no reply is being written."""
    key = found.token.reveal() if found.token else "none"
    request = urllib.request.Request(
        f"{found.base_url}/understudy/status", headers={"Authorization": f"Bearer {key}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=HEALTH_SECONDS) as answer:
            status = json.load(answer)
    except (OSError, ValueError):
        return False
    return not status["unfinished_jobs"] and not status["replies_in_flight"]


def require_extra() -> None:
    """Refuse to go on without the extra ``local``.

    Raises:
        MissingExtraError: With the line that installs it.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"The server for this machine is not installed ({', '.join(missing)} missing). Install it with: "
            "pip install 'understudy[local]'   (or name another server with --provider URL)"
        )


# --- is it there? ------------------------------------------------------------------------------


def _answers(found: Announcement) -> bool:
    """Whether the announced process itself answers on the announced port."""
    if not _is_alive(found.pid):
        return False
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = found.base_url.removesuffix("/v1") + "/health"
    try:
        with opener.open(url, timeout=HEALTH_SECONDS) as answer:
            return bool(json.load(answer).get("pid") == found.pid)
    except (OSError, ValueError, AttributeError):
        return False


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(ChildProcessError, OSError):
        os.waitpid(pid, os.WNOHANG)
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return not Path("/proc/self/stat").exists() and _signal_reaches(pid)
    return state not in ("Z", "X")


def _signal_reaches(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


# --- start --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    """Let one client start the server while the others wait."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock: IO[str] = open(home / "start.lock", "w", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise ServerError(
            f"{home}: cannot be written ({error.strerror}). Set UNDERSTUDY_HOME to a folder of yours."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start(home: Path) -> Announcement:
    log = home / "server.log"
    command = [sys.executable, "-m", "understudy.api", "--embedded", "--port", "0"]
    command += [
        "--idle-timeout-seconds",
        os.environ.get("UNDERSTUDY_IDLE_SECONDS", str(IDLE_TIMEOUT_SECONDS)),
    ]
    # The server may fetch gated base models; it needs no other key.
    environment = without_secrets(keep=("HF_", "HUGGING_FACE_")) | {
        "UNDERSTUDY_HOME": str(home),
        "UNDERSTUDY_SERVER_TOKEN": secrets.token_urlsafe(32),
    }
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment,
            start_new_session=True, cwd=home,
        )  # fmt: skip
    return _wait_until_up(process, home, log)


def _wait_until_up(process: "subprocess.Popen[bytes]", home: Path, log: Path) -> Announcement:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        found = find_server(home)
        if found is not None and found.pid == process.pid:
            process.returncode = 0  # It outlives this process; nobody waits for it here.
            return found
        if process.poll() is not None:
            rival = find_server(home)
            if rival is not None:
                return rival
            raise ServerError(f"The server could not start:\n{_tail(log)}\nIts log is {log}.")
        time.sleep(0.05)
    process.kill()
    raise ServerError(f"The server did not answer within {START_SECONDS:.0f} seconds. Its log is {log}.")


def _tail(log: Path) -> str:
    try:
        return log.read_text(encoding="utf-8", errors="replace").strip()[-800:]
    except OSError:
        return ""
