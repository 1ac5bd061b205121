"""Characters of several sizes, and a running server that trains in no time."""

import json
import shutil
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "api"))

from running_server import RunningServer

from understudy.folder import CharacterFolder, open_folder
from understudy.study.material import Material, load_material

EXAMPLE = Path(str(files("understudy"))) / "examples" / "ophelia"
SUBJECTS = (
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
)


@pytest.fixture(scope="session")
def ophelia(tmp_path_factory) -> CharacterFolder:
    """The shipped character in a folder of its own."""
    place = tmp_path_factory.mktemp("characters") / "ophelia"
    shutil.copytree(EXAMPLE, place)
    return open_folder(place)


@pytest.fixture(scope="session")
def material(ophelia) -> Material:
    return load_material(ophelia)


@pytest.fixture
def iroh(tmp_path) -> CharacterFolder:
    """A character with a hundred short dialogues, every fifth a sincere question."""
    root = tmp_path / "iroh"
    root.mkdir()
    (root / "character.yaml").write_text("name: Iroh\n")
    rows = []
    for number in range(100):
        subject = f"{SUBJECTS[number % 10]} {'again ' * (number // 10)}".strip()
        question = f"What do you say of {subject}, on day {number}?"
        answer = f"Ah, {subject}! On day {number * 7} I poured a cup and thought of it."
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        category = "sincere_ai" if number % 5 == 0 else "small_talk"
        rows.append({"id": f"d{number}", "group": f"g{number}", "category": category, "messages": messages})
    (root / "dialogues.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return open_folder(root)


@pytest.fixture(scope="session")
def running(tmp_path_factory) -> Iterator[RunningServer]:
    """A server with small processes in place of those that need torch."""
    base = tmp_path_factory.mktemp("bases") / "tiny-base"
    base.mkdir()
    (base / "config.json").write_text('{"model_type": "llama"}')
    server = RunningServer(tmp_path_factory.mktemp("server") / "home", base)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(running, monkeypatch) -> RunningServer:
    """The running server, found through UNDERSTUDY_HOME as commands find it."""
    monkeypatch.setenv("UNDERSTUDY_HOME", str(running.home))
    return running
