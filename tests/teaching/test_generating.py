"""A plan is drafted, carried out over HTTP, killed, paid once, kept within its budget."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest

from understudy.client.connection import connect_async
from understudy.client.provider import resolve_provider
from understudy.dataset import count_text_tokens
from understudy.dialogue import load_dialogues
from understudy.errors import ProviderError
from understudy.teaching import Company, draft_plan, load_plan, plan_path, plan_teaching, save_plan, teach
from understudy.teaching import usual_settings as settings_for
from understudy.teaching.batching import BatchConnection
from understudy.teaching.budget import Rate, find_rate
from understudy.teaching.pacing import PatientConnection
from understudy.teaching.plan import Filter, User
from understudy.teaching.teacher import in_good_order
from understudy.teaching.teaching import foresee_teaching

from .provider import Provider
from .star import Star, ophelia

PLAIN = User(played_by="lines", typing={"careful": 1})


def planned_folder(root, count=30, **changes):
    """Ophelia's folder with a plan that a test can carry out quickly."""
    from understudy.character import load_character

    folder = ophelia(root)
    plan = draft_plan(load_character(folder.character), count)
    changes = {"user": PLAIN, "filter": Filter(tone=0)} | changes
    save_plan(plan_path(folder), plan.model_copy(update=changes), folder="ophelia", estimate="")
    return folder


def answering(folder):
    """What the star that knows the sheet says over HTTP."""
    star = Star(folder)

    def answer(request):
        system, *said = request["messages"]
        if "You play a person" in system["content"]:
            return f"Well, {len(said)} more things about {system['content'][-30:]}"
        if "You judge a conversation" in system["content"]:
            return "GRADE: 2\nWORST: 1\nREASON: too plain" if "doctor" in said[-1]["content"] else "GRADE: 5"
        return star._good(said[-1]["content"], len(request["messages"]))

    return answer


def carried_out(folder, provider, *, connection=None, **options):
    whose = resolve_provider(provider.base_url, allow_paid=True)
    company = options.pop("company", None)
    settings = settings_for("star", **{"concurrency": 8} | options)
    plan = plan_teaching(folder, whose, "star", settings, written=load_plan(folder), company=company)
    connection = connection or (lambda: PatientConnection(connect_async(whose)))
    student = (lambda: PatientConnection(connect_async(whose))) if plan.student else None
    return teach(plan, connection, student_connection=student)


def test_a_plan_is_carried_out_reviewed_and_then_current(tmp_path):
    folder = planned_folder(tmp_path)
    provider = Provider(answering(folder))
    with provider.running():
        report = carried_out(folder, provider)
        assert report.record.origin == "plan"
        assert report.record.dialogues == len(load_dialogues(folder.dialogues)) == 30
        assert report.fresh_requests == sum(provider.bill.values())
        assert carried_out(folder, provider).reused
    review = (folder.root / "review.md").read_text(encoding="utf-8")
    assert f"{report.record.kept_at_once} replies kept at once" in review
    assert "## Dropped" in review


def test_replies_that_begin_alike_are_repaired_and_dropped_with_the_reason(tmp_path):
    """Told why, the teacher begins otherwise in half of the talks, and never in the other half."""
    folder = planned_folder(tmp_path, 12)
    good, asked = answering(folder), []

    def answer(request):
        system = request["messages"][0]["content"]
        asked.append(system)
        said = good(request)
        if "Begin with other words" in system and len(request["messages"][-1]["content"]) % 2:
            return said
        return f"Marmalade pancakes, {said}"

    provider = Provider(answer)
    with provider.running():
        report = carried_out(folder, provider)

    assert any("because it begins like an earlier reply. Begin with other words" in text for text in asked)
    assert report.record.refused["begins like an earlier reply"] > 0
    for dialogue in load_dialogues(folder.dialogues):
        replies = [m.content for m in dialogue.messages if m.role == "assistant"]
        assert sum(reply.startswith("Marmalade pancakes") for reply in replies) <= 1
    review = (folder.root / "review.md").read_text(encoding="utf-8")
    dropped, _, rest = review.partition("## Repaired")
    assert "~~ begins like an earlier reply" in dropped.partition("## Dropped")[2]
    assert "~~ begins like an earlier reply" in rest.partition("## Kept")[0]


def test_a_miniature_may_begin_alike(tmp_path):
    """It is told no reasons, and would begin the next try as the last."""
    folder = planned_folder(tmp_path, 12)
    local = resolve_provider("http://127.0.0.1:9/v1", allow_paid=True)
    for model, written, most in (
        ("understudy/mini-star", None, 0),
        ("understudy/mini-star", load_plan(folder), 0),
        ("star", None, 1),
        ("star", load_plan(folder), 1),
    ):
        settings = settings_for(model)
        found = plan_teaching(folder, local, model, settings, written=written)
        assert found.rules.same_openings == most


def test_killed_three_times_and_nothing_is_paid_twice(tmp_path):
    folder = planned_folder(tmp_path, 40)
    provider = Provider(answering(folder), latency_seconds=0.05)
    with provider.running():
        words = [
            sys.executable, "-m", "understudy", "generate", str(folder.root), "--teacher", "star",
            "--provider", provider.base_url, "--concurrency", "4", "--json",
        ]  # fmt: skip
        environment = os.environ | {"UNDERSTUDY_HOME": str(tmp_path / "home")}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            before = sum(provider.bill.values())
            process = subprocess.Popen(words, env=environment, stdout=-1, stderr=-1)
            while sum(provider.bill.values()) < before + 20 and process.poll() is None:
                time.sleep(0.02)
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
            assert b"Traceback" not in said
            assert not folder.dialogues.exists()
        ended = subprocess.run(words, env=environment, capture_output=True, timeout=120)
        assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert result["dialogues"] == 40
    twice = {request: times for request, times in provider.bill.items() if times > 1}
    # Only what was under way at the moment of the hard kill may have been asked again.
    assert len(twice) <= result["lost"] <= 4
    assert len(provider.bill) == result["requests"]


def test_a_budget_is_never_exceeded_and_more_goes_on(tmp_path):
    folder = planned_folder(tmp_path)
    provider = Provider(answering(folder))
    rate = Rate(1000.0, 2000.0, "test")
    with provider.running():
        for budget in (20.0, 40.0):
            report = carried_out(
                folder, provider, company=Company(budget_usd=budget, rate=rate), max_tokens=40
            )
            spent = rate.usd(provider.tokens["prompt"], provider.tokens["completion"])
            assert 0.3 * budget < spent <= budget
            assert not report.record.complete
            assert report.record.usd == pytest.approx(spent, rel=1e-3)
            assert 0 < report.record.dialogues < 30
        assert max(provider.bill.values()) == 1
        done = carried_out(folder, provider, company=Company(budget_usd=1e6, rate=rate), max_tokens=40)
        assert done.record.complete
        assert done.record.dialogues == 30


def test_a_busy_provider_is_waited_for_as_it_asks(tmp_path):
    folder = planned_folder(tmp_path, 6)
    provider = Provider(answering(folder))
    provider.busy = [(429, {"Retry-After": "1"}, {"message": "slow down"}), (503, {}, {"message": "busy"})]
    with provider.running():
        report = carried_out(folder, provider, concurrency=1)
        assert report.record.dialogues == 6
        assert provider.arrivals[1] - provider.arrivals[0] >= 1.0
        provider.busy = [(429, {}, {"message": "no money", "code": "insufficient_quota"})]
        with pytest.raises(Exception, match="no money"):
            carried_out(folder, provider, temperature=0.9)


def test_requests_are_spaced(tmp_path):
    folder = planned_folder(tmp_path, 3)
    provider = Provider(answering(folder))
    with provider.running():
        whose = resolve_provider(provider.base_url, allow_paid=True)
        patient = lambda: PatientConnection(connect_async(whose), requests_per_minute=600)  # noqa: E731
        carried_out(folder, provider, connection=patient)
    gaps = [b - a for a, b in zip(provider.arrivals, provider.arrivals[1:], strict=False)]
    assert min(gaps) > 0.05


def test_a_model_plays_the_user_and_the_student_stands_in(tmp_path):
    folder = planned_folder(tmp_path, 40, user=User(typing={"careful": 1}), student_history=1.0)
    provider = Provider(answering(folder))
    with provider.running():
        report = carried_out(folder, provider, company=Company(student="cheap"))
    assert report.record.dialogues > 20
    asked = [json.loads(request) for request in provider.bill]
    models = Counter(request["model"] for request in asked)
    assert models["cheap"] > 10
    systems = {r["messages"][0]["content"] for r in asked if r["model"] == "cheap"}
    assert systems == {"You are Princess Ophelia."}
    played = [r for r in asked if "You play a person" in r["messages"][0]["content"]]
    assert played
    assert all(r["messages"][-1]["role"] == "user" for r in played)
    taught = load_dialogues(folder.dialogues)
    weights = [[m.weight for m in d.messages if m.role == "assistant"] for d in taught]
    assert any(0 in row and None in row for row in weights)
    assert all(row[-1] is None for row in weights)
    assert any("more things about" in m.content for d in taught for m in d.messages if m.role == "user")


def test_what_a_judge_refuses_is_written_anew_with_the_reason_and_dropped(tmp_path):
    folder = planned_folder(tmp_path, 12)
    provider = Provider(answering(folder))
    with provider.running():
        report = carried_out(folder, provider, company=Company(judge="judge"))
    assert report.record.refused["judge gave 2: too plain"] > 0
    told = [json.loads(r) for r in provider.bill if "judge gave 2: too plain" in r]
    assert any("refused" in r["messages"][0]["content"] for r in told)
    assert "judge gave 2: too plain" in (folder.root / "review.md").read_text(encoding="utf-8")


def test_the_judge_is_in_the_cost_that_is_foreseen(tmp_path):
    folder = planned_folder(tmp_path, 12)
    provider = Provider(answering(folder))
    with provider.running():
        whose = resolve_provider(provider.base_url, allow_paid=True)
        company = Company(judge="gpt-4.1-mini", rate=Rate(1.0, 2.0, "--price"))
        planned = [
            plan_teaching(folder, whose, "star", written=load_plan(folder), company=one)
            for one in (Company(rate=company.rate), company)
        ]
        alone, judged = map(foresee_teaching, planned)
        carried_out(folder, provider, company=Company(judge="gpt-4.1-mini"))
    asked = [json.loads(r) for r, times in provider.bill.items() for _ in range(times)]
    graded = [r for r in asked if "You judge a conversation" in r["messages"][0]["content"]]
    tokens = sum(count_text_tokens(m["content"]) for r in graded[:12] for m in r["messages"])

    assert judged.requests - alone.requests == 12 <= len(graded)
    assert tokens < judged.prompt_tokens - alone.prompt_tokens < 6 * tokens
    assert judged.reply_tokens - alone.reply_tokens == 12 * 200
    price = find_rate("gpt-4.1-mini")
    more = price.usd(judged.prompt_tokens - alone.prompt_tokens, 12 * 200)
    assert judged.usd == pytest.approx(alone.usd + more)
    unknown = replace(planned[1], company=replace(company, judge="who-knows"))
    assert foresee_teaching(unknown).usd is None
    assert "the price of who-knows is not known" in str(foresee_teaching(unknown))


def test_batches_are_found_again(tmp_path):
    folder = planned_folder(tmp_path, 8)
    provider = Provider(answering(folder), batch_seconds=0.05)
    with provider.running():
        whose = resolve_provider(provider.base_url, allow_paid=True)

        def batched():
            notes = folder.root / "batches.jsonl"
            return BatchConnection(connect_async(whose), notes, quiet_seconds=0.1, poll_seconds=0.05)

        report = carried_out(folder, provider, connection=batched, concurrency=1000)
        assert report.record.dialogues == 8
        assert not provider.arrivals  # nothing went out one by one
        assert len(provider.batches) <= 9 * 4
        # A run that was killed before it could note the answers finds them in the batches.
        (folder.root / "calls.jsonl").unlink()
        (folder.root / "teaching.json").unlink()
        again = carried_out(folder, provider, connection=batched, concurrency=1000)
        assert again.record.output == report.record.output
    assert max(provider.bill.values()) == 1


def test_an_answer_that_is_no_chat_completion_is_told(tmp_path):
    folder = planned_folder(tmp_path, 6)
    provider = Provider(answering(folder))
    for page in ({"html": "welcome"}, {"choices": []}, ["x"], {"choices": [{"message": "hi"}]}):
        provider._completion = lambda request, page=page: page
        with provider.running(), pytest.raises(ProviderError, match=r"no chat completion .* ends with /v1"):
            carried_out(folder, provider, concurrency=1)


def test_the_longest_conversations_are_begun_first_unless_a_budget_may_end_it(tmp_path):
    folder = planned_folder(tmp_path, 40)
    whose = resolve_provider("http://127.0.0.1:1/v1", allow_paid=True)
    outlines = plan_teaching(folder, whose, "star", settings_for("star"), written=load_plan(folder)).outlines
    ordered = [len(outline.lines) for outline in in_good_order(outlines, bounded=False)]

    assert ordered == sorted((len(outline.lines) for outline in outlines), reverse=True)
    assert ordered != [len(outline.lines) for outline in outlines]
    assert in_good_order(outlines, bounded=True) == list(outlines)
