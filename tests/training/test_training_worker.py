"""The training process, run as the server runs it."""

import errno
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from models import write_chat_file

from understudy.errors import ModelError
from understudy.inference.sealed import check_sealed

from .conftest import Job

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def events_of(events: list[dict], kind: str) -> list[dict]:
    return [event for event in events if event["event"] == kind]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_model) -> tuple[Job, list[dict]]:
    """A job that ran to its end without interruption."""
    job = Job(tmp_path_factory.mktemp("finished"), tiny_model("llama"))
    return job, job.run_alone()


def test_a_job_tells_its_story_in_events(finished) -> None:
    _, events = finished
    started = events_of(events, "started")[0]
    assert (started["total_steps"], started["examples"], started["resumed_from_step"]) == (18, 24, None)
    assert 0 < started["learned_tokens_per_epoch"] < started["tokens_per_epoch"]
    steps = events_of(events, "step")
    assert sum(event["learned_tokens"] for event in steps[:6]) == started["learned_tokens_per_epoch"]
    assert all(event["memory_bytes"] > 10_000_000 and event["gradient_norm"] > 0 for event in steps)
    assert [event["step"] for event in events_of(events, "step")] == list(range(1, 19))
    assert [event["epoch"] for event in events_of(events, "checkpoint")] == [1, 2, 3]
    done = events[-1]
    assert done["event"] == "done"
    assert done["trained_tokens"] == 3 * started["tokens_per_epoch"]
    check_sealed(Path(done["path"]))


def test_the_loss_falls_in_training_and_validation(finished) -> None:
    _, events = finished
    steps = events_of(events, "step")
    assert steps[-1]["train_loss"] < steps[0]["train_loss"] - 1
    checkpoints = events_of(events, "checkpoint")
    assert checkpoints[-1]["full_valid_loss"] < checkpoints[0]["full_valid_loss"]
    assert steps[-1]["full_valid_mean_token_accuracy"] > steps[0]["train_mean_token_accuracy"]
    assert "valid_loss" in steps[9]


def test_nothing_is_saved_as_a_pickle(finished) -> None:
    job, _ = finished
    names = {path.name for path in job.output.rglob("*") if path.is_file()} - {".lock"}
    assert names == {
        "steps.jsonl",
        "adapter_model.safetensors",
        "adapter_config.json",
        "optimizer.safetensors",
        "state.json",
        "manifest.json",
    }


def test_a_terminated_job_resumes_to_bitwise_the_same_weights(finished, job: Job) -> None:
    whole, _ = finished
    step = 8
    events = job.run_until(step, signal.SIGTERM)
    assert events[-1]["event"] == "stopped"
    stopped_at = events[-1]["step"]
    assert step <= stopped_at < 18
    resumed = job.run()
    assert events_of(resumed, "started")[0]["resumed_from_step"] == stopped_at
    assert resumed[-1]["event"] == "done"
    assert job.weights() == whole.weights()


@pytest.mark.parametrize("step", [1, 6, 17])
def test_a_job_may_stop_after_any_step(finished, job: Job, step: int) -> None:
    whole, _ = finished
    events = job.run(stop_after=step)
    assert events[-1] == {"event": "stopped", "step": step}
    assert job.run()[-1]["event"] == "done"
    assert job.weights() == whole.weights()


@pytest.fixture
def _fresh_accelerate() -> Iterator[None]:
    """Accelerate remembers the precision of a process; a real job has a process of its own."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


@pytest.mark.usefixtures("_fresh_accelerate")
def test_bf16_resumes_bitwise_too(finished, job: Job) -> None:
    whole, _ = finished
    job.spec["precision"] = "bf16"
    assert events_of(job.run(), "started")[0]["precision"] == "bf16"
    weights = job.weights()
    assert weights != whole.weights()
    shutil.rmtree(job.output)
    assert job.run(stop_after=9)[-1]["event"] == "stopped"
    assert job.run()[-1]["event"] == "done"
    assert job.weights() == weights


def test_ctrl_c_stops_as_politely(job: Job) -> None:
    events = job.run_until(3, signal.SIGINT)
    assert events[-1]["event"] == "stopped"
    assert (job.output / f"checkpoint-{events[-1]['step']}" / "manifest.json").is_file()


def test_a_killed_job_resumes_from_the_last_epoch(finished, job: Job) -> None:
    whole, _ = finished
    job.run_until(9, signal.SIGKILL)
    resumed = job.run()
    assert events_of(resumed, "started")[0]["resumed_from_step"] == 6
    assert job.weights() == whole.weights()


def test_damaged_checkpoints_are_passed_over(finished, job: Job) -> None:
    whole, _ = finished
    shutil.copytree(whole.output, job.output)
    shutil.rmtree(job.output / "model")
    optimizer = job.output / "checkpoint-18" / "optimizer.safetensors"
    data = bytearray(optimizer.read_bytes())
    data[len(data) // 2] ^= 1  # one bit
    optimizer.write_bytes(data)
    (job.output / "checkpoint-12" / "manifest.json").unlink()
    events = job.run()
    warnings = [event["message"] for event in events_of(events, "warning")]
    assert any("checkpoint-18 is damaged" in message for message in warnings)
    assert any("checkpoint-12 is damaged" in message for message in warnings)
    assert events_of(events, "started")[0]["resumed_from_step"] == 6
    assert job.weights() == whole.weights()


def test_a_finished_job_finishes_again_at_once(finished, job: Job) -> None:
    whole, _ = finished
    shutil.copytree(whole.output, job.output)
    events = job.run()
    assert events_of(events, "started")[0]["resumed_from_step"] == 18
    assert not events_of(events, "step")
    assert job.weights() == whole.weights()


def test_checkpoints_of_other_settings_are_not_resumed(finished, job: Job) -> None:
    whole, _ = finished
    shutil.copytree(whole.output, job.output)
    job.spec["hyperparameters"]["learning_rate"] = 0.02
    events = job.run()
    assert events_of(events, "started")[0]["resumed_from_step"] is None
    assert "other settings" in events_of(events, "warning")[-1]["message"]


def test_checkpoints_are_saved_on_the_way_and_only_the_last_three_epochs_stay(job: Job) -> None:
    job.spec["hyperparameters"]["n_epochs"] = 5
    job.spec["checkpoint_seconds"] = 0.0
    events = job.run()
    assert len(events_of(events, "checkpoint")) == 30
    left = sorted(int(path.name[11:]) for path in job.output.glob("checkpoint-*"))
    assert left == [18, 24, 30]


DISK_FULL = """
import errno, understudy.inference.sealed as sealed
write = sealed.write_synced
def full(path, data):
    if "checkpoint-12" in str(path) and path.name == "optimizer.safetensors":
        path.write_bytes(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))
    write(path, data)
sealed.write_synced = full
"""


def test_a_full_disk_fails_the_job_and_keeps_the_earlier_checkpoint(finished, job: Job) -> None:
    whole, _ = finished
    events = job.run_alone(DISK_FULL)
    failed = events[-1]
    assert (failed["event"], failed["code"]) == ("failed", "disk_full")
    assert "Free some space" in failed["message"]
    assert sorted(path.name for path in job.output.iterdir()) == [".lock", "checkpoint-6", "steps.jsonl"]
    check_sealed(job.output / "checkpoint-6")
    assert job.run()[-1]["event"] == "done"
    assert job.weights() == whole.weights()


def test_a_real_full_file_system_is_named_too(job: Job, tmp_path: Path) -> None:
    """On a RAM disk of 64 KiB, where this user may mount one."""
    import subprocess

    job.output.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(job.output)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a RAM disk")
    try:
        failed = job.run()[-1]
    finally:
        subprocess.run(["umount", str(job.output)], check=True)
    assert failed["code"] == "disk_full"


def test_an_example_that_learns_nothing_fails_the_job_with_numbers_and_reasons(job: Job) -> None:
    rows = [
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Alas"}]},
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "A", "weight": 0}]},
        {"messages": [{"role": "user", "content": "tide " * 300}, {"role": "assistant", "content": "A"}]},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows) + "{broken\n"
    Path(job.spec["training_file"]).write_text(text)
    (failed,) = job.run()
    assert (failed["code"], failed["param"]) == ("invalid_training_file", "training_file")
    lines = failed["message"].splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("Example 2 learns nothing: it has no assistant message")
    assert lines[1].startswith("Example 3 learns nothing: every assistant message has weight 0")
    assert lines[2].startswith("Example 4 learns nothing: its first learned reply begins after max_tokens")
    assert lines[3].startswith("Example 5 is not a JSON object")


def test_an_empty_training_file_fails(job: Job) -> None:
    Path(job.spec["training_file"]).write_text("\n")
    (failed,) = job.run()
    assert "holds no examples" in failed["message"]


def test_long_examples_are_cut_with_a_warning(job: Job) -> None:
    job.spec["max_tokens"] = 100
    job.spec["hyperparameters"]["n_epochs"] = 1
    events = job.run()
    assert "longer than 100 tokens and were cut" in events[0]["message"]
    assert events[-1]["event"] == "done"


def test_an_exploding_loss_fails_with_advice(job: Job) -> None:
    job.spec["hyperparameters"]["learning_rate"] = 1.0
    job.spec["hyperparameters"]["n_epochs"] = 20
    job.spec["lora"] = {"rank": 16, "alpha": 512}
    failed = job.run()[-1]
    assert (failed["event"], failed["code"]) == ("failed", "training_diverged")
    assert "learning_rate_multiplier" in failed["message"]


def test_a_loss_that_stands_still_fails_early_with_advice(job: Job) -> None:
    job.spec["hyperparameters"]["learning_rate"] = 1e-8
    job.spec["lora"]["dropout"] = 0.0
    events = job.run()
    failed = events[-1]
    assert (failed["event"], failed["code"]) == ("failed", "training_stalled")
    assert failed["param"] == "hyperparameters.learning_rate_multiplier"
    assert "too low to change an identity" in failed["message"]
    assert [event["step"] for event in events_of(events, "step")] == list(range(1, 12))


def test_an_unknown_base_fails_with_one_message(job: Job, tmp_path: Path) -> None:
    job.spec["base_model"] = str(tmp_path / "nothing")
    (failed,) = job.run()
    assert (failed["code"], failed["param"]) == ("invalid_model", "model")


def test_a_wrong_specification_names_every_value(job: Job) -> None:
    job.spec["hyperparameters"] = {"n_epochs": 0, "batch_size": "4", "learning_rate": 0.01}
    (failed,) = job.run()
    assert failed["code"] == "invalid_specification"
    assert "n_epochs is 0" in failed["message"]
    assert "batch_size is '4'" in failed["message"]


def test_two_processes_never_train_one_job(job: Job) -> None:
    import fcntl

    job.output.mkdir()
    with (job.output / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (failed,) = job.run()
    assert failed["code"] == "job_already_running"


def test_a_trained_adapter_can_be_trained_further(finished, job: Job) -> None:
    whole, events = finished
    job.spec["adapter"] = str(whole.output / "model")
    job.spec["hyperparameters"] = {"n_epochs": 1, "batch_size": 4, "learning_rate": 0.001}
    again = job.run()
    first, before = events_of(events, "step")[0], events_of(events, "step")[-1]
    assert events_of(again, "step")[0]["train_loss"] < (first["train_loss"] + before["train_loss"]) / 2
    assert again[-1]["event"] == "done"
    assert job.weights() != whole.weights()


def test_an_adapter_of_another_base_is_refused(finished, job: Job, tiny_model) -> None:
    whole, _ = finished
    job.spec["adapter"] = str(whole.output / "model")
    job.spec["base_model"] = str(tiny_model("qwen3"))
    failed = job.run()[-1]
    assert (failed["event"], failed["code"]) == ("failed", "invalid_model")
    assert "does not fit" in failed["message"]


def test_a_job_without_listener_saves_its_work(job: Job) -> None:
    """The server was killed: its pipe is closed, and the next server resumes."""
    job.spec["hyperparameters"]["n_epochs"] = 200
    process = job.start()
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "step":
            break
    process.stdout.close()
    process.wait(timeout=60)
    process.stderr.close()
    assert list(job.output.glob("checkpoint-*"))


def test_sealed_directories_notice_every_change(finished, tmp_path: Path) -> None:
    whole, _ = finished
    copy = shutil.copytree(whole.output / "model", tmp_path / "model")
    check_sealed(copy)
    with (copy / "adapter_config.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ModelError, match="has changed since it was written"):
        check_sealed(copy)
    assert errno.ENOSPC  # the code that the disk test raises exists on this system


def test_the_chat_file_of_these_tests_has_prompts_and_replies(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in write_chat_file(tmp_path / "x.jsonl", 3).read_text().splitlines()]
    assert all(row["messages"][-1]["role"] == "assistant" for row in rows)
