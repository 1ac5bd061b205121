"""Settings: where the server keeps its state, whom it lets in, and how much it takes."""

import ipaddress
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from understudy.api.arbiter import YIELDERS
from understudy.errors import ConfigError
from understudy.secret import Secret

__all__ = ["DEFAULT_PORT", "ServerSettings", "home_directory", "is_loopback", "usable_cores"]

DEFAULT_PORT = 8321


def home_directory() -> Path:
    """Where models, jobs and files live: ``UNDERSTUDY_HOME``, by default ``~/.understudy``."""
    return Path(os.environ.get("UNDERSTUDY_HOME") or Path.home() / ".understudy").expanduser().absolute()


def usable_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def is_loopback(host: str) -> bool:
    """Whether an interface or host name can be reached from this machine alone."""
    if host in ("localhost", ""):
        return host == "localhost"
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _training_command() -> tuple[str, ...]:
    return (sys.executable, "-m", "understudy.training")


def _inference_command() -> tuple[str, ...]:
    return (sys.executable, "-m", "understudy.inference")


def _int8_command() -> tuple[str, ...]:
    return (sys.executable, "-m", "understudy.int8")


@dataclass(frozen=True)
class ServerSettings:
    """How one server runs.

    Attributes:
        home: Folder of the store, the uploaded files, the jobs and the adapters.
        port: 0 takes any free port.
        token: What clients of this machine send as ``Authorization: Bearer``; ``None`` lets in
            everybody on it. Other machines need an API key (``KeyRing``).
        allowed_hosts: Further names under which clients may reach the server, as through a proxy.
        default_base: Base model that stands in for OpenAI's names.
        organization: Third part of ``ft:`` names.
        idle_timeout_seconds: End after so long without a request or a job; ``None`` stays.
        worker_idle_seconds: End the inference process after so long without a request.
        training_threads: Threads of a training process; ``None`` takes all cores.
        inference_threads: The same for each inference process.
        inference_processes: Most inference processes, where many requests for a small base are in flight;
            ``None`` takes two where there are two cores.
        yields: Who gives way where replies and a training job want the same processor or GPU:
            ``training``, ``chat`` or ``none`` (the system shares as it likes).
        int8: Folders of accepted int8 exports; their models are spoken with by CTranslate2.
        stop_grace_seconds: How long a process may take to save before it is killed.
        lease_seconds: How long a training process may be silent before it counts as hung.
        max_lines: Of a training file.
        max_requests: Answered at once; more are told to try again.
        max_uploads: Received at once.
        max_buffered_bytes: Of request bodies in memory, all requests together.
        stalled_body_seconds: How long a client may pause within its request.
    """

    home: Path = field(default_factory=home_directory)
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    token: Secret | None = None
    allowed_hosts: tuple[str, ...] = ()
    default_base: str = "understudy/mini"
    organization: str = "personal"
    embedded: bool = False
    idle_timeout_seconds: float | None = None
    worker_idle_seconds: float = 600.0
    training_threads: int | None = None
    inference_threads: int | None = None
    inference_processes: int | None = None
    yields: str = "training"
    int8: tuple[Path, ...] = ()
    stop_grace_seconds: float = 60.0
    lease_seconds: float = 60.0
    max_file_bytes: int = 512 * 1024 * 1024
    max_line_bytes: int = 16 * 1024 * 1024
    max_lines: int = 1_000_000
    max_body_bytes: int = 16 * 1024 * 1024
    max_requests: int = 128
    max_uploads: int = 8
    max_buffered_bytes: int = 64 * 1024 * 1024
    stalled_body_seconds: float = 60.0
    training_command: tuple[str, ...] = field(default_factory=_training_command)
    inference_command: tuple[str, ...] = field(default_factory=_inference_command)
    int8_command: tuple[str, ...] = field(default_factory=_int8_command)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"--port {self.port} is not a port number (0 to 65535).")
        if self.yields not in YIELDERS:
            raise ConfigError(f"--yield {self.yields} is not one of {', '.join(YIELDERS)}.")
        if self.token is None and not is_loopback(self.host):
            raise ConfigError(
                f"--host {self.host} can be reached from other machines, so keys are needed. "
                "Leave --no-token out, or stay on 127.0.0.1."
            )
        text = self.token.reveal() if self.token is not None else "-"
        if not (text.isascii() and text.isprintable() and text and not text.isspace()):
            raise ConfigError("The token must be printable ASCII text and not empty.")

    @property
    def store_path(self) -> Path:
        return self.home / "store.sqlite"

    @property
    def blobs(self) -> Path:
        return self.home / "blobs"

    @property
    def jobs(self) -> Path:
        return self.home / "jobs"

    @property
    def adapters(self) -> Path:
        return self.home / "adapters"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def announcement(self) -> Path:
        """The file in which a running server tells local clients its address and token."""
        return self.home / "server.json"

    @property
    def lock(self) -> Path:
        """Held by the one server that may write this home."""
        return self.home / "server.lock"
