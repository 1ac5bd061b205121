"""Keys: API keys for clients on other machines, kept as hashes, compared in constant time."""

import contextlib
import fcntl
import hashlib
import hmac
import json
import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from understudy.atomic import write_json
from understudy.errors import ConfigError
from understudy.secret import Secret

__all__ = ["ApiKey", "KeyRing"]

logger = logging.getLogger(__name__)

PREFIX = "us-"
LONGEST_NAME = 64


@dataclass(frozen=True)
class ApiKey:
    """What is kept of a key.

    Attributes:
        sha256: Of the whole key. A key has 256 random bits, so no slow hash is needed: there is
            nothing to guess.
        expires_at: Unix time from which it is refused; ``None``: never.
    """

    id: str
    name: str
    sha256: str
    created_at: int
    expires_at: int | None = None

    def is_valid(self) -> bool:
        """Whether its time is not over."""
        return self.expires_at is None or time.time() < self.expires_at


class KeyRing:
    """The keys of one server home, in ``keys.json``, which the command writes and the server reads.

    The server looks at the file with every request, so that a revoked key ends at once.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / "keys.json"
        self._lock = home / "keys.lock"
        self._seen: tuple[int, int, int] | None = None
        self._keys: list[ApiKey] = []

    def all(self) -> list[ApiKey]:
        """All keys, oldest first, those whose time is over included.

        Raises:
            ConfigError: The file is damaged.
        """
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read ({error.strerror}).") from error
        try:
            return [ApiKey(**row) for row in json.loads(text)["keys"]]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{self.path}: is no list of keys ({error}). Delete it and create the keys anew."
            ) from error

    def create(self, name: str, expires_after_days: float | None = None) -> tuple[ApiKey, Secret]:
        """Make a key. Its text is returned here and never again.

        Raises:
            ConfigError: The name is empty, too long, or in use.
        """
        if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            raise ConfigError(f"The name of a key has 1 to {LONGEST_NAME} printable characters.")
        with self._changing() as keys:
            if any(key.name == name for key in keys):
                raise ConfigError(
                    f"There is a key named {name!r} already. Revoke it, or choose another name."
                )
            text = PREFIX + secrets.token_urlsafe(32)
            now = int(time.time())
            expires = None if expires_after_days is None else now + round(expires_after_days * 86400)
            key = ApiKey(secrets.token_hex(4), name, _hash(text), now, expires)
            keys.append(key)
        return key, Secret(text)

    def revoke(self, id_or_name: str) -> ApiKey:
        """Forget a key; whoever has it is refused from now on.

        Raises:
            ConfigError: There is no such key.
        """
        with self._changing() as keys:
            found = [key for key in keys if id_or_name in (key.id, key.name)]
            if not found:
                known = ", ".join(f"{key.id} ({key.name})" for key in keys) or "none"
                raise ConfigError(f"No key {id_or_name!r}. There are: {known}.")
            keys.remove(found[0])
        return found[0]

    def accepts(self, given: str) -> bool:
        """Whether this is a valid key. Looks at every hash, whichever matches."""
        digest, accepted = _hash(given), False
        for key in self._current():
            same = hmac.compare_digest(digest, key.sha256)
            accepted |= same and key.is_valid()
        return accepted

    def _current(self) -> list[ApiKey]:
        try:
            status = self.path.stat()
        except OSError:
            self._seen, self._keys = None, []
            return []
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        if seen != self._seen:
            self._seen = seen
            try:
                self._keys = self.all()
            except ConfigError as error:
                logger.error("%s Until then every key is refused.", error)
                self._keys = []
        return self._keys

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[ApiKey]]:
        """The keys to change; written when the block ends well, one writer at a time."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = self._lock.open("w")
        except OSError as error:
            raise ConfigError(f"{self.path.parent}: cannot be written ({error.strerror}).") from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = self.all()
            yield keys
            rows: dict[str, Any] = {"keys": [asdict(key) for key in keys]}
            write_json(self.path, rows)
            self.path.chmod(0o600)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
