"""A fixture that writes card files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def card_file(tmp_path: Path) -> Callable[..., Path]:
    """Write bytes, text or a JSON value to a file and return its path."""

    def write(content: Any, name: str = "mog.png") -> Path:
        path = tmp_path / name
        if isinstance(content, (dict, list)):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
