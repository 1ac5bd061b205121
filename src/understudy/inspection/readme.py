"""Readme: what a person who gets the exported folder must know."""

from collections.abc import Mapping
from typing import Any

from understudy import __version__
from understudy.evaluation.pass_rules import RULES

__all__ = ["describe"]

RIGHTS = {
    "unset": "The character's rights are not stated: keep this folder to yourself until they are.",
    "private_use": "The character belongs to somebody else: for private use only, not to be published.",
    "original": "The character is original to who made this.",
    "public_domain": "The character is in the public domain.",
    "licensed": "The character is used under a licence of its owner.",
}
LOOKS = {
    "development": "These are the development probes: choose models, prompts and settings by them. The "
    "verdict rests on other, final probes, which are not in this folder.",
    "final": "These are the final probes, on which the verdict rests. They prove something only as long as "
    "nothing is chosen by them. The export was noted as one look; what is run from this folder is "
    "counted nowhere, so say how often you ran it.",
}
FILES = """\
| File | Holds |
|---|---|
| `task.py` | the task; its code is `understudy.inspection` |
| `probes.json` | the frozen probes, with their hash, and the conversations, which this task does not play |
| `character.yaml` | the sheet, whose facts and policies the rules read |
| `training.jsonl` | the training dialogues: style, relevance and thresholds are learned from them |
| `plain_replies.jsonl` | what the untuned model says without a prompt: what the style is told from |
| `replies.jsonl` | the verdict's replies with what was decided; the rules must decide them alike here |
| `evaluation.json` | prompts, sampling settings, thresholds, hashes of the files, versions |"""


def describe(manifest: Mapping[str, Any]) -> str:
    """``README.md`` of an exported folder."""
    counts = manifest["counts"]
    parts = [
        f"# {manifest['character']}: {counts['single']} {manifest['probe_set']} probes for Inspect AI",
        f"Written by Understudy {__version__} on {manifest['exported_at'][:10]}. Probes frozen "
        f"{manifest['frozen_at'][:10]}, sha256 `{manifest['sha256']}`.",
        LOOKS[manifest["probe_set"]],
        RIGHTS[manifest["rights"]] + " The folder holds the character's lines.",
        _commands(manifest),
        _arguments(manifest),
        _scores(manifest),
        _measured(manifest),
        "## Files\n\n" + FILES,
    ]
    return "\n\n".join(parts) + "\n"


def _commands(manifest: Mapping[str, Any]) -> str:
    tuned = next((arm["model"] for arm in manifest["arms"] if arm["name"] == "tuned+short"), "ft:MODEL")
    return f"""\
## Run it

```
pip install 'understudy[inspect]'    # in an environment of its own: '/path/to/the/checkout[inspect]'
inspect eval task.py --model openai/gpt-4.1 -T prompt=long
inspect view
```

A model of Understudy's own server (`understudy serve --port 8321` prints the key):

```
export UNDERSTUDY_BASE_URL=http://127.0.0.1:8321/v1 UNDERSTUDY_API_KEY=...
inspect eval task.py --model openai-api/understudy/{tuned}
```

Any other server that speaks the OpenAI API: set `NAME_BASE_URL` and `NAME_API_KEY` and write
`--model openai-api/name/MODEL`. A model that thinks before it replies needs room: `--max-tokens 4000`."""


def _arguments(manifest: Mapping[str, Any]) -> str:
    counts, settings = manifest["counts"], manifest["settings"]
    shown = ", ".join(f"`{kind}`" for kind in manifest["prompts"])
    parts = ", ".join(f"`{part}` ({count})" for part, count in counts.items() if count)
    return f"""\
## Arguments

| Argument | Is |
|---|---|
| `-T prompt=…` | the system prompt: {shown}; default `short` |
| `-T part=…` | what is asked: {parts}; default `single`, which the primary endpoint rests on |

As in the evaluation: temperature {settings["temperature"]:g}, at most {settings["max_tokens"]} tokens,
{_replies(settings)} to each single probe and one to each other, each with a seed of its own. Inspect's flags
(`--temperature`, `--max-tokens`, `--epochs`, `--limit`) change them; then figures do not compare with the
ones below."""


def _replies(settings: Mapping[str, Any]) -> str:
    count = settings["replies_per_probe"] if settings["temperature"] > 0 else 1
    return f"{count} repl{'y' if count == 1 else 'ies'}"


def _scores(manifest: Mapping[str, Any]) -> str:
    rules = "\n".join(f"| `{category}` | {rule} |" for category, rule in RULES.items())
    floor = {name: manifest["thresholds"].get(name) for name in ("style", "relevance")}
    told = ", ".join(f"{name} from {value:.2f}" for name, value in floor.items() if value is not None)
    thresholds = f"\n\nThresholds, from the training lines alone: {told}." if told else ""
    return f"""\
## What the scores mean

`accuracy` is the share of probes passed, the replies to one probe averaged. `stderr` is clustered by family:
a fact, a scene, paraphrases of one question. Each category has both, and is too small to conclude from. Every
reply's reason stands in the log. A request that was too long for the model has no score.

| Category | A reply passes that |
|---|---|
{rules}{thresholds}

Rules read one reply at a time and by patterns: a reply can pass and make no sense. Not part of this task:
likelihoods, the scripted conversations, and the paired comparison of two models with its margin, which
`understudy evaluate` makes."""


def _measured(manifest: Mapping[str, Any]) -> str:
    rows = [f"| {arm['name']} | `{arm['model']}` | {_cell(arm['passed'])} |" for arm in manifest["arms"]]
    verdict = manifest["verdict"]
    limits = "\n".join(f"- {limit}" for limit in verdict["limits"])
    return f"""\
## What Understudy measured

Run {verdict["run_id"]}, {verdict["created_at"][:10]}: {verdict["sentence"]}

| Arm | Model | Single probes passed (95 %) |
|---|---|---|
{chr(10).join(rows)}

{limits}"""


def _cell(score: Mapping[str, Any]) -> str:
    if score["value"] is None:
        return "–"
    bounds = score["low"], score["high"]
    between = f" ({100 * bounds[0]:.0f}–{100 * bounds[1]:.0f})" if None not in bounds else ""
    return f"{100 * score['value']:.0f} %{between}"
