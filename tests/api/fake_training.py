"""A training process that trains nothing but speaks the protocol, for tests of the server.

What it does is chosen by words in the training file: FAKE_CRASH, FAKE_KILLED (each time at step 2),
FAKE_KILLED_ONCE, FAKE_HANG (once, at step 2), FAKE_STOPPED (once, at step 2), FAKE_HUNGRY (takes all
memory at step 2), FAKE_FAIL, FAKE_SLOW, FAKE_VERY_SLOW.
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

spec = json.loads(Path(sys.argv[1]).read_text())
output = Path(spec["output_directory"])
text = Path(spec["training_file"]).read_text(encoding="utf-8-sig")
examples = sum(1 for line in text.splitlines() if line.strip())
epochs, size = spec["hyperparameters"]["n_epochs"], spec["hyperparameters"]["batch_size"]
per_epoch = -(-examples // size)
total = epochs * per_epoch
stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)


def send(**event):
    print(json.dumps(event), flush=True)


def save(name):
    folder, beside = output / name, output / f".{name}.partial"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    (beside / "adapter_model.safetensors").write_bytes(b"weights " + name.encode())
    (beside / "adapter_config.json").write_text("{}")
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    return str(folder)


def metrics_of(step):
    metrics = {"train_loss": 2.0 / step, "train_mean_token_accuracy": 0.5}
    if step % per_epoch == 0:
        metrics |= {"full_valid_loss": 1.5, "full_valid_mean_token_accuracy": 0.4}
    if spec["method"] == "dpo":
        # What it was told comes back as a metric, which is how the tests see it.
        metrics |= {"train_reward_accuracy": 1.0, "train_reward_margin": spec["hyperparameters"]["beta"]}
    return metrics


def report(step):
    send(event="step", step=step, total_steps=total, learned_tokens_per_second=100.0, seconds_left=1.0,
         **metrics_of(step))  # fmt: skip


def report_checkpoint(step, path):
    send(event="checkpoint", step=step, epoch=step // per_epoch, path=path,
         epoch_end=step % per_epoch == 0, **metrics_of(step))  # fmt: skip


def once(word):
    """Whether the file asks for something that has not happened to this job yet."""
    mark = output / f".{word}"
    if word not in text or mark.exists():
        return False
    mark.touch()
    return True


done = max((int(p.name[11:]) for p in output.glob("checkpoint-*")), default=0)
send(event="started", total_steps=total, examples=examples, tokens_per_epoch=1000,
     learned_tokens_per_epoch=300, resumed_from_step=done or None)  # fmt: skip
if "FAKE_FAIL" in text:
    send(
        event="failed",
        code="invalid_training_file",
        message="Example 3 learns nothing.",
        param="training_file",
    )
    sys.exit(1)
for step in range(spec["attempt"]["reported_step"] + 1, done + 1):
    report(step)
for folder in sorted(output.glob("checkpoint-*"), key=lambda folder: int(folder.name[11:])):
    report_checkpoint(int(folder.name[11:]), str(folder))
for step in range(done + 1, total + 1):
    report(step)
    if "FAKE_CRASH" in text and step == 2:
        sys.exit("boom: no such luck")
    if step == 2 and once("FAKE_HANG"):
        os.kill(os.getpid(), signal.SIGSTOP)
    if step == 2 and once("FAKE_STOPPED"):
        os.kill(os.getpid(), signal.SIGTERM)
    if "FAKE_HUNGRY" in text and step == 2:
        Path("/proc/self/oom_score_adj").write_text("800")
        eaten = [b"x" * 2**20 for _ in range(2**20)]
    if step == 2 and (once("FAKE_KILLED_ONCE") or "FAKE_KILLED " in text):
        os.kill(os.getpid(), signal.SIGKILL)
    if step % per_epoch == 0 or stopping:
        report_checkpoint(step, save(f"checkpoint-{step}"))
    if stopping:
        send(event="stopped", step=step)
        sys.exit(0)
    time.sleep(0.5 if "FAKE_VERY_SLOW" in text else 0.1 if "FAKE_SLOW" in text else 0.002)
send(
    event="done",
    trained_tokens=1000 * epochs,
    path=save("model"),
    seconds=1.0,
    learned_tokens_per_second=100.0,
)
