"""Distillation: what a teacher says under a long prompt becomes what the student says under a short one."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import DatasetError, ModelError
from understudy.training.examples import IGNORE_INDEX, Example, ExampleSet, load_examples, load_rows
from understudy.training.objective import Learner
from understudy.training.predictions import Predictions, predict
from understudy.training.speaking import speak
from understudy.training.spec import Teaching
from understudy.training.teacher import Teacher

if TYPE_CHECKING:
    import torch

    from understudy.rendering import Renderer

__all__ = ["Distillation", "Lesson"]


@dataclass(frozen=True)
class Lesson:
    """One conversation as student and teacher read it: other prompts, the same replies.

    spans: for each learned reply its tokens ``[first, end)`` in the student's and in the teacher's ids.
    """

    student: Example
    teacher: Example
    spans: tuple[tuple[tuple[int, int], tuple[int, int]], ...]

    @property
    def ids(self) -> list[int]:
        return self.student.ids

    @property
    def learned(self) -> int:
        return self.student.learned


class Distillation:
    """The student's distribution over each reply token is drawn to the teacher's.

    On given replies the loss of a token is the divergence of the teacher from the student,
    ``sum p_teacher (ln p_teacher - ln p_student)``. A share of conversations is renewed in each step by what
    the student itself would reply; there it is that of the student from the teacher, which
    keeps to what the teacher would say. Both in nats. The teacher is the base with its adapter off, or
    another model with the same tokenizer, under its own system prompt.

    Source: Hinton et al. 2015, https://arxiv.org/abs/1503.02531; on the student's own replies Agarwal et
    al. 2023, https://arxiv.org/abs/2306.13649.
    """

    sums: tuple[str, ...] = ("loss", "correct", "tokens", "agreed")

    def __init__(self, teaching: Teaching, seed: int) -> None:
        self._teaching = teaching
        self._seed = seed
        self._teacher: Teacher | None = None
        self._own: set[int] = set()  # identities of lessons that hold the student's own replies

    def load(self, path: Path, renderer: "Renderer", max_tokens: int) -> ExampleSet[Lesson]:
        """Read a file in the chat format; its system prompts are the student's.

        Raises:
            DatasetError: As for supervised training, or the teacher cannot read the same replies.
        """
        load_examples(path, renderer, max_tokens)  # names every fault of an ordinary kind
        return load_rows(path, lambda number, row: self._lessons(number, row, renderer, max_tokens))

    def _lessons(
        self, number: int, row: Any, renderer: "Renderer", max_tokens: int
    ) -> tuple[list[Lesson], bool]:
        messages = row["messages"]
        prompt = {"role": "system", "content": self._teaching.prompt}
        under_prompt = [prompt, *_without_system(messages)]
        moved = len(under_prompt) - len(messages)
        students = renderer.examples(messages, max_tokens=max_tokens)
        teachers = {
            turn.position - moved: (example, turn)
            for example in renderer.examples(under_prompt)
            for turn in example.turns
        }
        lessons = []
        for student in students:
            found = [(turn, teachers[turn.position]) for turn in student.turns if turn.end > turn.first]
            for example in {id(e): e for _, (e, _) in found}.values():
                spans = [
                    ((turn.first, turn.end), (other.first, other.first + turn.end - turn.first))
                    for turn, (e, other) in found
                    if e is example
                ]
                lessons.append(_lesson(number, student.ids, example.ids, spans))
        return lessons, any(student.truncated for student in students)

    def prepare(self, learner: Learner, sets: Sequence[ExampleSet[Lesson]], piece_tokens: int) -> None:
        """Let the teacher read what all its prompts begin with, once for all steps."""
        prompts = [lesson.teacher for found in sets for lesson in found.examples]
        self._teacher = Teacher.of(self._teaching.model, learner, prompts)

    def renew(self, learner: Learner, batch: Sequence[Lesson], step: int) -> Sequence[Lesson]:
        """A share of the batch with replies of the student's own, sampled at temperature 1."""
        self._own.clear()
        chooser = random.Random(f"{self._seed}:{step}")
        chosen = [i for i in range(len(batch)) if chooser.random() < self._teaching.on_policy_share]
        if not chosen:
            return batch
        turns = {i: chooser.choice(batch[i].spans) for i in chosen}
        prompts = [batch[i].student.ids[: turns[i][0][0]] for i in chosen]
        most = max(end - first for spans in turns.values() for first, end in spans[:1])
        replies = speak(learner, prompts, 2 * most)
        renewed = list(batch)
        for i, prompt, reply in zip(chosen, prompts, replies, strict=True):
            asked = batch[i].teacher.ids[: turns[i][1][0]]
            own, other = len(prompt), len(asked)
            span = ((own, own + len(reply)), (other, other + len(reply)))
            renewed[i] = _lesson(batch[i].student.number, prompt + reply, asked + reply, [span])
            self._own.add(id(renewed[i]))
        return renewed

    def weight(self, batch: Sequence[Lesson]) -> int:
        return sum(lesson.learned for lesson in batch)

    def measure(
        self, learner: Learner, piece: Sequence[Lesson], training: bool
    ) -> tuple["torch.Tensor", list["torch.Tensor"]]:
        import torch

        assert self._teacher is not None
        taught = _in_order(self._teacher.predict([lesson.teacher for lesson in piece]))
        said = _in_order(
            predict(learner.wrapped, learner.head, [lesson.student for lesson in piece], learner.device)
        )
        own = torch.tensor([id(lesson) in self._own for lesson in piece], device=learner.device)
        losses = _divergence(taught.logits, said.logits, own[said.owners])
        agreed = (taught.logits.argmax(-1) == said.logits.detach().argmax(-1)).sum()
        return losses.sum(), [said.correct(), torch.tensor(len(said.targets)), agreed]

    def metrics(self, totals: dict[str, float]) -> dict[str, float]:
        """Agreement is the share of tokens of which teacher and student find the same one likeliest."""
        tokens = totals["tokens"]
        return {
            "loss": totals["loss"] / tokens,
            "mean_token_accuracy": totals["correct"] / tokens,
            "teacher_agreement": totals["agreed"] / tokens,
        }


def _without_system(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation without the system messages in front."""
    rest = list(messages)
    while rest and rest[0].get("role") in ("system", "developer"):
        rest.pop(0)
    return rest


def _lesson(
    number: int,
    student: Sequence[int],
    teacher: Sequence[int],
    spans: Sequence[tuple[tuple[int, int], tuple[int, int]]],
) -> Lesson:
    """A lesson from ids; what lies behind its last reply is not read.

    Raises:
        DatasetError: The replies are other tokens for the teacher.
    """
    own, other = (
        Example(number, list(ids[: spans[-1][side][1]]), [IGNORE_INDEX] * spans[-1][side][1])
        for side, ids in enumerate((student, teacher))
    )
    for (first, end), (begin, stop) in spans:
        if own.ids[first:end] != other.ids[begin:stop]:
            raise DatasetError(
                "has a reply that the chat template writes otherwise under the teacher's prompt."
            )
        own.labels[first:end] = own.ids[first:end]
        other.labels[begin:stop] = other.ids[begin:stop]
    return Lesson(own, other, tuple(spans))


def _in_order(found: Predictions) -> Predictions:
    """Predictions sorted by sequence; within one they are in order already."""
    import torch

    order = torch.argsort(found.owners, stable=True)
    return replace(
        found, logits=found.logits[order], targets=found.targets[order], owners=found.owners[order]
    )


def _divergence(taught: "torch.Tensor", said: "torch.Tensor", own: "torch.Tensor") -> "torch.Tensor":
    """For each token ``[M]`` the divergence of teacher from student, or the reverse where ``own``."""
    import torch
    import torch.nn.functional as F

    if taught.shape != said.shape:
        raise ModelError(
            "The teacher has another vocabulary than the base; give one with the same tokenizer."
        )
    teacher, student = F.log_softmax(taught, -1), F.log_softmax(said, -1)
    forward = (teacher.exp() * (teacher - student)).sum(-1)
    reverse = (student.exp() * (student - teacher)).sum(-1)
    return torch.where(own, reverse, forward)
