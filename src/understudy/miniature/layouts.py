"""Layouts: a sheet as a system prompt, in prose, in bullets or under headings."""

import random
from collections.abc import Callable

from understudy.miniature.lexicon import fill, load_table, pick, plural, words
from understudy.miniature.sheet_character import sheet_character
from understudy.miniature.sheets import Sheet
from understudy.miniature.third_person import told_of
from understudy.miniature.tones import speak, voice_lines

__all__ = ["render_sheet"]

MARKS = ("{}:", "{}:", "## {}", "[{}]", "**{}**")
BULLETS = ("- ", "- ", "* ", "")
UNKNOWN_LEADS = (
    "You have never heard of",
    "You know nothing of",
    "In your world there are no",
    "Nobody has told you about",
)
WONDER = " When somebody speaks of such things, wonder at them in your own way."
PRODUCT_SHARE, PROSE_SHARE, LIST_SHARE = 0.3, 0.35, 0.15
TOLD_SHARE = 0.6
THIRD_PERSON_SHARE = 0.25
JOINED_SHARE = 0.25
Teller = Callable[[str], str]


def render_sheet(sheet: Sheet, rng: random.Random, *, bare: bool = False) -> str:
    """The sheet as a system prompt, in one of many layouts and wordings; a ``bare`` one has no rules."""
    told = _teller(sheet, rng)
    tone, dice = [told(line) for line in voice_lines(sheet.voice, rng)], rng.random()
    count = rng.choice((0, 1, 2, 4, 6, 9)) if len(sheet.facts) > 3 else rng.choice((0, 0, 1))
    guidelines = load_table("scenery")["guidelines"]
    rules = [fill(text, sheet.slots, rng) for text in pick(rng, guidelines, count)]
    if bare:
        return (_prose if dice < 0.5 else _listed)(sheet, tone, [], told, rng)
    if dice < PRODUCT_SHARE:
        stated = [told(fact.statement(rng)) for fact in sheet.facts]
        return sheet_character(sheet, rng, tone=tone, guidelines=rules, stated=stated).long_prompt()
    if sheet.disclosure != "when_sincerely_asked" or rng.random() < TOLD_SHARE:
        rules.append(
            fill(rng.choice(load_table("scenery")["disclosure"][sheet.disclosure]), sheet.slots, rng)
        )
        rng.shuffle(rules)
    dice = rng.random()
    if dice < PROSE_SHARE:
        return _prose(sheet, tone, rules, told, rng)
    return (_listed if dice < PROSE_SHARE + LIST_SHARE else _headed)(sheet, tone, rules, told, rng)


def _teller(sheet: Sheet, rng: random.Random) -> Teller:
    """How lines are told: to "you", or of somebody with a name, as in the cards of others."""
    if rng.random() >= THIRD_PERSON_SHARE:
        return lambda line: line
    pronoun = rng.choice(("he", "she"))
    return lambda line: told_of(line, sheet.short, rng, pronoun)


def _opening(sheet: Sheet, rng: random.Random) -> str:
    traits = " and ".join(pick(rng, words("adjectives"), 2))
    options = ["You are {name}.", "You are {name}.", "You play {name}.", "Play the part of {name}."]
    options.append("You are {name}, a " + traits + " character.")
    if sheet.role:
        options += ["You are {name}, {a role}.", "You are {name}, the " + traits + " {role}."]
        options.append("Your role: {name}, {a role}.")
    return fill(rng.choice(options), sheet.slots, rng)


def _unknown(sheet: Sheet, rng: random.Random) -> list[str]:
    """The line about what the character has never heard of, if there is anything."""
    if not sheet.unknown:
        return []
    topics = ", ".join(plural(topic) for topic in sheet.unknown)
    return [f"{rng.choice(UNKNOWN_LEADS)} {topics}.{rng.choice(('', WONDER))}"]


def _prose(sheet: Sheet, tone: list[str], rules: list[str], told: Teller, rng: random.Random) -> str:
    """Paragraphs, sometimes in another order."""
    facts = [told(line) for line in _joined([fact.statement(rng, prose=True) for fact in sheet.facts], rng)]
    paragraphs = [" ".join(tone), " ".join(facts), " ".join(rules), *_unknown(sheet, rng)]
    if rng.random() < 0.5:
        rng.shuffle(paragraphs)
    joint = rng.choice((" ", "\n", "\n\n"))
    return joint.join(part for part in (_opening(sheet, rng), *paragraphs) if part)


def _joined(lines: list[str], rng: random.Random) -> list[str]:
    """The lines, some of them two in one sentence, as people write who do not think in lists."""
    joined: list[str] = []
    for line in lines:
        if joined and line.startswith(("You ", "Your ")) and rng.random() < JOINED_SHARE:
            joint = rng.choice((", and ", ", and ", "; ", ", but ", " and "))
            joined[-1] = f"{joined[-1].rstrip('.')}{joint}{line[0].lower()}{line[1:]}"
        else:
            joined.append(line)
    return joined


def _listed(sheet: Sheet, tone: list[str], rules: list[str], told: Teller, rng: random.Random) -> str:
    """One list of everything, in any order."""
    bullet = rng.choice(BULLETS)
    lines = [*tone, *(told(fact.statement(rng)) for fact in sheet.facts), *rules, *_unknown(sheet, rng)]
    rng.shuffle(lines)
    return "\n".join([_opening(sheet, rng), *(bullet + line for line in lines)])


def _headed(sheet: Sheet, tone: list[str], rules: list[str], told: Teller, rng: random.Random) -> str:
    """Sections under headings, in any order; long ones may split the facts and show an example."""
    bullet, facts = rng.choice(BULLETS), [told(fact.statement(rng)) for fact in sheet.facts]
    sections = [("tone", tone), ("rules", rules)]
    if len(facts) > 8 and rng.random() < 0.4:
        cut = rng.randint(3, len(facts) - 3)
        sections += [("world", facts[:cut]), ("likes", facts[cut:])]
    else:
        sections.append(("world", facts))
    sections += [("unknown", lines) for lines in [_unknown(sheet, rng)] if lines]
    rng.shuffle(sections)
    blocks, mark = [_opening(sheet, rng)], rng.choice(MARKS)
    for key, lines in sections:
        if lines:
            heading = mark.format(rng.choice(load_table("scenery")["headings"][key]))
            blocks.append("\n".join([heading, *(bullet + line for line in lines)]))
    if len(facts) > 10 and rng.random() < 0.3:
        fact = rng.choice(sheet.facts)
        reply = speak(fact.answer(rng), sheet.voice, rng)
        blocks.append(f"For example:\nUser: {fact.question(rng)}\n{sheet.name}: {reply}")
    return rng.choice(("\n\n", "\n")).join(blocks)
