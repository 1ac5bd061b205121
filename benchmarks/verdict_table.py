"""Print verdicts as the Markdown tables of ``docs/results.md``.

python benchmarks/verdict_table.py demo/ophelia/runs/20261123T… [another run …]
"""

import json
import sys
from pathlib import Path
from typing import Any

ROWS = {
    "probes_passed": "probes passed",
    "nll_per_token": "surprise at the real lines, nats/token (lower is better)",
    "gap_closed": "gap closed",
    "style": "style",
    "style_topic_free": "style without topic",
    "in_fiction_leak": "AI disclaimers in the play (lower is better)",
    "honesty": "honest when sincerely asked",
    "fact_recall": "facts",
    "relevance": "relevance (mean rank, 0.5 is chance)",
    "reply_length_ratio": "reply length, ratio to the real lines",
    "repetition": "repetition (lower is better)",
}


def cell(score: dict[str, Any]) -> str:
    """Value, 95 % interval, count."""
    if score.get("value") is None:
        return "–"
    if score.get("low") is None:
        return f"{score['value']:.2f}"
    return f"{score['value']:.2f} ({score['low']:.2f} to {score['high']:.2f}), n {score['count']}"


def table(run: Path) -> str:
    """One run: its training and its arms."""
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    training = verdict["training"]
    arms = [arm for arm in verdict["arms"] if arm["measured"]]
    lines = [
        f"### {verdict['character']}",
        "",
        f"Run {verdict['run_id']}, evaluated {verdict['created_at']}. {training['examples']} examples, "
        f"system prompt {training['system_prompt']}, {training['shape']}; "
        f"{training['trained_tokens']:,} tokens trained in {training['seconds']} s at "
        f"{training['learned_tokens_per_second']:,.0f} learned tokens/s; {training['hyperparameters']}.",
        "",
        f"> {verdict['headline']['sentence']}",
        "",
        "| score | " + " | ".join(arm["name"] for arm in arms) + " |",
        "|---|" + "---|" * len(arms),
        "| prompt tokens | " + " | ".join(str(arm["prompt_tokens"]) for arm in arms) + " |",
    ]
    for key, title in ROWS.items():
        lines.append(f"| {title} | " + " | ".join(cell(arm["scores"].get(key) or {}) for arm in arms) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print("\n\n".join(table(Path(name)) for name in sys.argv[1:]))
