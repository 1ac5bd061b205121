"""Samples: unedited exchanges as Markdown, chosen by seed."""

import random
from importlib.resources import as_file, files

from benchmarks.miniatures.arms import ask_each
from benchmarks.miniatures.decoder import Speaker
from benchmarks.miniatures.plan import Asked, load_questions
from understudy.character import load_character
from understudy.dialogue import load_dialogues

__all__ = ["samples"]


def samples(mini: Speaker, star: Speaker, seed: int) -> str:
    """Twenty exchanges with the star as Princess Ophelia, ten with mini as the plain assistant."""
    rng = random.Random(f"samples {seed}")
    with as_file(files("understudy") / "examples" / "ophelia") as folder:
        character = load_character(folder / "character.yaml")
        dialogues = load_dialogues(folder / "dialogues.jsonl")
    said = [m.content for d in dialogues for m in d.messages[:1]]
    said += [question for fact in character.facts for question in fact.questions]
    ophelia = [Asked("talk", text) for text in rng.sample(said, 20)]
    lines = load_questions()
    plain = [Asked("talk", text) for text in rng.sample(lines["talk"], 5) + rng.sample(lines["teasing"], 5)]
    blocks = [
        ("mini-star as Princess Ophelia, under her long prompt", star, character.long_prompt(), ophelia),
        ("mini without a prompt", mini, "", plain[::2]),
        ('mini as "You are Princess Ophelia."', mini, character.identity_prompt, plain[1::2]),
    ]
    return "\n".join(_block(*block) for block in blocks)


def _block(title: str, speaker: Speaker, system: str, asked: list[Asked]) -> str:
    exchanges = ask_each(speaker, [system], [asked])
    return "\n".join([f"\n**{title}**\n", *(f"- {a.user}  \n  *{reply}*" for _, a, reply in exchanges)])
