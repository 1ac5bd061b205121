"""Plain: the report as Markdown, for a pull request or a terminal, and as JSON, for programs."""

import json
from dataclasses import asdict
from typing import Any

from understudy.report.content import ANSWERS, Content
from understudy.report.figures import DEPLOYED
from understudy.report.formats import category, number, share, usd
from understudy.report.judged import read_raters
from understudy.report.primary import primary_rows, superiority_rows

__all__ = ["SCHEMA", "render_json", "render_markdown"]

SCHEMA = "understudy.report/1"


def render_json(content: Content, *, fingerprint: str) -> str:
    """Everything the page says but the replies, which stand in ``replies.jsonl`` row by row."""
    verdict = content.verdict
    document = {
        "schema": SCHEMA,
        "inputs": fingerprint,
        "character": content.name,
        "run_id": content.run_id,
        "created_at": content.created_at,
        "answer": content.answer,
        "sentence": content.sentence,
        "outdated": content.outdated or None,
        "primary": content.primary or None,
        "answers": [asdict(answer) for answer in content.answers],
        "scores": {arm["name"]: arm.get("scores") or {} for arm in content.sheet.arms},
        "drift": {arm["name"]: arm["drift"] for arm in content.sheet.arms if arm.get("drift")},
        "comparisons": list(content.sheet.pairs.values()),
        "priced_not_measured": [arm["name"] for arm in content.sheet.unmeasured],
        "pareto": [asdict(point) for point in content.pareto],
        "cost": content.cost or None,
        "judgement": content.attachments.judgement or None,
        "study": content.attachments.study or None,
        "curve": content.attachments.curve or None,
        **{
            name: verdict.get(name)
            for name in ("probes", "detectors", "classifiers", "training", "settings", "seeds")
        },
        **{name: verdict.get(name) for name in ("hashes", "versions", "limits")},
        "notes": list(content.evidence.notes),
    }
    return json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n"


def render_markdown(content: Content, *, fingerprint: str) -> str:
    """Verdict, six answers, scores, cost, limits: the page without its drawings and replies."""
    parts = [
        f"<!-- understudy inputs {fingerprint} -->",
        f"# {_text(content.name)}: {ANSWERS.get(content.answer, 'No verdict yet')}",
        _text(content.sentence),
        *_primary(content),
        *([_text(content.outdated)] if content.outdated else []),
        *(["Measured on shipped miniature models; nothing is claimed for large ones."] * content.miniature),
        "## Six questions",
        *_answers(content),
        *_scores(content),
        *_categories(content),
        *_judges(content),
        *_costs(content),
        *_made(content),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _text(value: Any) -> str:
    """Text that stays text: names and replies of a run are not Markdown."""
    text = " ".join(str(value).split())
    for mark in "\\`*_[]<>|#":
        text = text.replace(mark, f"\\{mark}")
    return text


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _primary(content: Content) -> list[str]:
    primary = content.primary
    if not primary.get("difference"):
        return []
    table = [
        [
            _text(row.name),
            f"{row.value:+.1f}",
            f"{row.low:+.1f} to {row.high:+.1f}",
            "–" if row.bound is None else f"{row.bound:+.1f}",
            row.in_words,
        ]
        for row in (*primary_rows(primary), *superiority_rows(primary))
    ]
    margin = f"{100 * float(primary.get('margin') or 0):g}"
    power = primary.get("power") or {}
    told = (
        f"Primary endpoint, fixed beforehand: share of {number(primary.get('count'))} probes passed in "
        f"{number(primary.get('families'))} families, margin {margin} points, in percentage points. "
        f"{_text(primary.get('a'))} {share(primary.get('a_rate'))}, "
        f"{_text(primary.get('b'))} {share(primary.get('b_rate'))}."
    )
    if power.get("power") is not None:
        told += f" Power where both are equally good: {100 * power['power']:.0f}%."
    head = [f"{_text(primary.get('a'))}", "Difference", "95% interval", "One-sided bound", "Conclusion"]
    return [told, _table(head, table)]


def _answers(content: Content) -> list[str]:
    return [
        f"{place}. **{_text(answer.question)}** ({_text(answer.status)})\n"
        + "\n".join(f"   - {_text(sentence)}" for sentence in answer.sentences)
        for place, answer in enumerate(content.answers, 1)
    ]


def _scores(content: Content) -> list[str]:
    if not content.scores:
        return []
    head = ["Score", *(_text(name) for name in content.sheet.names)]
    rows = [
        [
            f"{row.kind.title}{f' ({row.kind.direction_text})' if row.kind.direction_text else ''}",
            *(
                f"{cell.value}{f' ({cell.interval})' if cell.interval else ''}" if not cell.missing else "–"
                for cell in row.cells
            ),
        ]
        for row in content.scores
    ]
    missing = [f"- {row.kind.title}: {_text(row.missing)}" for row in content.scores if row.missing]
    unmeasured = ", ".join(_text(arm["name"]) for arm in content.sheet.unmeasured)
    return [
        "## Every arm, score by score",
        "With 95% intervals. Where intervals overlap, the order may be chance.",
        _table(head, rows),
        "\n".join(missing),
        f"Priced, not measured: {unmeasured}." if unmeasured else "",
    ]


def _categories(content: Content) -> list[str]:
    found = content.primary.get("by_category") or []
    if not found:
        return []
    rows = [
        [
            category(row["category"]),
            number(row.get("count")),
            *(share((row.get("passed") or {}).get(name)) for name in content.sheet.names),
        ]
        for row in found
    ]
    head = ["Category", "Probes", *(_text(name) for name in content.sheet.names)]
    return ["## Probes passed, by category", _table(head, rows)]


def _judges(content: Content) -> list[str]:
    judgement = content.attachments.judgement
    if not judgement:
        return []
    rows = [
        [
            _text(rater.name),
            share(rater.win_rate),
            share(rater.length_adjusted),
            f"{rater.controls_passed} of {rater.controls}",
            _text(rater.withheld or "no"),
        ]
        for rater in read_raters(judgement)
    ]
    head = [
        "Rater",
        f"{_text(judgement.get('a'))} preferred",
        "At equal length",
        "Controls passed",
        "Withheld",
    ]
    return ["## What judges preferred", _text(judgement.get("sentence")), _table(head, rows)]


def _costs(content: Content) -> list[str]:
    cost = content.cost
    if not cost.get("arms"):
        return []
    rows = [
        [
            f"{_text(arm['place'])}: {_text(arm['arm'])} ({_text(arm['model'])})",
            usd(1000 * arm["message_usd"]),
            usd(1000 * arm["usd"]),
            usd(1000 * arm["uncached_usd"]),
            usd(1000 * arm["amortised_usd"]) if arm.get("amortised_usd") is not None else "–",
            _text(arm["as_of"]),
        ]
        for arm in cost["arms"]
    ]
    head = ["Arm", "1,000 messages", "1,000 conversations", "Uncached", "With training", "Price of"]
    return [
        "## What it costs",
        "\n".join(f"- {_text(answer)}" for answer in cost.get("answers") or []),
        f"US dollars, conversations of {cost['settings']['turns']} turns. Hosted: priced, not measured.",
        _table(head, rows),
    ]


def _made(content: Content) -> list[str]:
    verdict = content.verdict
    training = verdict.get("training") or {}
    probes = verdict.get("probes") or {}
    lines = [
        f"- {DEPLOYED}: {_text(training.get('fine_tuned_model'))}, base {_text(training.get('base_model'))}"
        if training
        else "",
        f"- Probes: sha256 {_text(probes.get('sha256'))}, looks {number(probes.get('looks'))}"
        if probes.get("sha256")
        else "",
        *(
            f"- {name.capitalize()}: " + ", ".join(f"{_text(k)} {_text(v)}" for k, v in values.items())
            for name in ("seeds", "versions", "hashes")
            if (values := verdict.get(name))
        ),
    ]
    limits = [f"- {_text(limit)}" for limit in verdict.get("limits") or []]
    return [
        "## Methods and limits",
        "\n".join(line for line in lines if line),
        "\n".join(limits),
        f"Run {_text(content.run_id)}; all replies in replies.jsonl.",
    ]
