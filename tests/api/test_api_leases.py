"""Leases: jobs whose process is killed, hangs, or was given up and wakes again."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running_server import RunningServer, chat_lines, wait_for

from understudy.api.process import end_stale_process
from understudy.api.store import Store, StoredModel

NUMBERS = {"n_epochs": 3, "batch_size": 4}


def create(client, word: str, **numbers):
    file = client.files.create(file=("a.jsonl", chat_lines(12, word)), purpose="fine-tune")
    return client.fine_tuning.jobs.create(
        model="gpt-4o", training_file=file.id, hyperparameters=NUMBERS | numbers
    )


def events(client, job_id: str, kind: str) -> list:
    return [e for e in client.fine_tuning.jobs.list_events(job_id, limit=100) if e.type == kind][::-1]


def steps(client, job_id: str) -> list[int]:
    return [event.data["step"] for event in events(client, job_id, "metrics")]


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# --- in the store ----------------------------------------------------------------------------


def a_running_job(path: Path) -> Store:
    store = Store(path)
    document = {"id": "ftjob-1", "status": "running", "metadata": None}
    store.add_job(document, {"suffix": ""}, {"id": "ftevent-1", "type": "message"})
    return store


def test_an_attempt_that_was_given_up_can_change_nothing(tmp_path):
    path = tmp_path / "store.sqlite"
    store = a_running_job(path)
    old = store.take_lease("ftjob-1", "one", 60.0)
    new = store.take_lease("ftjob-1", "two", 60.0)
    before = "\n".join(sqlite3.connect(path).iterdump())

    token = old.fencing_token
    model = StoredModel("ft:x", 1, "x", "x", "f", "folder", "ftjob-1")
    done = {"status": "succeeded"}
    assert store.change_job("ftjob-1", only_in=["running"], document=done, fencing_token=token) is None
    assert not store.add_checkpoint("ftjob-1", {"id": "c"}, model, {"id": "ftevent-2"}, token)
    store.add_events("ftjob-1", [{"id": "ftevent-3"}], token)
    assert not store.renew_lease(old, 60.0)

    assert "\n".join(sqlite3.connect(path).iterdump()) == before
    assert new.fencing_token == old.fencing_token + 1
    assert store.change_job(
        "ftjob-1", only_in=["running"], document=done, fencing_token=new.fencing_token
    ).status == ("succeeded")


def test_attempts_count_as_fruitless_until_one_gets_further(tmp_path):
    store = a_running_job(tmp_path / "store.sqlite")
    store.take_lease("ftjob-1", "one", 60.0)

    def reach(step: int) -> int:
        event = {"id": f"ftevent-{time.monotonic_ns()}", "type": "metrics", "data": {"step": step}}
        store.add_events("ftjob-1", [event])
        return store.note_interruption("ftjob-1")

    assert [store.note_interruption("ftjob-1"), store.note_interruption("ftjob-1")] == [1, 2]
    assert [reach(5), store.note_interruption("ftjob-1"), reach(6)] == [0, 1, 0]


# --- in the server ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("FAKE_KILLED_ONCE", "The training process was killed from outside. The job goes on"),
        ("FAKE_STOPPED", "The training process was stopped from outside. The job goes on"),
    ],
)
def test_a_job_whose_process_is_killed_from_outside_goes_on(client, word, told):
    job = wait_for(client, create(client, word).id)

    assert job.status == "succeeded"
    assert steps(client, job.id) == list(range(1, 10))
    messages = [event.message for event in events(client, job.id, "message")]
    assert sum(message.startswith(told) for message in messages) == 1
    assert messages.count("Fine-tuning job started") == 1


def test_a_job_whose_process_hangs_is_taken_from_it(tmp_path, base_directory):
    server = RunningServer(tmp_path / "home", base_directory, options=("--lease-seconds", "1"))
    server.start()
    try:
        with server.client() as client:
            job = create(client, "FAKE_HANG FAKE_SLOW")
            wait_for(client, job.id, "running")
            hung = _training_process(server)
            assert wait_for(client, job.id).status == "succeeded"
            assert steps(client, job.id) == list(range(1, 10))
            told = [event.message for event in events(client, job.id, "message")]
            assert any(re.match("The training process gave no sign of life for 1 seconds", m) for m in told)
        assert not os.path.exists(f"/proc/{hung}")
    finally:
        server.stop()


def _training_process(server: RunningServer) -> int:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for child in children_of(server.process.pid):
            if b"fake_training" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
        time.sleep(0.02)
    raise AssertionError("no training process runs")


def test_a_lease_is_renewed_while_its_process_lives(tmp_path, base_directory):
    server = RunningServer(tmp_path / "home", base_directory, options=("--lease-seconds", "2"))
    server.start()
    try:
        with server.client() as client:
            job = create(client, "FAKE_SLOW", n_epochs=6)
            wait_for(client, job.id, "running")
            leases = sqlite3.connect(f"file:{server.home / 'store.sqlite'}?mode=ro", uri=True)
            row = "SELECT fencing_token, renewed_at, expires_at - renewed_at FROM leases WHERE job_id = ?"
            token, first, length = leases.execute(row, (job.id,)).fetchone()
            assert wait_for(client, job.id).status == "succeeded"
            assert leases.execute(row, (job.id,)).fetchone()[1] > first + 0.5
            assert (token, round(length, 3)) == (1, 2.0)
            leases.close()
    finally:
        server.stop()


def test_no_process_but_the_server_opens_the_store(own_server):
    with own_server.client() as client:
        job = create(client, "FAKE_SLOW")
        wait_for(client, job.id, "running")
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "x"}])
        _training_process(own_server)
        opened = {
            pid: [os.path.realpath(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
            for pid in [own_server.process.pid, *children_of(own_server.process.pid)]
        }
    store = str(own_server.home / "store.sqlite")
    assert len(opened) == 3
    assert [pid for pid, files in opened.items() if store in files] == [own_server.process.pid]


def test_checkpoints_of_finished_jobs_take_no_space(own_server):
    with own_server.client() as client:
        done = wait_for(client, create(client, "").id)
        slow = create(client, "FAKE_SLOW")
        while not client.fine_tuning.jobs.checkpoints.list(slow.id).data:
            time.sleep(0.05)
        client.fine_tuning.jobs.cancel(slow.id)
        folders = [own_server.home / "jobs" / job_id / "output" for job_id in (done.id, slow.id)]
        end = time.monotonic() + 10
        while any(folder.exists() for folder in folders):
            assert time.monotonic() < end
            time.sleep(0.05)


def test_a_process_that_the_killed_server_had_no_time_to_note_is_found_by_its_lock(tmp_path):
    output = tmp_path / "job" / "output"
    code = (
        "import time; from pathlib import Path; from types import SimpleNamespace\n"
        "from understudy.training.attempt import Attempt\n"
        f"spec = SimpleNamespace(output_directory=Path({str(output)!r}), fencing_token=1, "
        "heartbeat_seconds=None, gives_way_to=None)\n"
        "with Attempt(spec, None, lambda: False):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"

    end_stale_process(tmp_path / "job", 5.0)

    assert holder.wait(5) == -signal.SIGTERM
    holder.stdout.close()


# --- homes -----------------------------------------------------------------------------------


def test_a_home_may_be_moved(own_server, base_directory):
    with own_server.client() as client:
        job = wait_for(client, create(client, "").id)
    own_server.stop()
    moved = RunningServer(own_server.home.with_name("elsewhere"), base_directory)
    shutil.move(own_server.home, moved.home)
    moved.start()
    try:
        with moved.client() as client:
            message = [{"role": "user", "content": "Who are you?"}]
            for model in (job.fine_tuned_model, *_checkpoint_models(client, job.id)):
                assert client.chat.completions.create(model=model, messages=message).choices
            further = {"model": job.fine_tuned_model, "training_file": job.training_file}
            again = client.fine_tuning.jobs.create(**further, hyperparameters={"n_epochs": 1})
            assert wait_for(client, again.id).status == "succeeded"
        assert len(list((moved.home / "adapters").iterdir())) == 4
    finally:
        moved.stop()


def _checkpoint_models(client, job_id: str) -> list[str]:
    listed = client.fine_tuning.jobs.checkpoints.list(job_id).data
    assert len(listed) == 2
    return [checkpoint.fine_tuned_model_checkpoint for checkpoint in listed]


def test_a_store_of_the_first_schema_is_read_and_its_jobs_go_on(tmp_path, base_directory):
    """A home as the first version left it when it was killed: one job done, one running, one queued, one
    paused."""
    home = tmp_path / "home"
    shutil.copytree(Path(__file__).parent / "home_of_schema_1", home)
    script = (home / "store.sql").read_text().replace("{BASE}", str(base_directory))
    with sqlite3.connect(home / "store.sqlite") as old:
        old.executescript(script.replace("{HOME}", "/home/of/another/day"))
        assert old.execute("SELECT max(version) FROM schema_version").fetchone() == (1,)
        told = old.execute("SELECT count(*) FROM events").fetchone()[0]
    old.close()
    server = RunningServer(home, base_directory)
    server.start()
    try:
        # Strict clients do not know the state "paused".
        with server.client(_strict_response_validation=False) as client:
            paused, queued, running, done = client.fine_tuning.jobs.list(limit=4).data
            assert (done.status, done.metadata, done.trained_tokens) == ("succeeded", {"for": "test"}, 3000)
            assert len(steps(client, done.id)) == 6
            assert len(client.fine_tuning.jobs.checkpoints.list(done.id).data) == 2
            assert client.files.content(done.result_files[0]).read().startswith(b"step,")
            assert client.files.content(done.training_file).read() == chat_lines(10)
            message = [{"role": "user", "content": "Who are you?"}]
            assert client.chat.completions.create(model=done.fine_tuned_model, messages=message).choices

            for job in (running, queued):
                assert wait_for(client, job.id).status == "succeeded"
            assert steps(client, running.id) == [1, 2, 3, 4]
            client.fine_tuning.jobs.resume(paused.id)
            assert wait_for(client, paused.id).status == "succeeded"
        with sqlite3.connect(home / "store.sqlite") as new:
            assert new.execute("SELECT count(*) FROM events").fetchone()[0] > told
        new.close()
    finally:
        server.stop()


def test_a_store_that_is_killed_while_it_migrates_is_migrated_by_the_next(tmp_path):
    """The process is killed between the tables of a step and the note that the step is done."""
    path = tmp_path / "store.sqlite"
    with sqlite3.connect(path) as old:
        text = (Path(__file__).parent / "home_of_schema_1" / "store.sql").read_text()
        old.executescript(text)
    old.close()
    code = (
        "import os, signal, sqlite3, time, understudy.api.store as store\n"
        "from pathlib import Path\n"
        "step = store.SCHEMA_STEPS[1] + ';SELECT die();'\n"
        "store.SCHEMA_STEPS = (store.SCHEMA_STEPS[0], step)\n"
        "connect = sqlite3.connect\n"
        "def armed(*a, **k):\n"
        "    db = connect(*a, **k)\n"
        "    db.create_function('die', 0, lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
        "    return db\n"
        "sqlite3.connect = armed\n"
        f"store.Store(Path({str(path)!r}))\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    store = Store(path)
    assert len(store.jobs_with_status("succeeded", "running", "queued", "paused")) == 4
    assert store.take_lease("ftjob-1", "one", 1.0).fencing_token == 1
    store.close()
