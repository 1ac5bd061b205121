"""Speaking: replies of a model that is being trained, to learn from its own words."""

from collections.abc import Sequence

from understudy.training.objective import Learner

__all__ = ["speak"]


def speak(learner: Learner, prompts: Sequence[Sequence[int]], most_tokens: int) -> list[list[int]]:
    """Sample one reply to each prompt at temperature 1, from torch's own random numbers.

    Args:
        prompts: Token ids.
        most_tokens: Longest reply; one that is longer is cut off.

    Returns:
        Token ids with the one that ends the turn, at least one.
    """
    import torch

    width = max(map(len, prompts))
    device = learner.device
    ids = torch.zeros((len(prompts), width), dtype=torch.long, device=device)
    real = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(list(prompt), device=device)
        real[row, width - len(prompt) :] = 1
    stops = sorted(learner.renderer.stop_ids)
    was_training = learner.tuned.training
    learner.tuned.eval()
    with torch.no_grad(), learner.autocast():
        found = learner.tuned.generate(
            input_ids=ids, attention_mask=real, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
            max_new_tokens=most_tokens, eos_token_id=stops, pad_token_id=0, use_cache=True,
        )  # fmt: skip
    learner.tuned.train(was_training)
    return [_until_stop(row, stops) for row in found[:, width:].tolist()]


def _until_stop(ids: list[int], stops: Sequence[int]) -> list[int]:
    end = next((i for i, token in enumerate(ids) if token in stops), len(ids) - 1)
    return ids[: end + 1]
