"""Shortage: a full disk and memory that runs out end in a failed job with a reason, for real."""

import json
import os
import re
import secrets
import shutil
import subprocess
import time
from pathlib import Path

import openai
import pytest
from running_server import RunningServer, chat_lines, wait_for

GROUPS = Path("/sys/fs/cgroup")


def create(client, word: str):
    file = client.files.create(file=("a.jsonl", chat_lines(12, word)), purpose="fine-tune")
    numbers = {"n_epochs": 3, "batch_size": 4}
    return client.fine_tuning.jobs.create(model="gpt-4o", training_file=file.id, hyperparameters=numbers)


@pytest.fixture
def memory_group():
    """A control group of 512 MiB; skipped where this user may not make one."""
    unified = (GROUPS / "cgroup.controllers").exists()
    group = (GROUPS if unified else GROUPS / "memory") / f"understudy-test-{secrets.token_hex(4)}"
    limit = group / ("memory.max" if unified else "memory.limit_in_bytes")
    swap = group / ("memory.swap.max" if unified else "memory.memsw.limit_in_bytes")
    try:
        group.mkdir()
        limit.write_text(str(512 * 2**20))
        if swap.exists():
            swap.write_text("0" if unified else str(512 * 2**20))
    except OSError as error:
        if group.is_dir():
            group.rmdir()
        pytest.skip(f"this user may not limit memory here ({error})")
    yield group
    for _ in range(50):
        try:
            group.rmdir()
            return
        except OSError:
            time.sleep(0.1)


def test_a_job_that_takes_all_memory_fails_with_advice_and_the_server_lives_on(memory_group, own_server):
    (memory_group / "cgroup.procs").write_text(str(own_server.process.pid))
    with own_server.client() as client:
        job = wait_for(client, create(client, "FAKE_HUNGRY").id, seconds=60)

        assert (job.status, job.error.code) == ("failed", "out_of_memory")
        assert job.error.message.startswith("The training process was killed because memory ran out.")
        assert "smaller batch_size" in job.error.message
        # It was one attempt: what ran out of memory once is not tried again.
        told = [event.message for event in client.fine_tuning.jobs.list_events(job.id, limit=100)]
        assert not any("goes on" in message for message in told)
        assert wait_for(client, create(client, "").id).status == "succeeded"
    assert own_server.process.poll() is None


@pytest.fixture
def small_disk(tmp_path):
    """A RAM disk of 2 MiB; skipped where this user may not mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a RAM disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_refuses_uploads_fails_the_job_and_is_over_when_there_is_space(
    small_disk, base_directory
):
    server = RunningServer(small_disk / "home", base_directory)
    server.start()
    filler = small_disk / "filler"
    try:
        with server.client() as client:
            kept = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
            job = create(client, "FAKE_VERY_SLOW")
            wait_for(client, job.id, "running")
            _fill(filler)
            with pytest.raises(openai.InternalServerError) as caught:
                client.files.create(file=("big.jsonl", chat_lines(20000)), purpose="fine-tune")
            assert (caught.value.status_code, caught.value.code) == (507, "disk_full")
            assert "Free some space" in caught.value.message
            assert [file.id for file in client.files.list()][-1] == kept.id
            assert client.files.content(kept.id).read() == chat_lines()

            time.sleep(2.0)  # The job cannot write either, not even that it failed.
            filler.unlink()
            failed = wait_for(client, job.id, seconds=30)
            assert (failed.status, failed.error.code) == ("failed", "disk_full")
            assert "Free some space" in failed.error.message
            assert wait_for(client, create(client, "").id).status == "succeeded"
    finally:
        server.stop()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
                    os.fsync(file.fileno())
            except OSError:
                continue


@pytest.mark.skipif(
    Path("/dev/nvidia0").exists(), reason="where there is a GPU, the training process decides"
)
def test_a_base_beyond_this_machines_memory_is_refused_before_the_job_starts_with_the_sum(
    own_server, tmp_path
):
    """Its weights are a hole in a file: 600 GB that take no space."""
    base = tmp_path / "huge"
    base.mkdir()
    shape = {"hidden_size": 8192, "num_hidden_layers": 80, "intermediate_size": 28672, "vocab_size": 128256}
    (base / "config.json").write_text(json.dumps({"model_type": "llama"} | shape))
    numbers = 300_000_000_000
    tensor = {"dtype": "BF16", "shape": [numbers], "data_offsets": [0, 2 * numbers]}
    header = json.dumps({"weight": tensor}).encode()
    with (base / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 2 * numbers)
    with own_server.client() as client:
        file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
        job = client.fine_tuning.jobs.create(model=str(base), training_file=file.id)
        failed = wait_for(client, job.id, seconds=60)
        told = [event.message for event in client.fine_tuning.jobs.list_events(job.id, limit=100)]

    assert (failed.status, failed.error.code, failed.error.param) == ("failed", "out_of_memory", "model")
    sums = (
        r"weights 558\.8 \+ adapter with optimizer \d\.\d = 5\d\d\.\d GiB, and this machine has \d+\.\d GiB"
    )
    assert re.search(sums, failed.error.message)
    assert "Fine-tuning job started" not in told
