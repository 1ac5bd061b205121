"""A running server that commands find by themselves, and a character whose dataset is built."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "api"))

from running_server import RunningServer

from understudy.dataset import Recipe, build_dataset
from understudy.folder import CharacterFolder, open_folder


@pytest.fixture(scope="session")
def base_directory(tmp_path_factory) -> Path:
    """Looks like a model directory; the small processes load nothing."""
    folder = tmp_path_factory.mktemp("bases") / "tiny-base"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


@pytest.fixture(scope="session")
def running(tmp_path_factory, base_directory) -> Iterator[RunningServer]:
    """A server with small processes in place of those that need torch."""
    server = RunningServer(tmp_path_factory.mktemp("server") / "home", base_directory)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(running, monkeypatch) -> RunningServer:
    """The running server, found through UNDERSTUDY_HOME as commands find it."""
    monkeypatch.setenv("UNDERSTUDY_HOME", str(running.home))
    return running


@pytest.fixture
def folder(tmp_path) -> CharacterFolder:
    """A character with forty short dialogues and its dataset."""
    root = tmp_path / "iroh"
    root.mkdir()
    (root / "character.yaml").write_text("name: Iroh\n")
    subjects = [
        "tea",
        "rain",
        "music",
        "the sea",
        "old friends",
        "patience",
        "dragons",
        "supper",
        "the road",
        "luck",
    ]
    rows = []
    for number in range(40):
        subject = f"{subjects[number % 10]} {'again ' * (number // 10)}".strip()
        question = f"What do you say of {subject}, on day {number}?"
        answer = f"Ah, {subject}! On day {number * 7} I poured a cup and thought of it."
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        rows.append({"id": f"d{number}", "group": f"g{number}", "messages": messages})
    (root / "dialogues.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    opened = open_folder(root)
    build_dataset(opened, Recipe())
    return opened
