"""Attempts at a job: an older one gives way, a newer one goes on, and nothing that was reported is lost."""

import io
import json
import threading
import time

import pytest

from understudy.inference.channel import Channel
from understudy.training.attempt import FENCE, LOCK, Attempt
from understudy.training.journal import Journal
from understudy.training.spec import load_spec

from .conftest import Job

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def attempt(job: Job, token: int, reported_step: int = 0) -> None:
    """Number the next attempt as the server does."""
    job.spec["attempt"] = {
        "fencing_token": token,
        "heartbeat_seconds": 0.05,
        "reported_step": reported_step,
    }
    job.output.mkdir(exist_ok=True)
    (job.output / FENCE).write_text(str(token))


def told(events: list[dict], kind: str) -> list[int]:
    return [event["step"] for event in events if event["event"] == kind]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_model) -> tuple[Job, list[dict]]:
    """The same job without interruption."""
    job = Job(tmp_path_factory.mktemp("whole"), tiny_model("llama"))
    return job, job.run()


def test_an_attempt_that_was_superseded_before_it_began_writes_nothing(job: Job) -> None:
    attempt(job, 1)
    (job.output / FENCE).write_text("2")
    assert [event for event in job.run() if event["event"] != "heartbeat"] == []
    assert {path.name for path in job.output.iterdir()} == {FENCE, LOCK}


def test_an_attempt_that_is_superseded_on_the_way_writes_nothing_more(job: Job) -> None:
    attempt(job, 1)
    job.spec["hyperparameters"]["n_epochs"] = 1000  # Would train for minutes.
    process = job.start()
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "checkpoint" and event["step"] >= 12:
            break
    (job.output / FENCE).write_text("2")
    before = {path.name for path in job.output.glob("checkpoint-*")}
    reader = threading.Thread(target=process.stdout.read)
    reader.start()
    assert process.wait(20) == 1
    reader.join()
    assert "a newer attempt trains this job" in process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    # What was under way when the number rose may be finished; nothing is begun.
    after = {path.name for path in job.output.glob("checkpoint-*")}
    assert len(after ^ before) <= 20
    time.sleep(0.2)
    assert {path.name for path in job.output.glob("checkpoint-*")} == after


def test_a_newer_attempt_waits_for_the_older_one_to_leave(whole, job: Job) -> None:
    finished, _ = whole
    attempt(job, 1)
    older = job.start()
    for line in older.stdout:
        if json.loads(line)["event"] == "step":
            break
    older.stdout.close()  # Its server was killed; it saves what it has and leaves.
    attempt(job, 2)
    assert job.run()[-1]["event"] == "done"
    assert older.wait(20) == 1
    older.stderr.close()
    assert job.weights() == finished.weights()


def test_a_process_whose_server_was_killed_leaves_though_it_has_nothing_to_say(job: Job) -> None:
    """Killed while the base model loads, which may take minutes."""
    attempt(job, 1)
    code = (
        "import time\n"
        "import understudy.training.objective as objective\n"
        "load = objective.load_examples\n"
        "objective.load_examples = lambda *a: (time.sleep(1.0), load(*a))[1]\n"
    )
    process = job.start(code)
    first = json.loads(process.stdout.readline())
    assert first["event"] == "heartbeat"
    assert first["memory_bytes"] > 1_000_000
    process.stdout.close()
    assert process.wait(120) == 1
    process.stderr.close()
    assert not list(job.output.glob("checkpoint-*"))


def test_steps_and_checkpoints_that_no_server_heard_of_are_told_again(whole, job: Job) -> None:
    _, expected = whole
    attempt(job, 1)
    job.run(stop_after=15)

    attempt(job, 2, reported_step=4)
    events = [event for event in job.run() if event["event"] != "heartbeat"]

    assert told(events, "step") == list(range(5, 19))
    assert told(events, "checkpoint") == [6, 12, 18]
    order = [(e["event"], e["step"]) for e in events if e["event"] in ("step", "checkpoint")]
    assert order.index(("step", 6)) + 1 == order.index(("checkpoint", 6))
    losses = {e["step"]: e["train_loss"] for e in expected if e["event"] == "step"}
    assert all(e["train_loss"] == losses[e["step"]] for e in events if e["event"] == "step")


def test_the_journal_skips_torn_lines_and_forgets_what_will_be_repeated(tmp_path) -> None:
    journal = Journal(tmp_path)
    assert journal.rewind(0) == []
    for step in range(1, 6):
        journal.append({"event": "step", "step": step})
    with (tmp_path / "steps.jsonl").open("a") as file:
        file.write('{"event":"step","st')
    assert [report["step"] for report in journal.rewind(3)] == [1, 2, 3]
    journal.append({"event": "step", "step": 4})
    journal.sync()
    assert [report["step"] for report in journal.rewind(9)] == [1, 2, 3, 4]


class Quiet(Channel):
    """A channel to nowhere."""

    def send(self, **event: object) -> None:
        pass


def test_who_gives_way_waits_four_times_its_work_and_no_longer(job: Job) -> None:
    mark = job.root / "answering"
    job.spec["attempt"] = {"fencing_token": 1, "heartbeat_seconds": 60, "gives_way_to": str(mark)}
    path = job.root / "spec.json"
    path.write_text(json.dumps(job.spec))
    asked = threading.Event()
    attempt = Attempt(load_spec(path), Quiet(io.StringIO()), asked.is_set)

    def seconds() -> float:
        began = time.monotonic()
        attempt.give_way()
        return time.monotonic() - began

    mark.touch()
    assert seconds() < 0.05  # nothing was worked before
    time.sleep(0.1)
    assert 0.35 < seconds() < 2.0
    time.sleep(0.1)
    threading.Timer(0.1, mark.unlink).start()
    assert 0.05 < seconds() < 0.35  # the last reply has ended
    time.sleep(0.1)
    assert seconds() < 0.05  # nobody is answered
    mark.touch()
    time.sleep(0.1)
    asked.set()
    assert seconds() < 0.05  # asked to stop
