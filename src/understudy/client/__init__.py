"""Client: the openai client, the server on this machine, following jobs.

Names are loaded on first use: the openai package takes its time to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.client.connection import connect, connect_async
    from understudy.client.embedded import Announcement, ensure_server, find_server, stop_server
    from understudy.client.job import follow_job, upload_once
    from understudy.client.provider import Provider, resolve_provider
    from understudy.client.scoring import MessageScore, score
    from understudy.client.training_run import TrainedRun, TrainingSettings, train

__all__ = [
    "Announcement",
    "MessageScore",
    "Provider",
    "TrainedRun",
    "TrainingSettings",
    "connect",
    "connect_async",
    "ensure_server",
    "find_server",
    "follow_job",
    "resolve_provider",
    "score",
    "stop_server",
    "train",
    "upload_once",
]

_HOMES = {
    "Announcement": "embedded",
    "MessageScore": "scoring",
    "Provider": "provider",
    "TrainedRun": "training_run",
    "TrainingSettings": "training_run",
    "connect": "connection",
    "connect_async": "connection",
    "ensure_server": "embedded",
    "find_server": "embedded",
    "follow_job": "job",
    "resolve_provider": "provider",
    "score": "scoring",
    "stop_server": "embedded",
    "train": "training_run",
    "upload_once": "job",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
