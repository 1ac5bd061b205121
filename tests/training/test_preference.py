"""Direct preference optimisation: the loss, the reference, the job."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from models import write_chat_file, write_preference_file

from understudy.inference.base import check_base, choose_placement, load_base
from understudy.rendering import Renderer
from understudy.training.lora import add_lora
from understudy.training.objective import Learner
from understudy.training.packed_attention import pack_attention
from understudy.training.preference import Pair, Preference
from understudy.training.spec import Lora

from .conftest import Job

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def events_of(events: list[dict], kind: str) -> list[dict]:
    return [event for event in events if event["event"] == kind]


def learner_on(directory: Path, packs: bool) -> Learner:
    """A model whose adapter says something else than its base."""
    files = check_base(directory)
    model = load_base(files, choose_placement(files.parameters))
    if packs:
        assert pack_attention(model)
    tuned = add_lora(model, Lora(4, 8, 0.0), seed=1)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    head = model.get_output_embeddings()
    return Learner(tuned, tuned, head, torch.device("cpu"), Renderer.load(directory))


def logprob(model, ids: list[int], labels: list[int]) -> torch.Tensor:
    """Of the learned tokens of one sequence, from the plain forward pass."""
    logits = model(input_ids=torch.tensor([ids])).logits[0, :-1]
    return -F.cross_entropy(logits, torch.tensor(labels[1:]), reduction="sum")


@pytest.mark.parametrize("packs", [False, True])
def test_the_loss_is_that_of_the_paper_with_the_bare_base_as_reference(
    packs: bool, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    learner = learner_on(tiny_model("llama"), packs)
    objective = Preference(beta=0.3)
    found = objective.load(write_preference_file(tmp_path / "p.jsonl", 12), learner.renderer, 256)
    objective.prepare(learner, [found], 10_000)
    piece = found.examples[:5]

    loss, (_, _, pairs, won, margin) = objective.measure(learner, piece, training=True)
    loss.backward()

    own = {n: p.grad.clone() for n, p in learner.tuned.named_parameters() if p.requires_grad}
    learner.tuned.zero_grad()
    expected, margins = torch.zeros(()), []
    for pair in piece:
        both = [(e.ids, e.labels) for e in (pair.preferred, pair.rejected)]
        tuned = [logprob(learner.tuned, *one) for one in both]
        with torch.no_grad(), learner.tuned.disable_adapter():
            bare = [logprob(learner.tuned, *one) for one in both]
        margins.append(0.3 * ((tuned[0] - bare[0]) - (tuned[1] - bare[1])))

        expected = expected - F.logsigmoid(margins[-1])
    expected.backward()
    torch.testing.assert_close(loss.detach(), expected.detach(), rtol=1e-4, atol=1e-4)
    values = [float(m.detach()) for m in margins]
    assert int(pairs) == 5
    assert int(won) == sum(value > 0 for value in values)
    assert float(margin) == pytest.approx(sum(values), abs=1e-3)
    for name, parameter in learner.tuned.named_parameters():
        if parameter.requires_grad:
            largest = float(parameter.grad.abs().max())
            torch.testing.assert_close(own[name], parameter.grad, rtol=0, atol=1e-4 * largest)


def test_only_the_two_replies_are_compared(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    renderer = Renderer.load(tiny_model("llama"))
    pairs: list[Pair] = (
        Preference(0.1).load(write_preference_file(tmp_path / "p.jsonl", 12), renderer, 256).examples
    )
    for pair in pairs:
        for example, begins in ((pair.preferred, "Alas, "), (pair.rejected, "As a machine")):
            learned = [i for i, label in zip(example.ids, example.labels, strict=True) if label != -100]
            assert renderer.decode(learned).startswith(begins)
            assert example.labels[-1] != -100  # the end of the turn
            assert len(learned) == example.learned < len(example.ids) - 10


@pytest.fixture
def preference_job(job: Job) -> Job:
    job.spec["method"] = "dpo"
    job.spec["training_file"] = str(write_preference_file(job.root / "train.jsonl", 24))
    job.spec["validation_file"] = str(write_preference_file(job.root / "valid.jsonl", 6))
    job.spec["hyperparameters"] |= {"beta": 0.1, "learning_rate": 0.002}
    job.spec["lora"]["dropout"] = 0.0
    return job


def test_a_job_learns_to_prefer_and_says_so(preference_job: Job) -> None:
    events = preference_job.run()
    steps = events_of(events, "step")
    assert events[-1]["event"] == "done"
    assert steps[0]["train_loss"] == pytest.approx(math.log(2), abs=1e-4)  # a fresh adapter prefers nothing
    assert steps[0]["train_reward_margin"] == pytest.approx(0, abs=1e-3)
    assert steps[-1]["train_loss"] < 0.3
    assert steps[-1]["train_reward_accuracy"] == 1.0
    assert steps[-1]["full_valid_reward_accuracy"] > 0.9
    assert steps[-1]["full_valid_reward_margin"] > 1
    assert 0 <= steps[-1]["train_mean_token_accuracy"] <= 1


def test_a_stopped_job_resumes_to_bitwise_the_same_weights(preference_job: Job) -> None:
    preference_job.run()
    whole = preference_job.weights()
    import shutil

    shutil.rmtree(preference_job.output)
    assert preference_job.run(stop_after=8)[-1] == {"event": "stopped", "step": 8}
    assert preference_job.run()[-1]["event"] == "done"
    assert preference_job.weights() == whole
    preference_job.spec["hyperparameters"]["beta"] = 0.5
    again = preference_job.run()
    assert "other settings" in events_of(again, "warning")[-1]["message"]


def test_preferences_are_learned_on_top_of_a_tuned_model(preference_job: Job) -> None:
    job = preference_job
    supervised = {**job.spec, "method": "supervised", "output_directory": str(job.root / "first")}
    supervised["training_file"] = str(write_chat_file(job.root / "chats.jsonl", 24))
    supervised["validation_file"] = None
    dpo, job.spec = job.spec, supervised
    assert job.run()[-1]["event"] == "done"
    job.spec = dpo | {"adapter": str(job.root / "first" / "model")}

    events = job.run()

    steps = events_of(events, "step")
    assert events[-1]["event"] == "done"
    # The reference is the bare base, which the tuned model has left before the first step.
    assert abs(steps[0]["train_reward_margin"]) > 0.5
    assert steps[-1]["train_loss"] < steps[0]["train_loss"]


def test_faulty_lines_are_all_named(preference_job: Job) -> None:
    good = json.loads(Path(preference_job.spec["training_file"]).read_text().splitlines()[0])
    same = {**good, "non_preferred_output": good["preferred_output"]}
    two = {**good, "preferred_output": good["preferred_output"] * 2}
    long = {**good, "input": {"messages": [{"role": "user", "content": "tide " * 300}]}}
    rows = [good, same, two, {"messages": []}, long]
    text = "".join(json.dumps(row) + "\n" for row in rows) + "[]\n"
    Path(preference_job.spec["training_file"]).write_text(text)

    (failed,) = preference_job.run()

    assert (failed["code"], failed["param"]) == ("invalid_training_file", "training_file")
    lines = failed["message"].splitlines()
    assert [line.split()[1] for line in lines] == ["2", "3", "4", "5", "6"]
    assert "both replies are the same" in lines[0]
    assert "each a list of one assistant message" in lines[1]
    assert "has no 'input'" in lines[2]
    assert "both replies are the same up to max_tokens (256)" in lines[3]
    assert "is not a JSON object" in lines[4]


@pytest.mark.parametrize("beta", [0, -1, 2.5, "0.1"])
def test_beta_has_a_range(preference_job: Job, beta: object) -> None:
    preference_job.spec["hyperparameters"]["beta"] = beta
    (failed,) = preference_job.run()
    assert failed["code"] == "invalid_specification"
    assert "beta is" in failed["message"]
