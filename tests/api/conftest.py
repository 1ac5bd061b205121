"""Servers for tests: real processes over real HTTP, small ones in place of those that need torch."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from running_server import RunningServer


@pytest.fixture(scope="session")
def base_directory(tmp_path_factory) -> Path:
    """Looks like a model directory; the small processes load nothing."""
    folder = tmp_path_factory.mktemp("bases") / "tiny-base"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory, base_directory) -> Iterator[RunningServer]:
    """Shared by tests that leave it running."""
    running = RunningServer(tmp_path_factory.mktemp("server") / "home", base_directory)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def own_server(tmp_path, base_directory) -> Iterator[RunningServer]:
    """For tests that kill it."""
    running = RunningServer(tmp_path / "home", base_directory)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def client(server) -> Iterator[openai.OpenAI]:
    with server.client() as client:
        yield client


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> Iterator[RunningServer]:
    """A server with real workers; skipped where the embedded model is not installed."""
    miniatures = pytest.importorskip("understudy_miniatures")
    pytest.importorskip("torch")
    if "mini" not in miniatures.names():
        pytest.skip("the embedded model's weights are not in this checkout")
    server = RunningServer(tmp_path_factory.mktemp("real") / "home", Path("understudy/mini"), fakes=False)
    server.start()
    yield server
    server.stop()
