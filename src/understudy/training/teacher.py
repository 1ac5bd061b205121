"""Teacher: a model that is asked and never trained; the beginning of its prompts is read once."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import DatasetError, ModelError
from understudy.inference.base import Placement, check_base, context_limit, load_base
from understudy.inference.cache import Layers, layers_of, new_cache
from understudy.inference.head import selected_head
from understudy.inference.prefixes import MIN_PREFIX_TOKENS, common_length
from understudy.inference.shared_attention import can_share, share_attention, shared_preamble
from understudy.training.batches import collate
from understudy.training.examples import IGNORE_INDEX, Example
from understudy.training.objective import Learner
from understudy.training.packed_attention import NAME as PACKED
from understudy.training.packing import shareable
from understudy.training.predictions import Predictions, predict

if TYPE_CHECKING:
    pass

__all__ = ["Teacher"]


class Teacher:
    """A model that speaks without gradients.

    Args:
        model: The base of the learner, whose adapter is then switched off, or another.
        head: The output projection inside ``model``.
        learner: Whose device and precision are used.
        begins: What all its sequences begin with; empty where its attention cannot share it.
    """

    def __init__(self, model: Any, head: Any, learner: Learner, begins: list[int]) -> None:
        self._model = model
        self._head = head
        self._learner = learner
        self._device = learner.device
        self._begins = begins
        self._layers: Layers | None = self._read() if begins else None

    @classmethod
    def of(cls, directory: Path | None, learner: Learner, sequences: Sequence[Example]) -> "Teacher":
        """The base with its adapter off, or the model of a directory.

        Raises:
            ModelError: The other model cannot be loaded, or cuts text otherwise than the base.
            DatasetError: A conversation is too long for the teacher under its prompt.
        """
        if directory is None:
            model, head = learner.tuned, learner.head
            shares = model.config.get_text_config()._attn_implementation == PACKED
        else:
            model = _load(directory, learner)
            head, shares = model.get_output_embeddings(), can_share(model)
            if shares:
                share_attention(model)
        _refuse_too_long(sequences, context_limit(model.config))
        return cls(model, head, learner, _common(sequences) if shares else [])

    def predict(self, sequences: Sequence[Example]) -> Predictions:
        """What the teacher says about the learned tokens."""
        import torch

        with torch.no_grad(), self._speaking():
            if self._layers is None or not all(e.ids[: len(self._begins)] == self._begins for e in sequences):
                return predict(self._model, self._head, sequences, self._device)
            return self._continue(sequences)

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        with self._learner.autocast(), ExitStack() as stack:
            if self._model is self._learner.tuned:
                stack.enter_context(self._model.disable_adapter())
            yield

    def _continue(self, sequences: Sequence[Example]) -> Predictions:
        import torch

        length = len(self._begins)
        own = [Example(e.number, e.ids[length:], e.labels[length:]) for e in sequences]
        ids, labels = collate(own, self._device)
        following = torch.full_like(labels, IGNORE_INDEX)
        following[:, :-1] = labels[:, 1:]
        selected = following != IGNORE_INDEX
        positions = torch.arange(length, length + ids.shape[1], device=self._device)[None].expand_as(ids)
        with selected_head(self._head, selected), shared_preamble(self._layers):
            output = self._model(input_ids=ids, position_ids=positions, use_cache=False)
        return Predictions(output.logits[0].float(), following[selected], selected.nonzero()[:, 0])

    def _read(self) -> Layers:
        import torch

        row = torch.tensor([self._begins], device=self._device)
        cache = new_cache()
        with torch.no_grad(), self._speaking():
            self._model(input_ids=row, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return [(keys.contiguous(), values.contiguous()) for keys, values in layers_of(cache)]


def _common(sequences: Sequence[Example]) -> list[int]:
    """What all begin with before anything that predicts a learned token; empty if it is short."""
    first = sequences[0]
    shared = min(min(common_length(first.ids, e.ids), shareable(e)) for e in sequences)
    return first.ids[:shared] if shared >= MIN_PREFIX_TOKENS else []


def _refuse_too_long(sequences: Sequence[Example], limit: int) -> None:
    longest = max(sequences, key=lambda example: len(example.ids))
    if len(longest.ids) > limit:
        raise DatasetError(
            f"Example {longest.number} has {len(longest.ids)} tokens under the teacher's prompt, and the "
            f"teacher reads at most {limit}. Shorten the conversation or the prompt."
        )


def _load(directory: Path, learner: Learner) -> Any:
    from understudy.rendering import Renderer

    teacher = Renderer.load(directory)
    probe = [{"role": "system", "content": "Who? Ünï 7"}, {"role": "user", "content": "a b\n\n12"}]
    if (
        teacher.prompt(probe).ids != learner.renderer.prompt(probe).ids
        or teacher.vocabulary_size != learner.renderer.vocabulary_size
    ):
        raise ModelError(
            f"{directory.name}: cuts text otherwise than the base, so its words cannot be compared. Choose a "
            "teacher with the base's tokenizer and chat template, or be taught by the base."
        )
    dtype = next(learner.tuned.parameters()).dtype
    return load_base(check_base(directory), Placement(learner.device, dtype))
