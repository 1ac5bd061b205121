"""Teacher: the star answers an outline line by line, and each answer is checked before it is kept."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from understudy.dialogue import Dialogue, Message
from understudy.evaluation.connection import RequestRefused
from understudy.teaching.budget import BudgetReached
from understudy.teaching.calls import Desk, Stopped
from understudy.teaching.checks import Check, Said
from understudy.teaching.faults import remedy
from understudy.teaching.mending import mend_reply
from understudy.teaching.outline import Outline
from understudy.teaching.plan import Filter
from understudy.teaching.settings import TeachingSettings
from understudy.teaching.simulated_user import MOST_TOKENS, TEMPERATURE, SimulatedUser

__all__ = [
    "Exchange",
    "Refused",
    "Student",
    "Teacher",
    "Written",
    "dialogue_of",
    "in_good_order",
    "write_dialogues",
]

TOO_LONG = "request refused by the provider"
ORPHAN = "takes up a line that was left out"
USER_TRIES = 2


@dataclass(frozen=True)
class Refused:
    """A reply that must not be learned, and why."""

    text: str
    fault: str


@dataclass(frozen=True)
class Exchange:
    """A line with its reply; no reply where none was good. ``refused``: what was tried before it."""

    line: Message
    reply: str | None
    by_student: bool = False
    refused: tuple[Refused, ...] = ()
    mended: bool = False


@dataclass(frozen=True)
class Written:
    """A conversation as far as it came. ``ended``: the last reason why a line lacks a reply."""

    outline: Outline
    exchanges: tuple[Exchange, ...]
    ended: str | None = None

    def messages(self, until: int | None = None) -> list[Message]:
        """Lines with their replies; lines without a reply are not there."""
        messages = list(self.outline.opening)
        for exchange in self.exchanges[:until]:
            if exchange.reply is not None:
                weight = 0 if exchange.by_student else None
                messages += [exchange.line, Message("assistant", exchange.reply, weight=weight)]
        return messages


@dataclass(frozen=True)
class Student:
    """The cheap model: its own replies are the history in some conversations."""

    model: str
    prompt: str


@dataclass(frozen=True)
class Teacher:
    """The star: a model under the long prompt, and what its replies have to pass.

    statements: By fact id, what is true. focused: By fact id, a prompt that tells no other fact.
    """

    desk: Desk
    model: str
    name: str
    prompt: str
    check: Check
    settings: TeachingSettings
    rules: Filter = field(default_factory=Filter)
    user: SimulatedUser | None = None
    student: Student | None = None
    student_desk: Desk | None = None
    statements: dict[str, str] = field(default_factory=dict)
    focused: dict[str, str] = field(default_factory=dict)


async def write_dialogues(
    teacher: Teacher,
    outlines: Sequence[Outline],
    keep: Callable[[Written], None],
    earlier: dict[str, tuple[Written, int, Refused]] | None = None,
) -> bool:
    """Write a dialogue for each outline, several at a time; each is given to ``keep`` when finished.

    A fault, a stop and a budget that is used up let requests under way come to their end, because they
    are paid for.

    Args:
        earlier: By outline id, a finished dialogue, the turn from which it is written anew, and the reply
            that was refused there.

    Returns:
        Whether all were written; ``False`` where the budget is used up.

    Raises:
        Stopped: Somebody stopped the desk.
        ProviderError: The provider stopped answering.
    """
    waiting = iter(in_good_order(outlines, bounded=teacher.desk.budget.limit_usd is not None))
    faults: list[Exception] = []

    async def work() -> None:
        for outline in waiting:
            if faults:
                return
            try:
                keep(await _write(teacher, outline, (earlier or {}).get(outline.id)))
            except BudgetReached as reached:
                faults.append(reached)  # Others may still fit into what is left.
                return
            except Exception as fault:
                teacher.desk.stop()
                faults.append(fault)
                return

    await asyncio.gather(*(work() for _ in range(min(teacher.settings.concurrency, len(outlines)))))
    real = [fault for fault in faults if not isinstance(fault, BudgetReached | Stopped)]
    if real:
        raise real[0]
    if any(isinstance(fault, Stopped) for fault in faults):
        raise Stopped
    return not faults


def in_good_order(outlines: Sequence[Outline], *, bounded: bool) -> list[Outline]:
    """The longest first, so that at the end no place in flight waits for one long conversation.

    Where a budget may end the writing, in the order of the plan: else only long ones would be written.
    """
    return list(outlines) if bounded else sorted(outlines, key=lambda outline: -len(outline.lines))


async def _write(teacher: Teacher, outline: Outline, earlier: tuple[Written, int, Refused] | None) -> Written:
    """The dialogue as far as it is good.

    It ends before the first line that got no good reply; loose lines are left out instead.
    """
    written = Written(outline, ())
    refused: tuple[Refused, ...] = ()
    if earlier is not None:
        before, start, fault = earlier
        written = replace(before, exchanges=before.exchanges[:start], ended=None)
        refused = (*before.exchanges[start].refused, fault)
    for turn in range(len(written.exchanges), len(outline.lines)):
        line = await _line(teacher, written, turn)
        if line is None:
            break
        if turn in outline.follows and turn and written.exchanges[turn - 1].reply is None:
            exchange = Exchange(line, None, refused=(Refused("", ORPHAN),))
        elif turn < outline.student_turns and teacher.student is not None:
            exchange = await _student_exchange(teacher, written, turn, line)
        else:
            exchange = await _exchange(teacher, written, turn, line, refused)
        refused = ()
        written = replace(written, exchanges=(*written.exchanges, exchange))
        if exchange.reply is None:
            ended = exchange.refused[-1].fault if exchange.refused else TOO_LONG
            written = replace(written, ended=ended)
            if not outline.loose or ended == TOO_LONG:
                break
    return written


async def _line(teacher: Teacher, written: Written, turn: int) -> Message | None:
    """What the user says: the plan's line, or what a model makes of it; ``None`` where there is nothing."""
    outline = written.outline
    if teacher.user is None or turn not in outline.free:
        line = outline.lines[turn]
        return line if line.content else None
    said = written.messages()
    for attempt in range(USER_TRIES):
        try:
            reply = await teacher.desk.ask(
                teacher.model,
                teacher.user.messages(outline, turn, said),
                temperature=TEMPERATURE,
                max_tokens=MOST_TOKENS,
                seed=teacher.settings.seed_of(f"{outline.id}/user", turn, attempt),
            )
        except RequestRefused:
            break
        if text := teacher.user.line(reply, outline, said):
            return Message("user", text)
    plain = teacher.user.plain(outline, turn)
    return Message("user", plain) if plain else None


async def _student_exchange(teacher: Teacher, written: Written, turn: int, line: Message) -> Exchange:
    """The student's own reply, good or bad: it is history, and is not learned."""
    assert teacher.student is not None
    desk = teacher.student_desk or teacher.desk
    messages = [{"role": "system", "content": teacher.student.prompt}] if teacher.student.prompt else []
    messages += [m.as_chat() for m in (*written.messages(), line)]
    try:
        answer = await desk.ask(
            teacher.student.model,
            messages,
            temperature=teacher.settings.temperature,
            max_tokens=teacher.settings.max_tokens,
            seed=teacher.settings.seed_of(f"{written.outline.id}/student", turn, 0),
        )
    except RequestRefused:
        return Exchange(line, None)
    text = answer.text.strip()
    return Exchange(line, text or None, by_student=True, refused=() if text else (Refused("", "empty"),))


async def _exchange(
    teacher: Teacher, written: Written, turn: int, line: Message, refused: tuple[Refused, ...]
) -> Exchange:
    """A reply that passes the checks, or none after all repeats."""
    settings, outline = teacher.settings, written.outline
    history = [message.as_chat() for message in (*written.messages(), line)]
    earlier = tuple(e.reply for e in written.exchanges if e.reply is not None and not e.by_student)
    first = len(refused)
    for attempt in range(first, first + (settings.repeats + 1 if not first else max(1, settings.repeats))):
        try:
            answer = await teacher.desk.ask(
                teacher.model,
                _messages(teacher, written, turn, history, refused),
                temperature=settings.temperature_of(attempt),
                max_tokens=settings.max_tokens,
                seed=settings.seed_of(outline.id, turn, attempt),
            )
        except RequestRefused:  # Too long for the model; asking again would not make it shorter.
            return Exchange(line, None, refused=(*refused, Refused("", TOO_LONG)))
        drop = teacher.rules.stage_directions == "unwanted"
        text = mend_reply(answer.text, teacher.name, drop_directions=drop)
        fault = teacher.check(Said(outline, turn, text, answer.finish_reason, earlier, line.content))
        if fault is None:
            return Exchange(line, text, refused=refused, mended=text != answer.text.strip())
        if fault == "empty" and answer.text.strip():
            fault = "stage directions"
        refused = (*refused, Refused(answer.text.strip(), fault))
    return Exchange(line, None, refused=refused)


def _messages(
    teacher: Teacher, written: Written, turn: int, history: list[dict[str, str]], refused: tuple[Refused, ...]
) -> list[dict[str, str]]:
    """The request. After a refusal the prompt tells why, where the model can make use of that.

    The note stands in the system prompt, because many chat templates take no other system message. A
    model that makes nothing of reasons reads, where a fact is asked, that fact without all the others.
    """
    prompt = teacher.prompt
    facts = written.outline.facts
    asked = facts[turn] if turn < len(facts) else ""
    if refused and not teacher.settings.tells_reason:
        prompt = teacher.focused.get(asked, prompt)
    elif refused:
        last = refused[-1]
        manner = written.outline.manner
        advice = remedy(last.fault, name=teacher.name, language=manner.language, **teacher.rules.model_dump())
        if last.fault == "fact answered wrongly" and asked in teacher.statements:
            advice = f"What is true: {teacher.statements[asked]}"
        prompt = (
            f"{prompt}\n\nA note on your next reply only; never mention it. An earlier attempt was refused, "
            f"because it {_because(last.fault)}. {advice}\nThe refused attempt: {last.text[:400]}"
        ).strip()
    return [{"role": "system", "content": prompt}, *history] if prompt else list(history)


def _because(fault: str) -> str:
    """A fault as the end of "because it ..."."""
    verbs = ("calls", "leaves", "speaks", "refuses", "agrees", "does", "names", "gives", "writes", "begins")
    return fault if fault.startswith(verbs) else f"was not good enough ({fault})"


def dialogue_of(written: Written, model: str) -> Dialogue | None:
    """The finished dialogue, or ``None`` where no line got a good reply of the teacher's."""
    if not any(e.reply is not None and not e.by_student for e in written.exchanges):
        return None
    messages = written.messages()
    while messages and messages[-1].weight == 0:  # Nothing is learned from the student's last words.
        messages = messages[:-2]
    outline = written.outline
    source = f"written by {model} under the long prompt"
    return Dialogue(outline.id, outline.group, tuple(messages), outline.category, source)
