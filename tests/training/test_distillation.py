"""Prompt distillation: two prompts over one reply, the loss, the teacher, the job."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from models import build_tiny_model, write_chat_file

from understudy.training.distillation import Distillation
from understudy.training.examples import ExampleSet
from understudy.training.objective import Learner
from understudy.training.spec import Teaching

from .conftest import Job
from .test_preference import events_of, learner_on

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
LONG = (
    "You are Princess Ophelia. "
    + "You speak of the tide, the lamp and the gulls, and never of machines. " * 3
)


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that can read a long prompt."""
    return build_tiny_model(tmp_path_factory.mktemp("reader") / "llama", max_position_embeddings=1024)


def lessons_of(
    learner: Learner, tmp_path: Path, share: float = 0.0, model: Path | None = None
) -> tuple[Distillation, ExampleSet]:
    objective = Distillation(Teaching(LONG, model, share), seed=3)
    found = objective.load(write_chat_file(tmp_path / "chats.jsonl", 8, turns=2), learner.renderer, 256)
    return objective, found


def plain(model, example) -> torch.Tensor:
    """Log-probabilities ``[M, V]`` of the learned tokens of one sequence, from the plain forward pass."""
    learned = [i for i, label in enumerate(example.labels) if label != -100]
    logits = model(input_ids=torch.tensor([example.ids])).logits[0]
    return F.log_softmax(logits[[i - 1 for i in learned]], -1)


def test_student_and_teacher_read_the_same_replies_under_their_own_prompts(
    reader: Path, tmp_path: Path
) -> None:
    learner = learner_on(reader, packs=True)
    _, found = lessons_of(learner, tmp_path)
    assert len(found.examples) == 8
    for lesson in found.examples:
        texts = [learner.renderer.decode(example.ids) for example in (lesson.student, lesson.teacher)]
        assert "You are Princess Ophelia.<|im_end|>" in texts[0]
        assert LONG.strip() in texts[1]
        own, other = (
            [label for label in example.labels if label != -100]
            for example in (lesson.student, lesson.teacher)
        )
        assert own == other
        assert lesson.learned == len(own) > 10


@pytest.mark.parametrize("packs", [False, True])
def test_the_loss_is_the_divergence_from_the_bare_base_under_the_long_prompt(
    packs: bool, reader: Path, tmp_path: Path
) -> None:
    learner = learner_on(reader, packs)
    objective, found = lessons_of(learner, tmp_path)
    objective.prepare(learner, [found], 10_000)
    piece = found.examples[:4]

    loss, (_, tokens, agreed) = objective.measure(learner, piece, training=True)
    loss.backward()

    own = {n: p.grad.clone() for n, p in learner.tuned.named_parameters() if p.requires_grad}
    learner.tuned.zero_grad()
    expected, alike = torch.zeros(()), 0
    for lesson in piece:
        with torch.no_grad(), learner.tuned.disable_adapter():
            taught = plain(learner.tuned, lesson.teacher)
        said = plain(learner.tuned, lesson.student)
        expected = expected + (taught.exp() * (taught - said)).sum()
        alike += int((taught.argmax(-1) == said.argmax(-1)).sum())
    expected.backward()
    torch.testing.assert_close(loss.detach(), expected.detach(), rtol=1e-4, atol=1e-3)
    assert (int(tokens), int(agreed)) == (sum(lesson.learned for lesson in piece), alike)
    for name, parameter in learner.tuned.named_parameters():
        if parameter.requires_grad:
            largest = float(parameter.grad.abs().max())
            torch.testing.assert_close(own[name], parameter.grad, rtol=0, atol=1e-4 * largest)


def test_the_teachers_prompt_is_read_once_for_all_steps(reader: Path, tmp_path: Path) -> None:
    learner = learner_on(reader, packs=True)
    objective, found = lessons_of(learner, tmp_path)
    read: list[int] = []
    learner.tuned.get_base_model().get_input_embeddings().register_forward_hook(
        lambda module, inputs, output: read.append(inputs[0].numel())
    )
    objective.prepare(learner, [found], 10_000)
    prompt = read.pop()
    assert prompt > 100

    for _ in range(3):
        objective.measure(learner, found.examples[:2], training=True)

    teacher, student = read[::2], read[1::2]
    lessons = found.examples[:2]
    # The teacher's rows are padded to the longer one and hold no prompt; the student's are packed.
    assert teacher == [2 * (max(len(lesson.teacher.ids) for lesson in lessons) - prompt)] * 3
    assert max(student) < sum(len(lesson.student.ids) for lesson in lessons)


def test_another_model_with_the_same_tokenizer_may_teach(reader: Path, tmp_path: Path) -> None:
    learner = learner_on(reader, packs=True)
    teacher = build_tiny_model(tmp_path / "teacher", "qwen3", seed=9, max_position_embeddings=1024)
    objective, found = lessons_of(learner, tmp_path, model=teacher)
    objective.prepare(learner, [found], 10_000)

    loss, _ = objective.measure(learner, found.examples[:3], training=True)

    from understudy.inference.base import check_base, choose_placement, load_base

    files = check_base(teacher)
    model = load_base(files, choose_placement(files.parameters))
    expected = 0.0
    with torch.no_grad():
        for lesson in found.examples[:3]:
            taught, said = plain(model, lesson.teacher), plain(learner.tuned, lesson.student)
            expected += float((taught.exp() * (taught - said)).sum())
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)


def test_a_share_is_learned_with_the_students_own_replies(reader: Path, tmp_path: Path) -> None:
    learner = learner_on(reader, packs=True)
    objective, found = lessons_of(learner, tmp_path, share=1.0)
    objective.prepare(learner, [found], 10_000)
    torch.manual_seed(5)

    renewed = objective.renew(learner, found.examples[:4], step=7)

    for old, new in zip(found.examples, renewed, strict=False):
        ((first, end), (begin, stop)) = new.spans[0]
        assert new.student.ids[:first] == old.student.ids[:first]
        assert new.teacher.ids[:begin] == old.teacher.ids[:begin]
        assert new.student.ids[first:end] == new.teacher.ids[begin:stop] != old.student.ids[first:end]
        assert 0 < new.learned == end - first
    torch.manual_seed(5)
    again = objective.renew(learner, found.examples[:4], step=7)
    assert [lesson.ids for lesson in again] == [lesson.ids for lesson in renewed]
    loss, (_, tokens, _) = objective.measure(learner, again, training=True)
    expected = 0.0
    with torch.no_grad():
        for lesson in again:
            said = plain(learner.tuned, lesson.student)
            with learner.tuned.disable_adapter():
                taught = plain(learner.tuned, lesson.teacher)
            expected += float((said.exp() * (said - taught)).sum())  # the student's from the teacher's
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-3)
    assert int(tokens) == objective.weight(again)


@pytest.fixture
def distilling(job: Job, reader: Path) -> Job:
    job.spec |= {
        "base_model": str(reader),
        "method": "distillation",
        "teacher": {"prompt": LONG, "model": None},
    }
    job.spec["lora"]["dropout"] = 0.0
    return job


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_job_draws_near_its_teacher_and_resumes_bitwise(distilling: Job, share: float) -> None:
    job = distilling
    job.spec["hyperparameters"] |= {"on_policy_share": share, "learning_rate": 0.01}

    events = job.run()

    steps = events_of(events, "step")
    assert events[-1]["event"] == "done"
    assert steps[-1]["full_valid_loss"] < 0.5 * steps[0]["valid_loss"]
    assert steps[-1]["full_valid_teacher_agreement"] > steps[0]["valid_teacher_agreement"]
    whole = job.weights()
    shutil.rmtree(job.output)
    assert job.run(stop_after=8)[-1] == {"event": "stopped", "step": 8}
    assert job.run()[-1]["event"] == "done"
    assert job.weights() == whole


def test_another_prompt_is_another_job(distilling: Job) -> None:
    distilling.run(stop_after=8)
    distilling.spec["teacher"]["prompt"] = LONG + "Be brief."
    events = distilling.run(stop_after=1)
    assert "other settings" in events_of(events, "warning")[-1]["message"]


@pytest.mark.parametrize("prompt", [None, "", "  ", 3])
def test_a_teacher_needs_a_prompt(distilling: Job, prompt: object) -> None:
    distilling.spec["teacher"]["prompt"] = prompt
    (failed,) = distilling.run()
    assert failed["code"] == "invalid_specification"
    assert "teacher.prompt" in failed["message"]


def test_a_conversation_too_long_for_the_teacher_is_named(distilling: Job) -> None:
    distilling.spec["teacher"]["prompt"] = "tide " * 1100
    failed = distilling.run()[-1]
    assert failed["code"] == "invalid_training_file"
    assert "under the teacher's prompt, and the teacher reads at most 1024" in failed["message"]


def test_a_teacher_with_another_template_is_refused(distilling: Job, tmp_path: Path) -> None:
    teacher = build_tiny_model(tmp_path / "teacher", "llama", seed=3)
    config = json.loads((teacher / "tokenizer_config.json").read_text())
    config["chat_template"] = "{{ 'x' }}" + config["chat_template"]
    (teacher / "tokenizer_config.json").write_text(json.dumps(config))
    distilling.spec["teacher"]["model"] = str(teacher)
    failed = distilling.run()[-1]
    assert failed["code"] == "invalid_model"
    assert "cuts text otherwise than the base" in failed["message"]
