"""The cost table: all arms, before and after a run."""

import json
from datetime import date

import pytest

from understudy.cost import CostInputs, OwnMachine, RentedGpu, compute_costs, find_gpu, grow, read_inputs
from understudy.cost.conversation import Shape
from understudy.cost.evidence import find_run, read_evidence, read_rows
from understudy.cost.inputs import auto_epochs
from understudy.dataset.tokens import count_text_tokens
from understudy.errors import ConfigError, EvaluationError
from understudy.folder import open_folder

TODAY = date(2026, 11, 23)


def inputs(**changes):
    values = {
        "character": "Iroh",
        "prompts": {"long": 1500, "short": 7, "none": 0, "trimmed": 150, "few_shot": 280},
        "user_tokens": 20.0,
        "reply_tokens": 50.0,
        "tokens_source": "assumed",
        "trained_tokens": 100_000.0,
        "trained_source": "assumed",
        "examples": 1000,
        "today": TODAY,
    }
    return CostInputs(**{**values, **changes})


def arm(table, name, place="hosted"):
    return next(cost for cost in table.arms if cost.arm == name and cost.place == place)


@pytest.fixture
def character(tmp_path):
    root = tmp_path / "iroh"
    root.mkdir()
    (root / "character.yaml").write_text(
        "name: Iroh\nworldview: [Tea is a serious matter.]\n", encoding="utf-8"
    )
    return open_folder(root)


def test_every_hosted_arm_is_priced_and_says_that_it_was_not_measured():
    table = compute_costs(inputs())
    names = [cost.arm for cost in table.arms if cost.place == "hosted"]
    assert names[:4] == ["cheap+long", "cheap+short", "cheap+trimmed", "cheap+few-shot"]
    assert names[4:8] == ["tuned+short", "tuned+none", "tuned+long", "expensive+long"]
    for cost in table.arms:
        assert not cost.measured
        assert "priced, not measured" in cost.note
        assert cost.source
        assert cost.as_of


def test_a_tuned_model_with_the_long_prompt_costs_twice_the_base_with_it():
    table = compute_costs(inputs())
    assert arm(table, "tuned+long").usd == pytest.approx(2 * arm(table, "cheap+long").usd)


def test_caching_makes_the_long_prompt_cheaper_and_both_figures_stand():
    cost = arm(compute_costs(inputs()), "cheap+long")
    assert cost.usd < 0.6 * cost.uncached_usd


def test_a_cheaper_long_prompt_is_said_first_then_never():
    table = compute_costs(inputs())
    first = "A long prompt with caching is cheaper than tuning at 100 conversations a day: "
    assert table.answers[0].startswith(first)
    assert "cheap+long (gpt-4.1-mini) $" in table.answers[0]
    assert "expensive+long" not in table.answers[0]
    assert table.answers[1].startswith("Never cheaper at these prices: per 1,000 conversations tuned+short")
    assert "cheap+short (gpt-4.1-mini)" in table.answers[1]
    assert any("paid for itself after" in answer and "expensive+long" in answer for answer in table.answers)


def test_where_tuning_is_cheaper_that_is_said_first():
    prompts = {"long": 20_000, "short": 7, "none": 0}
    table = compute_costs(inputs(prompts=prompts, also=(), conversations_per_day=5000))
    assert table.answers[0].startswith(
        "At 5000 conversations a day, tuning is cheaper than every long prompt"
    )
    assert "the 52 days it can be used" in table.answers[0]


def test_the_training_is_spread_over_the_days_until_the_shutdown():
    table = compute_costs(inputs(epochs=1))
    tuned = arm(table, "tuned+short")
    days = (date(2027, 1, 14) - TODAY).days
    assert tuned.amortised_usd == pytest.approx(tuned.usd + 100_000 * 5e-6 / (100 * days))
    assert arm(table, "cheap+long").amortised_usd == arm(table, "cheap+long").usd
    short = arm(compute_costs(inputs(epochs=1, horizon_days=10)), "tuned+short")
    assert short.amortised_usd == pytest.approx(tuned.usd + 0.5 / 1000)
    assert arm(compute_costs(inputs(conversations_per_day=0)), "tuned+short").amortised_usd is None


def test_from_the_closing_day_on_a_hosted_training_has_no_price():
    table = compute_costs(inputs(today=date(2027, 1, 6)))
    assert [row.place for row in table.training] == ["rented GPU"]
    assert not [pair for pair in table.break_evens if "ft:" in pair.tuned]
    assert arm(table, "tuned+short").amortised_usd is None
    assert any(
        answer.startswith("No new training of gpt-4.1-mini can be bought since 2027-01-06")
        for answer in table.answers
    )


def test_a_break_even_after_the_shutdown_is_not_in_time():
    slow = compute_costs(inputs(conversations_per_day=1, trained_tokens=1_000_000.0))
    pair = next(p for p in slow.break_evens if "ft:" in p.tuned and p.other.startswith("gpt-6.1-sol"))
    assert pair.in_time is False
    assert any("not in time" in answer for answer in slow.answers)


def test_a_message_costs_more_the_later_it_comes():
    for cost in compute_costs(inputs()).arms:
        assert cost.message_usd == pytest.approx(cost.usd / 10)
        if cost.arm == "tuned+short":
            assert cost.first_message_usd < cost.message_usd < cost.last_message_usd


def test_the_histories_are_compared_with_what_they_save_and_break():
    rows = {(row.arm, row.policy): row for row in compute_costs(inputs(turns=20)).history}
    assert rows["cheap+long", "all"].saved_usd == 0
    window = rows["cheap+long", "last-6"]
    assert window.broken_turns == 13
    assert window.cached_share < rows["cheap+long", "all"].cached_share
    assert window.saved_usd < 0
    assert rows["tuned+short", "last-6"].saved_usd > 0
    assert compute_costs(inputs(turns=20)).answers[-1].startswith("Trimming can cost more than it saves")


def test_an_own_machine_can_be_paid_by_the_hour():
    machine = OwnMachine(watts=0, usd_per_hour=2.0, utilisation=0.5)
    assert machine.usd(1800) == pytest.approx(2.0)
    with pytest.raises(ConfigError, match="Utilisation"):
        OwnMachine(utilisation=0)


def test_a_very_long_prompt_pays_for_the_training():
    long = inputs(prompts={"long": 20_000, "short": 7, "none": 0})
    pair = next(
        p for p in compute_costs(long).break_evens if "ft:" in p.tuned and p.other.startswith("cheap+long")
    )
    assert pair.conversations is not None


@pytest.mark.parametrize(("system_tokens", "pays"), [(1024 + 5 * 128, False), (1024 + 6 * 128, True)])
def test_tuning_is_cheaper_only_beyond_a_prompt_length(system_tokens, pays):
    """Per message, tuning is cheaper only where P > (f - 1)(H + rO) / c.

    Tuned price factor f = 2, other input H = 24 + 3, reply O = 100, output price r = 4 times
    the input's, cached price share c = 1/4: P > 1,708 tokens, between two cacheable lengths.
    """
    prompts = {"long": system_tokens - 4, "short": 0, "none": 0}
    one_turn = inputs(prompts=prompts, reply_tokens=100.0, turns=1, conversations_per_day=1e9)
    table = compute_costs(one_turn)
    assert (arm(table, "tuned+short").usd < arm(table, "cheap+long").usd) is pays


def test_the_training_price_counts_epochs():
    table = compute_costs(inputs(epochs=4))
    assert table.training[0].usd == pytest.approx(4 * 100_000 * 5.0 / 1e6)
    assert table.training[0].trained_tokens == 400_000


def test_a_model_that_cannot_be_tuned_has_no_tuned_arms_and_says_so():
    table = compute_costs(inputs(cheap="gpt-6-luna"))
    assert not [cost for cost in table.arms if cost.place == "hosted" and cost.arm.startswith("tuned")]
    assert "gpt-6-luna cannot be fine-tuned" in table.notes[0]
    assert table.answers


def test_a_model_of_another_provider_is_cached_by_its_rule():
    table = compute_costs(inputs(expensive="claude-haiku-4-5"))
    cost = arm(table, "expensive+long")
    # 1,500 tokens stay below its minimum of 4,096, so nothing is read from a cache, nor paid for writing.
    assert cost.usd == cost.uncached_usd
    assert any(note.startswith("Caching (anthropic, only what a request marks)") for note in table.notes)


def test_after_the_shutdown_the_tuned_arms_are_gone():
    table = compute_costs(inputs(today=date(2027, 1, 14)))
    assert not [cost for cost in table.arms if cost.model.startswith("ft:")]
    assert "shut down since 2027-01-14" in arm(table, "cheap+long").note


def test_the_claims_of_2023_and_of_today_come_from_the_table():
    claims = {
        (claim.model, claim.when): (claim.input_ratio, claim.output_ratio)
        for claim in compute_costs(inputs()).claims
    }
    assert claims["gpt-3.5-turbo", "2023-08-22"] == (8.0, 8.0)
    assert claims["gpt-4.1-mini", "today"] == (2.0, 2.0)


def test_a_rented_gpu_costs_its_working_seconds_over_the_utilisation():
    gpu = find_gpu("A100 80GB@RunPod")
    turns = grow(Shape(0, 20, 150, 1))
    rented = RentedGpu(gpu, reply_tokens_per_second=1500, prompt_tokens_per_second=27, utilisation=0.5)
    assert rented.conversation_usd(turns) == pytest.approx((1 + 0.1) * 1.59 / 3600 / 0.5)
    assert rented.always_on_usd(100) == pytest.approx(24 * 1.59 / 100)
    with pytest.raises(ConfigError, match="Utilisation"):
        RentedGpu(gpu, utilisation=0)


def test_ones_own_machine_costs_electricity():
    assert OwnMachine(watts=100, usd_per_kilowatt_hour=0.30).usd(3600) == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("examples", "epochs"), [(10, 10), (12, 8), (25, 4), (100, 3), (8334, 2), (12501, 1)]
)
def test_epochs_follow_the_providers_rule(examples, epochs):
    assert auto_epochs(examples) == epochs


def test_it_works_before_anything_is_written(character):
    found = read_inputs(character, today=TODAY)
    assert found.tokens_source.startswith("assumed")
    assert found.prompts["long"] > found.prompts["short"] > 0
    assert compute_costs(found).arms


def test_dialogues_are_counted_before_there_is_a_run(character):
    line = {
        "id": "1",
        "messages": [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": "Jasmine."}],
    }
    character.dialogues.write_text(json.dumps(line) + "\n", encoding="utf-8")
    found = read_inputs(character, today=TODAY)
    assert found.tokens_source.startswith("counted in the character's dialogues (1 replies")
    assert found.trained_tokens == found.user_tokens + found.reply_tokens + 2 * 4 + 3


def write_run(character, rows, verdict):
    run = character.run("20261123-060000")
    run.mkdir(parents=True)
    (run / "replies.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (run / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    return run


def reply(arm_name, seconds, tokens):
    return {
        "arm": arm_name,
        "messages": [{"role": "system", "content": "You are Iroh."}, {"role": "user", "content": "Tea?"}],
        "reference": "Always tea, my nephew.",
        "reply": "Yes.",
        "prompt_tokens": 10,
        "completion_tokens": tokens,
        "seconds": seconds,
    }


def test_a_run_gives_measured_tokens_seconds_and_training(character):
    verdict = {
        "arms": [{"name": "tuned+short", "model": "ft:understudy/mini:x", "base_model": "understudy/mini"}],
        "training": {"seconds": 90.0, "hyperparameters": {"n_epochs": 5}},
    }
    run = write_run(character, [reply("tuned+short", 0.5, 10), reply("tuned+short", 1.5, 20)], verdict)
    found = read_inputs(character, run, today=TODAY)
    assert found.epochs == 5
    assert found.measured[0].seconds == 1.0
    assert found.measured[0].reply_tokens == 15
    table = compute_costs(found)
    own = arm(table, "tuned+short", "own machine")
    assert own.measured
    assert own.usd == pytest.approx(OwnMachine().usd(1.0) * 10)
    assert own.reply_tokens_per_second == 15
    assert (own.latency.p50_seconds, own.latency.p95_seconds, own.latency.count) == (0.5, 1.5, 2)
    assert any("90 s" in training.note for training in table.training)


def test_scripted_conversations_show_what_history_costs_on_the_own_machine(character):
    scripted = [
        {**reply("tuned+short", 0.4 + 0.2 * turn, 10), "part": "script", "turn": turn, "group": f"script/{n}"}
        for turn in range(1, 5)
        for n in range(2)
    ]
    model = {"name": "tuned+short", "model": "ft:understudy/mini:x", "base_model": "understudy/mini"}
    run = write_run(character, scripted, {"arms": [model], "settings": {"concurrency": 2}})
    own = arm(compute_costs(read_inputs(character, run, today=TODAY, turns=6)), "tuned+short", "own machine")
    seconds = [(0.4 + 0.2 * turn) / 2 for turn in range(1, 7)]
    assert own.usd == pytest.approx(OwnMachine().usd(sum(seconds)))
    assert own.first_message_usd == pytest.approx(OwnMachine().usd(0.3))
    assert own.last_message_usd == pytest.approx(OwnMachine().usd(0.8))
    assert "100.0 ms more each turn" in own.note


def test_a_run_on_a_hosted_model_is_priced_with_its_own_tokens(character):
    verdict = {
        "arms": [
            {"name": "tuned+short", "model": "ft:gpt-4o-mini-2024-07-18:acme::x", "base_model": "gpt-4o-mini"}
        ],
        "training": {"base_model": "gpt-4o-mini-2024-07-18"},
    }
    run = write_run(character, [reply("tuned+short", 0.5, 30), reply("tuned+short", 1.5, 50)], verdict)
    table = compute_costs(read_inputs(character, run, today=TODAY))
    tuned = arm(table, "tuned+short")
    assert tuned.model == "ft:gpt-4o-mini"
    assert tuned.measured
    assert "reply tokens measured, mean of 2" in tuned.note
    assert not arm(table, "cheap+long").measured
    assert not [cost for cost in table.arms if cost.place == "own machine"]


def test_the_training_file_of_the_dataset_is_counted(character):
    example = {
        "messages": [{"role": "user", "content": "Tea?"}, {"role": "assistant", "content": "Jasmine."}]
    }
    character.dataset.mkdir()
    training = character.dataset / "training.jsonl"
    training.write_text((json.dumps(example) + "\n") * 3, encoding="utf-8")
    found = read_inputs(character, today=TODAY)
    assert found.trained_source == "counted in dataset/training.jsonl (3 examples)"
    assert found.examples == 3


def test_the_prompts_of_trimmed_and_few_shot_arms_are_counted_in_the_run(character):
    shots = [
        {"role": "user", "content": "Tea?"},
        {"role": "assistant", "content": "Jasmine, always jasmine."},
    ]
    row = reply("cheap+few-shot", 0.5, 10)
    row["messages"][1:1] = shots
    run = write_run(character, [row], {"arms": [{"name": "cheap+few-shot", "model": "understudy/mini"}]})
    found = read_inputs(character, run, today=TODAY)
    texts = ["You are Iroh.", *(shot["content"] for shot in shots)]
    assert found.prompts["few_shot"] == sum(map(count_text_tokens, texts)) + 2 * 4
    assert found.prompts["trimmed"] == min(150, found.prompts["long"])


def test_a_torn_last_line_is_left_out_and_said(character):
    run = write_run(character, [reply("cheap+long", 1.0, 5)], {})
    with (run / "replies.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"arm": "cheap')
    evidence = read_evidence(run)
    assert len(evidence.replies) == 1
    assert "torn" in evidence.notes[0]


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "replies.jsonl"
    path.write_text('{"arm": "a"}\n{oops\n{"arm": "b"}\n', encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"replies\.jsonl:2"):
        read_rows(path)


def test_the_latest_run_with_a_verdict_is_taken(character):
    assert find_run(character) is None
    run = write_run(character, [], {"arms": []})
    later = character.run("20261124-060000")
    later.mkdir()
    (later / "config.json").write_text("{}", encoding="utf-8")
    assert find_run(character) == run
    assert find_run(character, later.name) == later
    with pytest.raises(ConfigError, match=r"no such run.*20261123-060000"):
        find_run(character, "yesterday")
