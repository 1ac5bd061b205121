"""Running cells against a real server: what is kept, what a second run does, what a failure stops."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from understudy.client import resolve_provider
from understudy.dataset import load_manifest
from understudy.folder import open_folder
from understudy.study.cell import Cell
from understudy.study.cell_plan import Terms, plan_cells
from understudy.study.curve import plan_curve, save_curve
from understudy.study.run_cells import Listener, run_cells
from understudy.study.site import Site

BASE = "gpt-4o-mini"  # the server's small stand-in answers to it


@pytest.fixture
def site(server, iroh) -> Site:
    return Site(iroh, iroh.root / "curve", resolve_provider(None), BASE)


class Heard(Listener):
    """Notes what it is told, and interrupts where a test wants it."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.began, self.before, self.ended, self.failures = [], [], [], []
        self.stop_after = stop_after

    def cell(self, number, total, plan, seconds_left):
        self.began.append((number, total, plan.cell.examples, seconds_left))

    def skipped(self, number, total, plan):
        self.before.append(plan.cell.examples)

    def done(self, plan, measurement):
        self.ended.append(plan.cell.examples)
        if len(self.ended) == self.stop_after:
            raise KeyboardInterrupt

    def failed(self, plan, error):
        self.failures.append((plan.cell.name, str(error)))


def test_an_interrupted_curve_goes_on_and_a_finished_one_does_nothing(site):
    plan = plan_curve(site.material, Terms(steps=10, batch_size=8), BASE, sizes=[10, 20, 40])

    with pytest.raises(KeyboardInterrupt):
        run_cells(site, plan.cells, Heard(stop_after=1))
    second = Heard()
    measured = run_cells(site, plan.cells, second)
    third = Heard()
    again = run_cells(site, plan.cells, third)

    assert (second.before, [size for _, _, size, _ in second.began]) == ([10], [20, 40])
    assert all(left is not None for *_, left in second.began)
    assert (third.before, third.began) == ([10, 20, 40], [])
    assert again.cells.keys() == measured.cells.keys()
    document = save_curve(site, plan, measured)
    assert [point["size"] for point in document["points"]] == [10, 20, 40]
    assert json.loads((site.place / "curve.json").read_text())["sentence"] == document["sentence"]
    page = (site.place / "curve.html").read_text()
    assert document["sentence"].split(":")[0] in page
    assert "<script" not in page
    for planned in plan.cells:
        check_folder(site, planned)


def check_folder(site, planned):
    """A cell is a character's folder with a dataset of its own, trained as planned."""
    cell = open_folder(site.place / planned.cell.name)
    assert load_manifest(cell).counts["training"].dialogues == planned.cell.examples
    assert json.loads((cell.latest_run() / "job.json").read_text())["status"] == "succeeded"
    config = json.loads((cell.latest_run() / "config.json").read_text())
    assert config["hyperparameters"]["n_epochs"] * -(-config["examples"] // 8) == planned.steps


def test_one_cell_that_fails_does_not_stop_the_others(site, iroh):
    lines = iroh.dialogues.read_text().splitlines(keepends=True)
    drawn = plan_curve(site.material, Terms(10, 8), BASE, sizes=[10, 20]).at(20)[0].examples.dialogues
    bad = drawn[15].id  # in the larger size alone
    changed = [line.replace("What do you say", "FAKE_FAIL What do you say") if f'"{bad}"' in line else line
               for line in lines]  # fmt: skip
    iroh.dialogues.write_text("".join(changed))
    site = Site(iroh, iroh.root / "study", site.provider, BASE)
    cells = [Cell(examples=size, base=BASE) for size in (10, 20)]
    heard = Heard()

    measured = run_cells(site, plan_cells(site.material, cells[::-1], cells[0], Terms(10, 8)), heard)

    assert [name for name, _ in heard.failures] == [cells[1].name]
    assert "Example 3 learns nothing" in heard.failures[0][1]
    assert list(measured.cells) == [cells[0].name]
    assert cells[1].name in measured.failed


def test_dpo_follows_sft_on_pairs_that_teach_no_lie(site):
    cell = Cell(examples=40, method="sft+dpo", base=BASE)
    plans = plan_cells(site.material, [cell], cell, Terms(16, 8, "steps"))

    measured = run_cells(site, plans)

    jobs = measured.cells[cell.name].training
    assert [job["method"] for job in jobs] == ["supervised", "dpo"]
    written = site.place / cell.name / "dataset" / "preferences.jsonl"
    pairs = [json.loads(line) for line in written.read_text(encoding="utf-8").splitlines()]
    assert len(pairs) >= 10
    assert all(pair["preferred_output"][0]["content"].startswith("Ah,") for pair in pairs)
    sincere = {d.messages[0].content for d in site.material.pool if d.category == "sincere_ai"}
    assert not sincere & {pair["input"]["messages"][-1]["content"] for pair in pairs}


def test_a_killed_command_goes_on_where_it_was(server, iroh):
    command = [sys.executable, "-m", "understudy", "curve", str(iroh.root), "--base", BASE, "--steps", "10"]
    command += ["--sizes", "10,20,40", "--format", "json"]
    environment = os.environ | {"UNDERSTUDY_HOME": str(server.home), "COLUMNS": "200"}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as first:
        for line in first.stderr:
            if line.startswith("cell 2 of 3"):
                first.send_signal(signal.SIGKILL)
    kept = {path.parent.name for path in (iroh.root / "curve").glob("*/measurement.json")}
    jobs_before = len(list((iroh.root / "curve").glob("*/runs/*")))

    second = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)

    assert second.returncode == 0, second.stderr
    assert any("-10-" in name for name in kept)
    assert "was measured before" in second.stderr
    assert [point["size"] for point in json.loads(second.stdout)["points"]] == [10, 20, 40]
    runs = list((iroh.root / "curve").glob("*/runs/*"))
    assert len(runs) == 3 >= jobs_before  # no cell was trained twice


def test_plan_trains_nothing_and_names_the_price_of_a_paid_provider(iroh, monkeypatch):
    from typer.testing import CliRunner

    from understudy.cli.app import app

    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    began = time.monotonic()
    words = ["curve", str(iroh.root), "--plan", "--provider", "openai", "--base", "gpt-4.1-mini-2025-04-14"]

    said = CliRunner().invoke(app, [*words, "--sizes", "10,40"])

    assert said.exit_code == 0
    assert "USD" in said.stderr
    assert not (iroh.root / "curve").exists()
    assert time.monotonic() - began < 20


def test_a_paid_provider_is_not_used_unasked(iroh, monkeypatch):
    from typer.testing import CliRunner

    from understudy.cli.app import app
    from understudy.errors import ConfigError

    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    words = ["curve", str(iroh.root), "--provider", "openai", "--base", "gpt-4.1-mini-2025-04-14"]

    said = CliRunner().invoke(app, [*words, "--sizes", "10,40"])

    assert isinstance(said.exception, ConfigError)
    assert "--yes" in str(said.exception)
    assert not (iroh.root / "curve").exists()
