"""An evaluation from a trained run to its verdict, with models in memory."""

import json
import shutil
from collections import Counter
from dataclasses import replace

import pytest

from understudy.atomic import write_json
from understudy.character.character import load_character
from understudy.dataset import count_text_tokens
from understudy.errors import EvaluationError, ProviderError
from understudy.evaluation import Settings, current_verdict, evaluate, foresee, load_verdict
from understudy.evaluation.casting import cast_from_flags
from understudy.evaluation.replies import RowFile
from understudy.evaluation.score import DIRECTIONS
from understudy.folder import open_folder

from .stage import TUNED, Stage, set_stage

FEW = Settings(
    probes=80,
    replies_per_probe=2,
    further=12,
    skills=12,
    scripts=2,
    script_turns=4,
    scored_conversations=12,
    style_questions=30,
    draws=1000,
)
ARMS = [
    "cheap+long", "cheap+short", "tuned+short", "tuned+none", "tuned+long", "cheap+trimmed", "cheap+few-shot",
]  # fmt: skip


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder, run = set_stage(tmp_path_factory.mktemp("stage"))
    stage = Stage(folder)
    verdict = evaluate(folder, run, stage, FEW)
    return folder, run, stage, verdict, json.loads((run / "verdict.json").read_text(encoding="utf-8"))


def test_the_verdict_holds_every_arm_and_score_with_interval_and_count(evaluated):
    row = evaluated[4]

    assert row["schema"] == "understudy.verdict/2"
    assert [a["name"] for a in row["arms"]] == [*ARMS, "wrong+short", "expensive+long"]
    for arm in row["arms"][:7]:
        assert set(arm["scores"]) == set(DIRECTIONS)
        for name, score in arm["scores"].items():
            assert set(score) == {"value", "low", "high", "count", "unit", "method", "note"}
            if score["value"] is None:
                assert score["note"], name
            else:
                # A distance of resampled replies is never as small as that of all of them.
                assert name == "marker_distance" or score["low"] <= score["value"] <= score["high"], name
                assert score["count"] > 0
        assert [turn["turn"] for turn in arm["by_turn"]] == [1, 2, 3, 4]
        assert arm["drift"]["by_turn"] == arm["by_turn"]
        assert arm["drift"]["survival"]
    assert row["arms"][7]["measured"] is False
    assert row["arms"][8]["note"] == "priced, not measured"
    assert row["arms"][0]["prompt_tokens"] > 500 > row["arms"][2]["prompt_tokens"] > 0
    assert row["training"]["fine_tuned_model"] == TUNED
    assert len(row["probes"]["sha256"]) == 64
    assert row["probes"]["looks"] == 1
    assert 0 < row["probes"]["ceiling"]["passed"] <= 1
    assert row["primary"]["seeds"][0]["training_seed"] == 1
    assert row["limits"]
    assert row["seeds"]
    assert row["versions"]["understudy"]


def test_a_model_that_plays_well_is_told_from_one_that_does_not(evaluated):
    scores = {a["name"]: a["scores"] for a in evaluated[4]["arms"]}
    better = {(c["score"], c["b"]): c["better"] for c in evaluated[4]["comparisons"]}

    assert scores["tuned+short"]["fact_recall"]["value"] > 0.9
    assert scores["cheap+short"]["in_fiction_leak"]["value"] > 0.9
    assert scores["cheap+short"]["gap_closed"]["value"] == pytest.approx(0)
    assert scores["cheap+long"]["gap_closed"]["value"] == pytest.approx(1)
    assert scores["tuned+short"]["gap_closed"]["value"] == pytest.approx(2.5, abs=0.01)
    for name in ("nll_per_token", "style", "in_fiction_leak", "fact_recall"):
        assert better[name, "cheap+short"] is True, name
    assert better["style", "tuned+none"] is None


def test_every_reply_stands_in_the_file_with_what_was_sent(evaluated):
    run = evaluated[1]
    rows = [json.loads(line) for line in (run / "replies.jsonl").read_text(encoding="utf-8").splitlines()]
    single = [r for r in rows if r["arm"] == "tuned+short" and r["part"] == "single"]
    counts = Counter(r["part"] for r in rows)
    wanted = {"arm", "probe_id", "part", "category", "group", "turn", "sample", "messages", "reference"}

    each = {"single": 2 * 79, "further": 12, "skill": 12, "script": 8, "drift": 4}
    assert counts == {part: 7 * count for part, count in each.items()}
    assert {r["sample"] for r in single} == {0, 1}
    assert all(isinstance(r["passed"], bool) and r["why"] for r in rows)
    scripted = [r for r in rows if r["arm"] == "tuned+short" and r["group"].startswith("script/0/")]
    turns = [r for r in scripted if r["part"] == "script"]
    said = {"role": "assistant", "content": turns[0]["reply"]}
    assert turns[1]["messages"][-3:-1] == [turns[0]["messages"][-1], said]
    beside = next(r for r in scripted if r["part"] == "drift")
    assert beside["messages"][-1]["content"] not in str(turns)
    assert wanted | {"finish_reason", "prompt_tokens", "completion_tokens", "seconds"} <= set(rows[0])
    short = next(r for r in rows if r["arm"] == "tuned+short")
    bare = next(r for r in rows if r["arm"] == "tuned+none")
    assert short["messages"][0] == {"role": "system", "content": "You are Princess Ophelia."}
    assert bare["messages"][0]["role"] != "system"


def test_asking_again_costs_nothing_and_gives_the_same_figures(evaluated):
    folder, run, stage, _, row = evaluated
    asked = stage.asked, stage.scored

    assert current_verdict(folder, run, FEW)["hashes"] == row["hashes"]
    again = evaluate(folder, run, stage, FEW).as_dict()

    assert (stage.asked, stage.scored) == asked
    assert again["arms"] == row["arms"]
    assert again["comparisons"] == row["comparisons"]
    assert current_verdict(folder, run, FEW.quick()) is None


def test_a_changed_sheet_makes_the_verdict_old(evaluated, tmp_path):
    shutil.copytree(evaluated[0].root, tmp_path / "ophelia")
    folder = open_folder(tmp_path / "ophelia")
    run = folder.run(evaluated[1].name)
    assert current_verdict(folder, run, FEW)
    text = folder.character.read_text(encoding="utf-8")
    folder.character.write_text(text.replace("nineteen", "twenty"), encoding="utf-8")

    assert current_verdict(folder, run, FEW) is None


def test_an_interrupted_evaluation_goes_on_where_it_was(tmp_path):
    folder, run = set_stage(tmp_path, lines=300)
    stage = Stage(folder)
    stage.fails_after = 100
    with pytest.raises(ProviderError, match="stopped"):
        evaluate(folder, run, stage, FEW)

    assert not (run / "verdict.json").exists()
    kept = (run / "replies.jsonl").read_text(encoding="utf-8")
    assert kept.count("\n") == 100
    (run / "replies.jsonl").write_text(kept + '{"key": "torn', encoding="utf-8")
    whole = Stage(folder)
    evaluate(folder, run, whole, FEW)

    rows = (run / "replies.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(json.loads(line) for line in rows)
    assert whole.asked == len(rows) - 100 + 30


def test_a_provider_that_cannot_score_leaves_likelihood_out_and_says_so(tmp_path):
    folder, run = set_stage(tmp_path, lines=300)
    stage = Stage(folder)
    stage.scores = False
    row = evaluate(folder, run, stage, FEW).as_dict()
    scores = row["arms"][2]["scores"]

    assert scores["nll_per_token"]["value"] is None
    assert scores["gap_closed"]["value"] is None
    assert scores["style"]["value"] is not None
    assert any("no such endpoint" in limit for limit in row["limits"])
    assert "likelihood" in row["headline"]["sentence"]


class CountingStage(Stage):
    """Adds up the tokens of what it is sent, as the estimate counts them."""

    prompt_tokens = 0

    async def reply(self, model, messages, **sampling):
        self.prompt_tokens += sum(count_text_tokens(m["content"]) + 4 for m in messages)
        return await super().reply(model, messages, **sampling)


def test_what_is_foreseen_is_what_is_asked(tmp_path):
    """Probes, general tasks, style questions and the few-shot arm's examples, to the token."""
    folder, run = set_stage(tmp_path)
    stage = CountingStage(folder)
    settings = replace(FEW, scripts=0)
    foreseen = foresee(folder, run, settings)

    evaluate(folder, run, stage, settings)

    assert (foreseen.requests, foreseen.prompt_tokens) == (stage.asked, stage.prompt_tokens)
    tasks = foresee(folder, run, replace(settings, skills=0))
    assert foreseen.requests - tasks.requests == len(ARMS) * settings.skills
    # Only of conversations the history is not known before.
    played = foresee(folder, run, FEW)
    turns = FEW.scripts * FEW.script_turns
    assert played.requests - foreseen.requests >= len(ARMS) * turns


def test_requests_that_are_refused_are_missing_not_bad(tmp_path):
    folder, run = set_stage(tmp_path, lines=300)
    stage = Stage(folder)
    stage.longest = len(load_character(folder.character).long_prompt()) + 60
    row = evaluate(folder, run, stage, FEW).as_dict()

    assert any("refused" in limit and "cheap+long" in limit for limit in row["limits"])
    arms = {a["name"]: a["scores"] for a in row["arms"]}
    assert arms["cheap+long"]["false_break"]["count"] < arms["cheap+short"]["false_break"]["count"]


def test_a_prompt_that_never_fits_is_one_clear_message(tmp_path):
    folder, run = set_stage(tmp_path, lines=100)
    stage = Stage(folder)
    stage.longest = 500

    with pytest.raises(EvaluationError, match=r"cheap\+long.*refused.*too long for the model"):
        evaluate(folder, run, stage, FEW)


def test_a_run_without_a_model_says_how_to_get_one(tmp_path):
    folder, run = set_stage(tmp_path, lines=100)
    write_json(run / "job.json", {"id": "ftjob-1", "status": "running"})

    with pytest.raises(EvaluationError, match=r"its job is running\).*understudy train ophelia"):
        evaluate(folder, run, Stage(folder), FEW)


def test_a_run_that_was_trained_on_other_data_is_refused(tmp_path):
    folder, run = set_stage(tmp_path, lines=100)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    write_json(run / "config.json", {**config, "dataset": {"training.jsonl": "0" * 64}})

    with pytest.raises(EvaluationError, match="may have been trained"):
        evaluate(folder, run, Stage(folder), FEW)


def test_a_small_unsorted_character_is_judged_as_far_as_it_goes(tmp_path):
    folder, run = set_stage(tmp_path, lines=60)
    sheet = folder.character.read_text(encoding="utf-8")
    folder.character.write_text(sheet[: sheet.index("facts:")], encoding="utf-8")
    row = evaluate(folder, run, Stage(folder), FEW).as_dict()

    assert row["arms"][2]["scores"]["fact_recall"]["value"] is None
    assert "no facts" in row["arms"][2]["scores"]["fact_recall"]["note"]
    assert row["headline"]["answer"] in ("yes", "no", "not_shown")


def test_a_damaged_verdict_names_itself(tmp_path):
    (tmp_path / "verdict.json").write_text("{", encoding="utf-8")

    with pytest.raises(EvaluationError, match=r"verdict\.json: cannot be read"):
        load_verdict(tmp_path)


def test_rows_survive_a_torn_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"key": "a", "n": 1}\n{"key": "b", "n"', encoding="utf-8")
    rows = RowFile(path)
    rows.append({"key": "c", "n": 3})
    rows.close()

    assert set(RowFile(path).rows) == {"a", "c"}


SMALL = Settings(
    probes=40,
    replies_per_probe=1,
    further=4,
    skills=4,
    scripts=1,
    script_turns=2,
    scored_conversations=4,
    style_questions=20,
    draws=1000,
)


def rows_of(run, stem):  # type: ignore[no-untyped-def]
    return [json.loads(line) for line in (run / f"{stem}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory):
    """A run, evaluated, and another one of the next training seed whose model plays badly."""
    folder, run = set_stage(tmp_path_factory.mktemp("seeds"), lines=300)
    other = folder.run("20260102T000000Z")
    shutil.copytree(run, other)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    write_json(other / "config.json", {**config, "seed": 2})
    write_json(other / "job.json", {"id": "ftjob-2", "status": "succeeded", "fine_tuned_model": f"{TUNED}-2"})
    stage = Stage(folder)
    first = evaluate(folder, run, stage, SMALL)
    asked = stage.asked
    second = evaluate(folder, other, stage, SMALL)
    return folder, run, other, first, second, asked, stage.asked - asked


def test_every_training_seed_stands_in_every_verdict_and_the_best_is_not_chosen(two_seeds):
    folder, run, other, first, second, *_ = two_seeds
    stored = {place: load_verdict(place) for place in (run, other)}

    assert [row["conclusion"] for row in first.primary.seeds] == ["non_inferior", "not_evaluated"]
    assert first.headline.answer == "yes"
    assert second.primary.conclusion != "non_inferior"
    for verdict in stored.values():
        seeds = verdict["primary"]["seeds"]
        assert [row["training_seed"] for row in seeds] == [1, 2]
        assert [row["conclusion"] for row in seeds] == ["non_inferior", second.primary.conclusion]
        assert verdict["headline"]["answer"] == "not_shown"
        assert "Of 2 training seeds, 1 show it" in verdict["headline"]["sentence"]
    assert current_verdict(folder, run, SMALL) == stored[run]
    assert stored[other]["probes"]["looks"] == 2


def test_what_another_run_got_to_the_same_request_is_not_asked_again(two_seeds):
    *_, asked, asked_again = two_seeds
    tuned = sum(row["model"] == f"{TUNED}-2" for row in rows_of(two_seeds[2], "replies"))

    assert asked_again == tuned
    assert asked_again < asked / 2


def test_development_probes_leave_the_final_verdict_and_its_looks_alone(two_seeds):
    folder, run, *_ = two_seeds
    before = (run / "verdict.json").read_bytes()
    found = evaluate(folder, run, Stage(folder), replace(SMALL, probe_set="development"))

    assert found.probes["set"] == "development"
    assert found.probes["looks"] == 1
    assert (run / "verdict.json").read_bytes() == before
    assert (run / "verdict-development.json").is_file()
    asked = [rows_of(run, stem) for stem in ("probes", "probes-development")]
    families = [{row["group"] for row in rows if "group" in row} for rows in asked]
    assert not families[0] & families[1]


def test_a_changed_file_of_probes_stops_the_evaluation(two_seeds, tmp_path):
    shutil.copytree(two_seeds[0].root, tmp_path / "ophelia")
    folder = open_folder(tmp_path / "ophelia")
    path = folder.probes / "final.json"
    path.write_text(path.read_text(encoding="utf-8").replace("Who", "How", 1), encoding="utf-8")

    with pytest.raises(EvaluationError, match="changed after it was frozen"):
        evaluate(folder, folder.run(two_seeds[1].name), Stage(folder), SMALL)


def test_an_arm_of_another_server_is_asked_there(two_seeds, tmp_path):
    shutil.copytree(two_seeds[0].root, tmp_path / "ophelia")
    folder = open_folder(tmp_path / "ophelia")
    elsewhere, here = Stage(folder), Stage(folder)
    casting = cast_from_flags(["expensive+long=big@https://example.test/v1"])
    run = folder.run(two_seeds[1].name)
    found = evaluate(folder, run, here, SMALL, casting=casting, elsewhere={"expensive+long": elsewhere})
    star = found.arms[-1]

    assert found.primary.b == "expensive+long"
    assert found.primary.b_reason is None
    assert star.arm.measured
    assert elsewhere.asked > 40
    assert here.asked == 0
