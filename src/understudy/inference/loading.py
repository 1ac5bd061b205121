"""Loading: adapters are read in threads of their own, so that those who speak do not wait for the disk."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.inference.adapter import Adapter, read_adapter
from understudy.inference.request import ChatRequest

__all__ = ["AdapterRead", "Loading"]

Key = tuple[Path, Path]


@dataclass(frozen=True)
class AdapterRead:
    """An adapter that was read, or why it could not be; ``key`` is its base and its directory."""

    key: Key
    found: Adapter | Exception


class Loading:
    """Requests that wait for an adapter.

    Args:
        announce: Called from another thread with each adapter that was read.
    """

    def __init__(self, announce: Callable[[AdapterRead], None]) -> None:
        self._announce = announce
        self._waiting: dict[Key, list[ChatRequest]] = {}

    def start(self, request: ChatRequest, adapter: Path) -> None:
        """Read an adapter for a request; one that is being read already is not read twice."""
        key = (request.base, adapter)
        self._waiting.setdefault(key, []).append(request)
        if len(self._waiting[key]) == 1:
            threading.Thread(target=self._read, args=(key,), daemon=True).start()

    def _read(self, key: Key) -> None:
        try:
            found: Adapter | Exception = read_adapter(key[1])
        except Exception as error:
            found = error
        self._announce(AdapterRead(key, found))

    def take(self, key: Key) -> list[ChatRequest]:
        """The requests that waited for an adapter; they wait no longer."""
        return self._waiting.pop(key, [])

    def cancel(self, request_id: Any) -> bool:
        """Forget a request; whether it waited here."""
        waited = False
        for requests in self._waiting.values():
            waited = waited or any(request.id == request_id for request in requests)
            requests[:] = [request for request in requests if request.id != request_id]
        return waited
