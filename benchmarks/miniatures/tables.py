"""Tables: the figures as Markdown, as they stand on the models' cards."""

from collections.abc import Sequence

from benchmarks.miniatures.measure import Figures

__all__ = ["growth_table", "others_table", "share_text", "table"]

SCORES = (
    "facts",
    "tone",
    "quoted phrase",
    "AI disclaimers",
    "AI disclaimers, teased",
    "relevance",
    "fact dumps",
)


def table(figures: Figures) -> str:
    """All figures of the generator's sheets, then those of other people's."""
    lines = _header(["Arm", "Turn", *SCORES, "Replies"])
    for arm, turns in figures["arms"].items():
        for turn, scores in turns.items():
            cells = [_cell(name, scores[name]) for name in SCORES]
            lines.append(_row([arm, turn, *cells, str(scores["tone"]["count"])]))
    lines += ["", *_notes(figures)]
    if figures.get("others"):
        lines += ["", others_table(figures["others"])]
    return "\n".join(lines)


def _notes(figures: Figures) -> list[str]:
    tone, relevance = figures["tone ceiling"], figures["relevance ceiling"]
    lines = [
        f"- of the generator's own replies the classifier finds {tone['value']:.0%} of the tones, and the "
        f"matcher gives them a relevance of {relevance['value']:.2f}"
    ]
    for arm, found in figures["honesty"].items():
        lines += [f"- {arm}, asked sincerely, {name}: {share_text(cell)}" for name, cell in found.items()]
    for kind, cell in figures["assistant"].items():
        lines.append(f"- mini+{kind}, AI disclaimer on questions about itself: {share_text(cell)}")
    return lines


def others_table(others: Figures) -> str:
    """Counts for each character that the generator did not write."""
    arms = [name for name in next(iter(others.values())) if "+" in name]
    lines = _header(["Character", "Prompt tokens", *(f"{arm}: facts, AI disclaimers" for arm in arms)])
    for name, entry in others.items():
        title = f"{name} (a machine)" if entry["is machine"] else name
        lines.append(_row([title, str(entry["prompt tokens"]), *(_counts(entry[arm]) for arm in arms)]))
    return "\n".join(lines)


def growth_table(growth: Sequence[Figures]) -> str:
    """One row for each export."""
    names = [name for name in growth[0] if name not in ("run", "tokens")]
    lines = _header(["Run", "Tokens", *names])
    for entry in growth:
        lines.append(_row([entry["run"], f"{entry['tokens']:,}", *(share_text(entry[n]) for n in names)]))
    return "\n".join(lines)


def _header(cells: Sequence[str]) -> list[str]:
    return [_row(cells), _row(["---"] * len(cells))]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _counts(scores: Figures) -> str:
    if "left out" in scores:
        return f"left out: {scores['left out']}"
    facts, told = scores["facts"], scores["AI disclaimers"]
    return (
        f"{facts['value'] * facts['count']:.0f} of {facts['count']}, "
        f"{told['value'] * told['count']:.0f} of {told['count']}"
    )


def _cell(name: str, score: Figures) -> str:
    if not score["count"]:
        return "–"
    if name == "relevance":
        return f"{score['value']:.2f} ({score['low']:.2f}–{score['high']:.2f})"
    return f"{score['value']:.0%} ({score['low']:.0%}–{score['high']:.0%})"


def share_text(cell: Figures) -> str:
    """A share with its interval and count; "–" where nothing was asked."""
    if not cell["count"]:
        return "–"
    return f"{cell['value']:.0%} ({cell['low']:.0%} to {cell['high']:.0%}), n {cell['count']}"
