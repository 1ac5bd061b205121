"""A server for hostile requests, watched from outside: is it alive, how much memory has it used."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "api"))

from running_server import RunningServer


@pytest.fixture(scope="session")
def base_directory(tmp_path_factory) -> Path:
    """Looks like a model directory; the small processes load nothing."""
    folder = tmp_path_factory.mktemp("bases") / "tiny-base"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory, base_directory) -> Iterator[RunningServer]:
    """Attacked by a whole module, so that what one attack leaves behind meets the next."""
    running = RunningServer(tmp_path_factory.mktemp("attacked") / "home", base_directory)
    running.start()
    yield running
    running.stop()
