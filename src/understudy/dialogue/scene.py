"""Scene: cuts the lines of a source into dialogues in which one speaker is the assistant."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from understudy.dialogue.dialogue import Dialogue, Message
from understudy.dialogue.direction import apply_stage_directions
from understudy.dialogue.line import UNSURE, Line
from understudy.dialogue.options import ImportOptions
from understudy.dialogue.speaker import clean_label, normalize_label

__all__ = ["UNSURE_REASON", "cut_dialogues", "dialogue_id"]

# Fewer groups than this cannot be split into four parts of use: then every conversation is one.
MIN_GROUPS = 12
# Fewer conversations cannot fill the four parts: then the pieces of a long one are divided.
MIN_CONVERSATIONS = 4
UNSURE_REASON = "line whose speaker is unsure"

# Narration that ends a conversation: the picture moves elsewhere, time passes, people come or go.
_BREAK = re.compile(
    r"\b(?:cuts? (?:back )?to|fades? (?:to|out|in|into|away|back)|dissolves?|the scene|scene:|next scene"
    r"|(?:switch|shift|change|move)[sd]?(?:es)? (?:back )?to (?:a|an|the|show|\w+'s)\b|meanwhile|elsewhere"
    r"|flashback|later|the next (?:day|morning|night)|that (?:night|evening)|title card|commercial"
    r"|curtain|act drop)\b",
    re.IGNORECASE,
)
_ENTRANCE = re.compile(r"^\W*(?:re-?enter|enter|exit|exeunt)\b", re.IGNORECASE)


@dataclass(frozen=True)
class _Turn:
    """Speeches that one speaker says without interruption."""

    speaker: str
    text: str
    mine: bool
    source: str


def cut_dialogues(
    lines: Sequence[Line],
    speakers: frozenset[str],
    options: ImportOptions,
    *,
    prefix: str,
    skipped: Counter[str],
    written: bool = False,
) -> list[Dialogue]:
    """Make dialogues of a source's lines.

    Within a scene, a conversation holds the speaker's replies with at most
    ``options.context`` speeches of others before each; a longer silence ends it. No line is in
    two dialogues, so groups share nothing.

    Args:
        lines: All lines in order.
        speakers: Normalized labels of the character.
        options: Context, length, names, stage directions.
        prefix: Begins ids and groups, usually the file's name.
        skipped: Counts of what was left out, by reason; added to.
        written: The lines were typed; their line breaks and brackets stay.

    Returns:
        Dialogues that end with the character's reply. Their group is the episode or act, or, where
        fewer than ``MIN_GROUPS`` of those have replies, the single conversation. Where even those are
        fewer than ``MIN_CONVERSATIONS``, as in one long talk between two, each dialogue is a group.
    """
    conversations = [
        (group, conversation)
        for group, scene in _scenes(lines)
        for turns in _known_turns(_turns(scene, speakers, options, skipped, written), skipped)
        for conversation in _conversations(turns, options, skipped)
    ]
    by_conversation = len({group for group, _ in conversations}) < MIN_GROUPS
    by_piece = len(conversations) < MIN_CONVERSATIONS
    seen: Counter[str] = Counter()
    dialogues = []
    for group, conversation in conversations:
        seen[group] += 1
        name = "/".join(part for part in (prefix, group) if part)
        name = f"{name}/{seen[group]}" if by_conversation else name
        pieces = list(_pieces(conversation, options))
        for number, piece in enumerate(pieces, 1):
            part = f"{name}/{number}" if by_piece and len(pieces) > 1 else name
            dialogues.append(_dialogue(piece, part, prefix, options))
    return dialogues


def dialogue_id(messages: Iterable[Message], prefix: str) -> str:
    """An id that the same words always get: the prefix and 12 digits of a hash."""
    words = json.dumps([[message.role, message.content] for message in messages], ensure_ascii=False)
    return f"{prefix}-{hashlib.sha256(words.encode('utf-8', 'replace')).hexdigest()[:12]}"


def _scenes(lines: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    """Yield ``(group, lines)``; narration that moves elsewhere ends a scene and is left out."""
    for (group, _), members in groupby(lines, key=lambda line: (line.group, line.scene)):
        scene: list[Line] = []
        for line in members:
            if line.speaker is not None:
                scene.append(line)
            elif _BREAK.search(line.text) or _ENTRANCE.search(line.text):
                yield group, scene
                scene = []
        yield group, scene


def _turns(
    lines: Iterable[Line],
    speakers: frozenset[str],
    options: ImportOptions,
    skipped: Counter[str],
    written: bool,
) -> list[_Turn]:
    """Clean the speeches and join those that one speaker says in a row."""
    turns: list[_Turn] = []
    between = "\n" if written else " "
    for line in lines:
        text = line.text.strip() if written else apply_stage_directions(line.text, options.stage_directions)
        label = line.speaker or ""
        if "\ufffd" in text:
            skipped["unreadable character (removed)"] += text.count("\ufffd")
            # Between spaces a dash was lost; elsewhere it cannot be known.
            text = text.replace(" \ufffd ", " – ").replace("\ufffd", "").strip()
            text = text if written else " ".join(text.split())
        if not text:
            skipped["speech of stage directions only"] += 1
            continue
        mine = normalize_label(label) in speakers
        if turns and (
            (turns[-1].mine and mine) or normalize_label(turns[-1].speaker) == normalize_label(label)
        ):
            turns[-1] = replace(turns[-1], text=f"{turns[-1].text}{between}{text}")
        else:
            turns.append(_Turn(_shown(label), text, mine, line.source))
    return turns


def _known_turns(turns: list[_Turn], skipped: Counter[str]) -> Iterator[list[_Turn]]:
    """Yield what lies between lines of unsure speakers: such a line could be the character's own."""
    for unsure, run in groupby(turns, key=lambda turn: turn.speaker == UNSURE):
        if unsure:
            skipped[UNSURE_REASON] += sum(1 for _ in run)
        else:
            yield list(run)


def _shown(label: str) -> str:
    """The name as a sentence would write it: ``DUKE VINCENTIO`` becomes ``Duke Vincentio``."""
    name = clean_label(label)
    return name.title().replace("’S", "’s").replace("'S", "'s") if name.isupper() and len(name) > 2 else name


def _conversations(
    turns: list[_Turn], options: ImportOptions, skipped: Counter[str]
) -> Iterator[list[_Turn]]:
    """Yield runs of turns that end with the character, with context before its replies."""
    mine = [i for i, turn in enumerate(turns) if turn.mine]
    start, previous = 0, -1
    for position, i in enumerate(mine):
        first = previous < 0 or i - previous - 1 > options.context
        if first:
            start = max(previous + 1, i - options.context)
        previous = i
        following = mine[position + 1] if position + 1 < len(mine) else None
        if following is None or following - i - 1 > options.context:
            conversation = turns[start : i + 1]
            if all(turn.mine for turn in conversation):
                skipped["line of the speaker with nobody's line before it"] += 1
            else:
                yield conversation


def _pieces(conversation: list[_Turn], options: ImportOptions) -> Iterator[list[list[_Turn]]]:
    """Cut a conversation into lists of messages; a cut falls before the others' side."""
    messages = [list(turns) for _, turns in groupby(conversation, key=lambda turn: turn.mine)]
    while messages:
        end = options.max_messages
        if end < len(messages) and not messages[end - 1][0].mine:
            end -= 1
        yield messages[:end]
        messages = messages[end:]


def _dialogue(messages: list[list[_Turn]], group: str, prefix: str, options: ImportOptions) -> Dialogue:
    others = {normalize_label(turn.speaker) for turns in messages for turn in turns if not turn.mine}
    named = options.speaker_names == "keep" or (options.speaker_names == "auto" and len(others) > 1)
    made = tuple(_message(turns, named) for turns in messages)
    return Dialogue(dialogue_id(made, prefix), group, made, "", messages[0][0].source)


def _message(turns: list[_Turn], named: bool) -> Message:
    speakers = list(dict.fromkeys(turn.speaker for turn in turns))
    if turns[0].mine:
        return Message("assistant", turns[0].text, speakers[0])
    texts = [f"{turn.speaker}: {turn.text}" if named else turn.text for turn in turns]
    return Message("user", "\n".join(texts), ", ".join(speakers))
