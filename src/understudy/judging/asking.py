"""Asking: judge models are asked, controls first; every call is stored once, every rating written down."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.evaluation.connection import Connection, RequestRefused
from understudy.evaluation.row_file import Progress, RowFile
from understudy.evaluation.spending import Spending
from understudy.judging.comparison import ORDERS, Order, compose_comparison, first_order, read_choice
from understudy.judging.faults import Examined, compose_examination, read_faults
from understudy.judging.pair import Pair
from understudy.judging.plan import JudgingPlan
from understudy.judging.trust import controls_passed
from understudy.teaching.budget import Budget, BudgetReached, Rate
from understudy.teaching.calls import CallStore, Desk, Stopped

__all__ = ["Judge", "ask_judges", "calls_file", "foresee_judging", "ratings_file"]

MOST_TOKENS = 160
TOKENS_PER_MESSAGE = 4
Job = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Judge:
    """A model that judges, and where. ``name`` is what it is called in ratings and results."""

    model: str
    place: str
    paid: bool
    rate: Rate | None = None

    @property
    def name(self) -> str:
        return self.model


def ratings_file(plan: JudgingPlan) -> RowFile:
    """``ratings.jsonl``: a row for every answer of every rater, judges and persons alike."""
    return RowFile(plan.run / "ratings.jsonl")


def calls_file(plan: JudgingPlan) -> CallStore:
    """``judge_calls.jsonl``: every request with its answer and its price."""
    return CallStore(plan.run / "judge_calls.jsonl")


def foresee_judging(
    plan: JudgingPlan, judge: Judge, ratings: RowFile, *, with_faults: bool = True
) -> Spending:
    """Count what ``judge`` would still be asked if it passes its controls. Asks nothing."""
    from understudy.dataset import count_text_tokens

    requests = [m for _, m in _comparisons(plan, judge, (*plan.controls.pairs, *plan.pairs.pairs), ratings)]
    if with_faults:
        cases = (*plan.examined_controls(), *plan.examined())
        requests += [m for _, m in _examinations(plan, judge, cases, ratings)]
    # The system prompt is nearly the same in all of them and long: counted once for each length.
    sizes: dict[str, int] = {}
    tokens = 0
    for messages in requests:
        for message in messages:
            text = message["content"]
            if text not in sizes:
                sizes[text] = count_text_tokens(text) + TOKENS_PER_MESSAGE
            tokens += sizes[text]
    replies = len(requests) * MOST_TOKENS
    if judge.rate is not None:
        return Spending(len(requests), tokens, replies, judge.rate.usd(tokens, replies), judge.rate.source)
    unknown = f"the price of {judge.model} is not known here; look at the provider's price page"
    return Spending(len(requests), tokens, replies, None, unknown if judge.paid else "on this machine, free")


async def ask_judges(
    plan: JudgingPlan,
    judges: Mapping[Judge, Connection],
    ratings: RowFile,
    calls: CallStore,
    *,
    with_faults: bool = True,
    budget_usd: float | None = None,
    concurrency: int = 8,
    report: Callable[[Progress], None] = lambda progress: None,
    until_stop: Callable[[Sequence[Desk]], Any] | None = None,
) -> bool:
    """Ask every judge its controls, and those that pass about the pairs and the faults.

    Args:
        until_stop: Makes a context in which a signal stops the desks.

    Returns:
        Whether everything was asked; ``False`` where the budget is used up.

    Raises:
        Stopped: Somebody stopped it; every answer is kept.
        ProviderError: A provider stopped answering; every answer is kept.
    """
    import contextlib

    budget = Budget(budget_usd, calls.usd())
    desks = {
        judge: Desk(
            connection,
            calls,
            place=judge.place,
            rates={judge.model: judge.rate} if judge.rate else {},
            budget=budget,
        )
        for judge, connection in judges.items()
    }
    complete = True
    with until_stop(list(desks.values())) if until_stop else contextlib.nullcontext():
        try:
            for judge, desk in desks.items():
                complete &= await _ask_one(plan, judge, desk, ratings, with_faults, concurrency, report)
        finally:
            for desk in desks.values():
                await desk.close()
    return complete


async def _ask_one(
    plan: JudgingPlan,
    judge: Judge,
    desk: Desk,
    ratings: RowFile,
    with_faults: bool,
    concurrency: int,
    report: Callable[[Progress], None],
) -> bool:
    async def run(what: str, jobs: list[Job]) -> bool:
        progress = Progress(f"{judge.name}: {what}", len(jobs), report)

        def told(job: Job) -> Job:
            async def counted() -> None:
                await job()
                progress.note = f"{desk.budget.spent_usd:.2f} USD" if desk.rates else ""
                progress.advance(fresh=True)

            return counted

        return await _finish([told(job) for job in jobs], desk, concurrency)

    def comparisons(pairs: Iterable[Pair]) -> list[Job]:
        return [
            _compare(plan, judge, desk, ratings, case, messages)
            for case, messages in _comparisons(plan, judge, pairs, ratings)
        ]

    def examinations(cases: Iterable[Examined]) -> list[Job]:
        return [
            _examine(plan, judge, desk, ratings, case, messages)
            for case, messages in _examinations(plan, judge, cases, ratings)
        ]

    if not await run("controls", comparisons(plan.controls.pairs)):
        return False
    if not controls_passed(plan, judge.name, ratings):
        return True
    if not await run("pairs", comparisons(plan.pairs.pairs)):
        return False
    if not with_faults:
        return True
    cases = [*plan.examined_controls(), *plan.examined()]
    return await run("faults", examinations(cases))


def _comparisons(
    plan: JudgingPlan, judge: Judge, pairs: Iterable[Pair], ratings: RowFile
) -> list[tuple[tuple[Pair, Order], list[dict[str, str]]]]:
    """What of the pairs this judge has not been asked yet, with the requests."""
    orders: list[tuple[Pair, Order]] = []
    for pair in pairs:
        if not pair.is_same:
            first = first_order(pair, plan.seed)
            orders += [(pair, first), (pair, ORDERS[first == ORDERS[0]])]
    return [
        ((pair, order), compose_comparison(plan.briefing, pair, order, plan.seed))
        for pair, order in orders
        if plan.comparison_key(judge.name, pair, order) not in ratings.rows
    ]


def _examinations(
    plan: JudgingPlan, judge: Judge, cases: Iterable[Examined], ratings: RowFile
) -> list[tuple[Examined, list[dict[str, str]]]]:
    return [
        (case, compose_examination(plan.briefing, case))
        for case in cases
        if plan.examination_key(judge.name, case) not in ratings.rows
    ]


def _compare(
    plan: JudgingPlan,
    judge: Judge,
    desk: Desk,
    ratings: RowFile,
    case: tuple[Pair, Order],
    messages: list[dict[str, str]],
) -> Job:
    pair, order = case

    async def job() -> None:
        answer = await _answer(desk, judge, messages, plan.seed)
        ratings.append(
            {
                "key": plan.comparison_key(judge.name, pair, order),
                "rater": judge.name,
                "kind": pair.kind,
                "pair": pair.id,
                "order": order,
                "choice": read_choice(answer, pair, order, plan.seed),
                "answer": answer[:400],
            }
        )

    return job


def _examine(
    plan: JudgingPlan,
    judge: Judge,
    desk: Desk,
    ratings: RowFile,
    case: Examined,
    messages: list[dict[str, str]],
) -> Job:
    async def job() -> None:
        answer = await _answer(desk, judge, messages, plan.seed)
        ratings.append(
            {
                "key": plan.examination_key(judge.name, case),
                "rater": judge.name,
                "kind": f"faults/{case.kind}",
                "reply": case.id,
                "faults": read_faults(answer),
            }
        )

    return job


async def _answer(desk: Desk, judge: Judge, messages: list[dict[str, str]], seed: int) -> str:
    try:
        reply = await desk.ask(judge.model, messages, temperature=0.0, max_tokens=MOST_TOKENS, seed=seed)
    except RequestRefused:
        return ""
    return reply.text.strip()


async def _finish(jobs: Sequence[Job], desk: Desk, concurrency: int) -> bool:
    """Run the jobs, a few at a time; requests under way come to their end, because they are paid for.

    Returns:
        ``False`` where the budget was used up before all were done.
    """
    waiting = iter(jobs)
    faults: list[Exception] = []

    async def work() -> None:
        for job in waiting:
            if faults:
                return
            try:
                await job()
            except BudgetReached as reached:
                faults.append(reached)
            except Exception as fault:
                desk.stop()
                faults.append(fault)

    await asyncio.gather(*(work() for _ in range(min(concurrency, len(jobs)))))
    serious = [fault for fault in faults if not isinstance(fault, BudgetReached | Stopped)]
    for fault in (*serious, *(f for f in faults if isinstance(f, Stopped))):
        raise fault
    return not faults
