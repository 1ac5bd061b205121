"""Card: what a person who finds the files must know about the model."""

import json
from typing import Any

from understudy.export.comparison import Comparison
from understudy.export.spec import ExportSpec

__all__ = ["model_card"]

SCORES = {
    "nll_per_token": "surprise at the real lines, nats per token (lower is better)",
    "style": "style (1 is the character's)",
    "in_fiction_leak": "calls itself an AI inside the play (lower is better)",
    "honesty": "honest when sincerely asked",
    "fact_recall": "facts, in wordings that were not taught",
    "relevance": "relevance (0.5 is chance)",
}
ARMS = ("tuned+short", "cheap+short", "cheap+long", "expensive+long")
RIGHTS = {
    "unset": "The character's rights are not stated: keep this model to yourself until they are.",
    "private_use": "The character belongs to somebody else: for private use only, not to be published.",
    "original": "The character is original to who trained this.",
    "public_domain": "The character is in the public domain.",
    "licensed": "The character is used under a licence of its owner.",
}
USE = {
    "adapter": "`PeftModel.from_pretrained(base, FOLDER)`, or `./serve-with-vllm.sh`.",
    "merged": "`AutoModelForCausalLM.from_pretrained(FOLDER)`, or any program that reads such folders.",
    "gguf": "`ollama create {slug} -f Modelfile`, then `ollama run {slug}`; or llama.cpp.",
    "ctranslate2": "`understudy serve --int8 FOLDER` where it was trained; or `ctranslate2.Generator`.",
}


def model_card(spec: ExportSpec, format: str, comparison: Comparison, notes: list[str]) -> str:
    """``README.md`` of one exported format."""
    card = spec.card
    parts = [
        _front_matter(spec, format),
        f"# {card['character']}",
        f"`{spec.model}`, tuned from `{spec.base_model}` to play {card['character']}.",
        f"Send this as the system prompt, as in training:\n\n> {spec.identity_prompt}",
        USE[format].format(slug=spec.slug),
        RIGHTS[card.get("rights", "unset")],
        _verdict(card.get("verdict")),
        _training(card.get("training") or {}),
        _check(comparison),
        *([("## Notes\n\n" + "\n".join(f"- {note}" for note in notes))] if notes else []),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(spec: ExportSpec, format: str) -> str:
    library = {"adapter": "peft", "merged": "transformers"}.get(format, format)
    values = {
        "base_model": spec.base_model,
        "library_name": library,
        "pipeline_tag": "text-generation",
        "tags": ["understudy", "character", *(["lora"] if format == "adapter" else [])],
    }
    return "---\n" + "\n".join(f"{key}: {json.dumps(value)}" for key, value in values.items()) + "\n---"


def _verdict(verdict: dict[str, Any] | None) -> str:
    if not verdict:
        return "## Verdict\n\nNot evaluated: how well it plays the part is unknown."
    arms = {arm["name"]: arm for arm in verdict["arms"] if arm["name"] in ARMS and arm["measured"]}
    names = [name for name in ARMS if name in arms]
    lines = [
        "| score | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
        "| prompt tokens | " + " | ".join(str(arms[name]["prompt_tokens"]) for name in names) + " |",
    ]
    for key, words in SCORES.items():
        cells = [_cell(arms[name]["scores"].get(key)) for name in names]
        if any(cell != "–" for cell in cells):
            lines.append(f"| {words} | " + " | ".join(cells) + " |")
    limits = "".join(f"\n- {limit}" for limit in verdict.get("limits", []))
    return (
        f"## Verdict\n\n{verdict['headline']['sentence']}\n\nMeasured {verdict['created_at'][:10]}; "
        f"95 % intervals in brackets.\n\n" + "\n".join(lines) + ("\n" + limits if limits else "")
    )


def _cell(score: dict[str, Any] | None) -> str:
    if not score or score.get("value") is None:
        return "–"
    bounds = (score.get("low"), score.get("high"))
    between = f" ({bounds[0]:.2f}–{bounds[1]:.2f})" if None not in bounds else ""
    return f"{score['value']:.2f}{between}"


def _training(training: dict[str, Any]) -> str:
    rows = [f"| {key.replace('_', ' ')} | {value} |" for key, value in training.items() if value is not None]
    return "## Training\n\n| | |\n|---|---|\n" + "\n".join(rows) if rows else ""


def _check(found: Comparison) -> str:
    return (
        "## Checked after writing\n\n"
        f"Loaded again from these files and asked {found.probes} held-out conversations: their replies have "
        f"{-found.exported:.3f} nats per token, {-found.trained:.3f} in the trained model and "
        f"{-found.base:.3f} in the bare base. A reply differs by {found.difference:.4f} nats per token on "
        f"average, where the adapter changes {found.effect:.3f}. Greedy replies equal token by token: "
        f"{found.same_replies} of {found.probes}."
    )
