"""The measurement of the miniatures, on tiny random models."""

import json
import random
import re
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from understudy.miniature import STAGES, compose
from understudy.miniature.held_out import plain

torch = pytest.importorskip("torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.miniatures import __main__ as command  # noqa: E402
from benchmarks.miniatures import scores  # noqa: E402
from benchmarks.miniatures.arms import ask_each  # noqa: E402
from benchmarks.miniatures.decoder import Speaker  # noqa: E402
from benchmarks.miniatures.others import load_others  # noqa: E402
from benchmarks.miniatures.plan import (  # noqa: E402
    MEASURED_TURNS,
    Asked,
    draw_scripts,
    load_questions,
    says,
)
from understudy.miniature.tokens import train_tokenizer  # noqa: E402
from understudy.miniature.train import Settings, build_model, export_model  # noqa: E402

USERS = ("Hello!", "What is your name, and where do you live?", "I see.", "Who bakes the bread?", "Bye.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two exports of random models; one of them is the model of the other tests."""
    run = tmp_path_factory.mktemp("run")
    tokenizer = train_tokenizer(1, vocabulary=800, conversations=200)
    for seed, name in enumerate(("000000100", "000000200")):
        settings = Settings(run, layers=2, hidden=32, heads=2, intermediate=48, vocabulary=800, seed=seed)
        model = build_model(settings, tokenizer)
        for parameter in model.parameters():  # near zero a random model repeats one token
            parameter.data *= 4
        export_model(model, tokenizer, run / "growth" / name)
    return run


@pytest.fixture
def speaker(folder: Path) -> Speaker:
    """A random model whose replies end at various lengths."""
    found = Speaker(folder / "growth" / "000000100")
    said = _uncached(found, "You are Bo.", USERS)
    found.end = max(range(800), key=lambda token: sum(token in reply for reply in said[1]))
    return found


def _uncached(speaker: Speaker, system: str, users: tuple[str, ...]) -> tuple[list[str], list[list[int]]]:
    """Texts and ids of the replies, each token from a forward pass over all before it."""
    ids, replies = speaker.opening(system), list[list[int]]()
    for turn, user in enumerate(users):
        ids = ids + speaker.turn(user, closes=turn > 0)
        reply: list[int] = []
        while len(reply) < 48:
            with torch.inference_mode():
                token = int(speaker.model(torch.tensor([ids + reply])).logits[0, -1].argmax())
            if token == speaker.end:
                break
            reply.append(token)
        ids, replies = ids + reply, [*replies, reply]
    return [speaker.tokenizer.decode(r, skip_special_tokens=True).strip() for r in replies], replies


def test_cached_replies_equal_uncached_ones(speaker):
    systems = [
        "You are Bo.",
        "",
        "You are Mira.\nYou live in Fogwick, and you love bread.",
        "Bo.",
        "You are A.",
    ]
    orders = [USERS, USERS[::-1], USERS[2:] + USERS[:2], USERS, USERS[1:] + USERS[:1]]
    talks = speaker.open(systems, room=10)
    turns = [talks.replies([order[turn] for order in orders]) for turn in range(len(USERS))]
    ids = [_uncached(speaker, system, order) for system, order in zip(systems, orders, strict=True)]

    assert [list(row) for row in zip(*turns, strict=True)] == [texts for texts, _ in ids]
    assert len({len(reply) for _, replies in ids for reply in replies}) > 3, "rows ended at once"


def test_a_copy_of_a_conversation_goes_its_own_way(speaker):
    systems = ["You are Bo.", "You are Mira, and you love bread."]
    talks = speaker.open(systems, room=200)
    talks.replies([USERS[0], USERS[1]])
    aside = talks.fork([1, 0, 1]).replies([USERS[2], USERS[3], USERS[4]])
    after = talks.replies([USERS[4], USERS[3]])

    assert aside[0] == _uncached(speaker, systems[1], (USERS[1], USERS[2]))[0][1]
    assert aside[1] == _uncached(speaker, systems[0], (USERS[0], USERS[3]))[0][1]
    assert after[0] == _uncached(speaker, systems[0], (USERS[0], USERS[4]))[0][1]


def test_single_questions_share_the_reading_of_their_prompt(speaker):
    lines = [[Asked("talk", USERS[0]), Asked("talk", USERS[1])], [], [Asked("talk", USERS[3])]]
    systems = ["You are Mira, and you love bread.", "unasked", "You are Bo."]
    found = {(n, asked.user): reply for n, asked, reply in ask_each(speaker, systems, lines)}

    assert found == {
        (n, asked.user): _uncached(speaker, systems[n], (asked.user,))[0][0]
        for n, listed in enumerate(lines)
        for asked in listed
    }


def test_there_are_enough_questions_and_none_twice():
    questions = load_questions()
    assert len(questions["teasing"]) >= 40
    assert len(questions["sincere"]) >= 20
    every = [plain(text) for listed in questions.values() for text in listed]
    assert len(set(every)) == len(every)


def test_no_question_is_in_a_template_of_the_generator():
    wordings = {plain(text) for template in _templates() for text in _branches(template)}
    asked = {plain(text): text for listed in load_questions().values() for text in listed}
    assert [asked[text] for text in asked if text in wordings] == []


def test_no_conversation_of_the_generator_has_a_question():
    asked = {plain(text) for listed in load_questions().values() for text in listed}
    rng = random.Random("benchmark")
    talks = [compose(rng, STAGES[2]) for _ in range(200)]
    assert not {plain(m["content"]) for talk in talks for m in talk.messages} & asked


def _templates() -> Iterator[str]:
    """All texts of the generator's tables that have no slots; what fills slots is drawn, not written."""
    for file in resources.files("understudy.miniature").joinpath("data").iterdir():
        table = yaml.load(file.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        yield from (text for text in _texts(table) if "{" not in text)


def _texts(table: Any) -> Iterator[str]:
    if isinstance(table, str):
        yield table
    elif isinstance(table, list | dict):
        for entry in table.values() if isinstance(table, dict) else table:
            yield from _texts(entry)


def _branches(template: str) -> Iterator[str]:
    """Everything that the choices of a template can give."""
    match = re.search(r"\(([^()]*\|[^()]*)\)", template)
    if match is None:
        yield template
        return
    for branch in match[1].split("|"):
        yield from _branches(template[: match.start()] + branch + template[match.end() :])


def test_a_measured_fact_is_asked_once_and_never_given_away():
    scripts = draw_scripts(12, 3)
    assert scripts[:4] == draw_scripts(4, 3)
    for script in scripts:
        assert 6 <= len(script.sheet.facts) <= 24
        users = [asked.user for turn in script.turns for asked in turn]
        for number, turn in enumerate(script.turns, 1):
            kinds = [asked.kind for asked in turn]
            assert kinds == (["talk", "teasing", "fact"] if number in MEASURED_TURNS else ["filler"])
        for asked in (asked for turn in script.turns for asked in turn if asked.kind == "fact"):
            assert users.count(asked.user) == 1
            assert not any(says(user, asked.value) for user in users)


def test_a_value_is_found_as_whole_words():
    assert says("I LIVE IN FOGWICK!", "fogwick")
    assert not says("I listen often.", "ten")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("As an AI language model, I have no feelings.", True),
        ("Har! Me be an AI and me play Bo.", True),
        ("I am no machine, I am a baker.", False),
        ("I am not a computer program!", False),
        ("An owl told me.", False),
    ],
)
def test_disclaimers(reply, told):
    assert scores.disclaims(reply) is told


def test_a_share_of_repeated_sheets_is_as_wide_as_its_sheets_allow():
    apart, together = scores.share_row([True, False] * 20, range(40)), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    clustered = scores.share_row([True] * 8 + [False] * 4, together)
    many = scores.share_row([n % 3 == 0 for n in range(12) for _ in range(3)], [n // 3 for n in range(36)])
    alike, few = scores.share_row([True] * 12, together), scores.share_row([True, False], [0, 0])

    assert apart["count"] == 40
    assert clustered["high"] - clustered["low"] > 0.6
    assert many["high"] - many["low"] > 0.5
    assert alike["low"] < 0.7
    assert few["low"] < 0.1 < 0.9 < few["high"]


def test_a_dump_holds_three_facts_of_the_sheet():
    script = draw_scripts(1, 5)[0]
    values = list(dict.fromkeys(fact.value for fact in script.sheet.facts))
    asked = Asked("talk", "Hello!")
    assert scores._is_dump(scores.Given(0, 1, asked, ", ".join(values[:3])), script)
    assert not scores._is_dump(scores.Given(0, 1, asked, values[0]), script)


def test_questions_about_other_peoples_sheets_hold_no_answer_and_no_text_of_theirs():
    for other in load_others():
        assert len(other.questions) >= 8
        for question, expected in other.questions:
            assert not any(says(question, word) for word in expected)
            assert all(" " not in word for word in expected)


def test_answers_stand_in_other_peoples_sheets(shared):
    for other in load_others():
        prompt = other.character(shared / "data").long_prompt()
        for question, expected in other.questions:
            assert any(word.lower() in prompt.lower() for word in expected), (other.name, question)


@pytest.fixture
def quick(monkeypatch):
    """Small classifiers; what they find does not matter here."""
    monkeypatch.setattr(scores, "REPLIES_PER_TONE", 2)
    monkeypatch.setattr(scores, "CEILING_REPLIES", 1)
    monkeypatch.setattr(scores, "MATCHED", 100)


def test_the_whole_measurement_writes_figures_and_prints_tables(folder, quick, tmp_path, capsys):
    models = [f"--{name}={folder}/growth/000000100" for name in ("mini", "star")]
    output = tmp_path / "figures.json"
    command.main([*models, "--sheets=3", f"--data={tmp_path}", f"--output={output}"])

    figures = json.loads(output.read_text("utf-8"))
    assert list(figures["arms"]) == ["mini+none", "mini+identity", "mini+sheet", "star+sheet"]
    for turns in figures["arms"].values():
        assert list(turns) == ["1", "4", "8", "12", "all"]
        assert turns["1"]["facts"]["count"] == 3
        assert turns["all"]["tone"]["count"] == 36
    assert figures["assistant"]["none"]["count"] == len(load_questions()["teasing"])
    assert figures["others"] == {}
    captured = capsys.readouterr()
    assert captured.out.startswith("| Arm | Turn | facts |")
    assert "Lucky is left out" in captured.err


def test_growth_is_drawn_in_the_order_of_tokens(folder, quick, tmp_path, capsys):
    output = tmp_path / "growth.json"
    command.main(["--growth", str(folder), "--sheets=2", f"--output={output}"])

    assert [entry["tokens"] for entry in json.loads(output.read_text("utf-8"))["growth"]] == [100, 200]
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "| 100 |" in capsys.readouterr().out


def test_samples_are_thirty_exchanges_and_the_seed_chooses_them(folder, capsys):
    models = [f"--{name}={folder}/growth/000000100" for name in ("mini", "star")]
    printed = []
    for seed in (1, 1, 2):
        command.main([*models, "--samples", f"--seed={seed}"])
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]
    assert sum(line.startswith("- ") for line in printed[0].splitlines()) >= 30
