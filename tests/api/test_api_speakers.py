"""Several inference processes: a crowd is divided, a conversation stays, and nobody's text changes."""

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from running_server import RunningServer

from understudy.api.arbiter import Arbiter
from understudy.api.settings import ServerSettings
from understudy.api.speakers import Speakers
from understudy.api.workers import InferenceWorker

SEEDS = range(24)


def speaking(server: RunningServer) -> list[psutil.Process]:
    """The inference processes of a server."""
    found = []
    for child in psutil.Process(server.process.pid).children():
        with contextlib.suppress(psutil.Error):  # one that has just ended
            if "understudy.inference" in child.cmdline():
                found.append(child)
    return found


def has_spoken(processes: list[psutil.Process]) -> bool:
    """Whether the process has loaded its libraries and worked on since this was first asked after that."""
    if not processes or not any("safetensors" in mapped.path for mapped in processes[0].memory_maps()):
        return False
    used = processes[0].cpu_times().user
    return used > LOADED.setdefault(processes[0].pid, used) + 0.3


LOADED: dict[int, float] = {}
"""User time of a process, in seconds, when its libraries were first seen."""


def reply(client, seed: int) -> str:
    messages = [{"role": "user", "content": f"Tell me about the sea, please, part {seed % 7}."}]
    answer = client.chat.completions.create(
        model="understudy/mini", messages=messages, seed=seed, max_tokens=20, temperature=1.0
    )
    return answer.choices[0].message.content


@pytest.mark.timeout(180)
def test_a_crowd_gets_two_processes_and_the_texts_that_each_would_get_alone(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    options = ("--inference-processes", "2")
    server = RunningServer(tmp_path / "home", Path("understudy/mini"), fakes=False, options=options)
    server.start()
    try:
        with server.client() as client, ThreadPoolExecutor(24) as pool:
            alone = [reply(client, seed) for seed in SEEDS]
            assert len(speaking(server)) == 1, "one at a time needs no company"
            ends = time.monotonic() + 90
            while not has_spoken(speaking(server)[1:]) and time.monotonic() < ends:
                assert list(pool.map(lambda seed: reply(client, seed), SEEDS)) == alone
            second = speaking(server)[1]
            assert has_spoken([second]), "the second process never spoke"
            second.kill()
            while len(speaking(server)) == 2:
                time.sleep(0.01)
            patient = client.with_options(max_retries=4)  # what was in flight fails, and clients ask again
            assert reply(patient, 3) == alone[3], "the first process goes on"
    finally:
        server.stop()


class Deaf(InferenceWorker):
    """A process that is always there; what is in flight is set by hand."""

    answered = property(lambda self: self.is_up)
    requests_in_flight = property(lambda self: self.load)
    is_up, load = False, 0


@pytest.fixture
def speakers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Speakers:
    import understudy.api.speakers as module

    monkeypatch.setattr(module, "InferenceWorker", Deaf)
    settings = ServerSettings(home=tmp_path, inference_processes=2)
    made = Speakers(settings, Arbiter("training", tmp_path))
    made.woken = 0

    def wake() -> None:
        made.woken += 1

    monkeypatch.setattr(made, "_start_another", wake)
    return made


def request(base: Path, first: str, turns: int = 0) -> dict:
    more = [{"role": role, "content": f"{n}"} for n in range(turns) for role in ("assistant", "user")]
    messages = [{"role": "user", "content": first}, *more]
    return {"op": "chat", "base": str(base), "adapter": None, "messages": messages}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"0" * 100)
    return folder


def test_a_request_never_goes_to_a_process_that_is_only_starting(speakers: Speakers, base: Path) -> None:
    first, second = speakers._plain
    first.load = 20
    assert speakers._choose(request(base, "Hello")) is first
    assert speakers.woken == 1
    second.is_up = True
    assert speakers._choose(request(base, "Good day")) is second
    assert speakers.woken == 1


def test_a_conversation_stays_where_its_history_is_unless_that_is_far_busier(
    speakers: Speakers, base: Path
) -> None:
    first, second = speakers._plain
    second.is_up = True
    first.load = 9
    assert speakers._choose(request(base, "Hello")) is second
    first.load, second.load = 0, 5
    assert speakers._choose(request(base, "Hello", turns=1)) is second
    assert speakers._choose(request(base, "Another")) is first
    second.load = 7
    assert speakers._choose(request(base, "Hello", turns=2)) is first
    second.load = 0
    assert speakers._choose(request(base, "Hello", turns=3)) is first, "it has moved"
    second.is_up, second.load = False, 0
    assert speakers._choose(request(base, "Good day")) is first


def test_a_large_base_is_never_loaded_twice(speakers: Speakers, base: Path) -> None:
    first, second = speakers._plain
    second.is_up, first.load = True, 50
    with (base / "model-2.safetensors").open("wb") as file:
        file.truncate(200 * 2**20)
    assert speakers._choose(request(base, "Hello")) is first
    assert speakers._choose(request(base.parent / "nowhere", "Hello")) is first
    assert speakers.woken == 0


def test_a_failed_start_is_told_in_the_log_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ServerSettings(home=tmp_path, inference_processes=2, inference_command=("/nowhere/python",))
    speakers = Speakers(settings, Arbiter("training", tmp_path))

    async def start() -> None:
        await speakers._wake(speakers._plain[1])
        await speakers.stop()

    asyncio.run(start())
    assert "could not be started" in caplog.text
