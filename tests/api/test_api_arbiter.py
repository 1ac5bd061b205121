"""Who gives way while replies are written and a job trains."""

import threading
import time
from pathlib import Path

import psutil
import pytest
from running_server import RunningServer, chat_lines, wait_for

from understudy.api.arbiter import Arbiter
from understudy.api.settings import ServerSettings
from understudy.errors import ConfigError


def workers_of(server: RunningServer) -> dict[str, psutil.Process]:
    """The processes that the server started, by what they do."""
    assert server.process is not None
    found = {}
    for child in psutil.Process(server.process.pid).children():
        for kind in ("training", "inference"):
            if any(f"fake_{kind}.py" in part for part in child.cmdline()):
                found[kind] = child
    return found


@pytest.mark.parametrize(
    ("setting", "lower"), [("training", "training"), ("chat", "inference"), ("none", None)]
)
def test_who_yields_has_the_lower_priority(
    tmp_path: Path, base_directory: Path, setting: str, lower: str | None
) -> None:
    server = RunningServer(tmp_path / "home", base_directory, options=("--yield", setting))
    server.start()
    own = psutil.Process().nice()
    try:
        with server.client() as client:
            file = client.files.create(file=("a.jsonl", chat_lines(12, "FAKE_SLOW")), purpose="fine-tune")
            client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id)
            said = "one two three four five six seven eight FAKE_SLOW"
            speaking = threading.Thread(
                target=client.chat.completions.create,
                kwargs={"model": "gpt-4o-mini", "messages": [{"role": "user", "content": said}]},
            )
            speaking.start()
            seen: dict[str, int] = {}
            answering = False
            for _ in range(400):
                for kind, process in workers_of(server).items():
                    seen[kind] = process.nice()
                answering = answering or (server.home / "answering").exists()
                if len(seen) == 2 and not speaking.is_alive():
                    break
                time.sleep(0.01)
            speaking.join()
            assert [kind for kind, nice in seen.items() if nice > own] == ([lower] if lower else []), seen
            assert answering == (setting == "training")
            assert not (server.home / "answering").exists()
    finally:
        server.stop()


def test_the_mark_stands_until_the_last_of_several_requests_is_answered(tmp_path: Path) -> None:
    (tmp_path / "answering").touch()  # of a server that was killed
    arbiter = Arbiter("training", tmp_path)
    mark = arbiter.gives_way_to
    assert mark == tmp_path / "answering"
    assert not mark.exists()
    with arbiter.answering():
        with pytest.raises(ZeroDivisionError), arbiter.answering():
            raise ZeroDivisionError
        assert mark.exists()
    assert not mark.exists()


def test_a_reply_is_given_where_the_mark_cannot_be_written(tmp_path: Path) -> None:
    with Arbiter("training", tmp_path / "nowhere").answering():
        pass


def test_only_training_waits_for_the_mark(tmp_path: Path) -> None:
    assert Arbiter("chat", tmp_path).gives_way_to is None
    assert Arbiter("none", tmp_path).gives_way_to is None


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--yield nobody is not one of training, chat, none"):
        ServerSettings(home=tmp_path, yields="nobody")


def test_a_real_job_ends_though_somebody_speaks_all_the_time(real: RunningServer) -> None:
    """It keeps a fifth of the time, and gives way in the rest."""
    ended = threading.Event()

    def speak() -> None:
        with real.client() as client:
            while not ended.is_set():
                client.chat.completions.create(
                    model="understudy/mini", max_tokens=16, messages=[{"role": "user", "content": "Hello."}]
                )

    with real.client() as client:
        talking = [threading.Thread(target=speak) for _ in range(2)]
        for thread in talking:
            thread.start()
        try:
            file = client.files.create(file=("a.jsonl", chat_lines(12, "yield")), purpose="fine-tune")
            numbers = {"n_epochs": 2, "batch_size": 4}
            job = client.fine_tuning.jobs.create(
                model="understudy/mini", training_file=file.id, hyperparameters=numbers, seed=1
            )
            assert wait_for(client, job.id, seconds=120).status == "succeeded"
        finally:
            ended.set()
            for thread in talking:
                thread.join()
