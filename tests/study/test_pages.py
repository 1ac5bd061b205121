"""What a study and a curve say of figures, in JSON, Markdown and on pages."""

import json
import re
import shutil
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest

from understudy.client import resolve_provider
from understudy.folder import CharacterFolder
from understudy.study.cell_plan import Terms
from understudy.study.curve import plan_curve, save_curve
from understudy.study.curve_page import describe_curve
from understudy.study.design import plan_study
from understudy.study.site import Site
from understudy.study.study import save_study
from understudy.study.study_file import StudyFile
from understudy.study.study_page import describe_study, render_study

from .invented import invent

BASE = "understudy/mini"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SMALL = {"system_prompt": ["none"], "protective": ["without"], "method": [], "examples": [50, 400]}


@pytest.fixture(scope="module")
def place(ophelia, tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


def site_at(ophelia, place) -> Site:
    return Site(CharacterFolder(ophelia.root), place, resolve_provider(None), BASE)


def shifts(cell):
    """Pairs make lines likelier, fewer dialogues less likely; without protective examples it leaks."""
    found = {}
    if cell.shape == "pairs":
        found["nll_per_token"] = -0.3
    if cell.examples == 50:
        found["nll_per_token"] = 0.6
    if cell.protective == "without":
        found |= {"in_fiction_leak": 0.4}
    return found


@pytest.fixture(scope="module")
def study(ophelia, material, place):
    site = site_at(ophelia, place / "study")
    file = StudyFile.model_validate({"factors": SMALL, "also": [], "seeds": [1, 2]})
    plan = plan_study(material, file)
    return save_study(site, plan, invent(plan.cells, BASE, shifts))


def answer(study, start):
    return next(a for a in study["answers"] if a["question"].startswith(start))


def test_effects_are_turned_so_that_more_is_better(study):
    cells = {cell["title"]: cell for cell in study["cells"]}

    pairs, leaky = (
        cells["pairs"]["effects"]["tuned+short"],
        cells["no protective examples"]["effects"]["tuned+short"],
    )
    assert pairs["nll_per_token"]["shown"] == "better"
    assert pairs["nll_per_token"]["value"] == pytest.approx(0.3, abs=0.03)
    assert leaky["in_fiction_leak"]["shown"] == "worse"
    assert leaky["in_fiction_leak"]["value"] == pytest.approx(-0.4, abs=0.03)
    assert len(pairs["style"]["seeds"]) == 2
    assert "effects" not in cells["baseline"]


def test_the_six_answers_come_from_the_figures(study):
    assert len(study["answers"]) == 6
    shape = " ".join(answer(study, "Pairs")["sentences"])
    assert "With pairs, against the baseline it is better in surprise at the real lines, +0.3" in shape
    leak = " ".join(answer(study, "What keeps")["sentences"])
    assert (
        "With no protective examples, against the baseline it is worse in AI disclaimers in the play" in leak
    )
    assert "calls itself an AI in 10% of the replies at turn 1 (20) and 80% at turn 8 (20)" in leak
    many = " ".join(answer(study, "How many")["sentences"])
    assert "More data stopped paying between 50 and 200 dialogues" in many.replace("more data", "More data")
    tone = " ".join(answer(study, "Can a fine-tune")["sentences"])
    assert re.search(r"Tone: \d+.* against the untuned model under the long prompt: shown better", tone)


def test_noise_is_told_as_not_shown_and_never_as_equal(study):
    words = json.dumps(study["answers"]).lower()

    assert "not shown either way" in words
    assert "equal" not in words.replace("which is not equal", "")
    shown = [
        row["shown"]
        for cell in study["cells"]
        for score, row in cell.get("effects", {}).get("tuned+short", {}).items()
        if score in ("honesty", "style", "fact_recall")
    ]
    assert (
        shown.count("not shown") >= len(shown) - 1
    )  # two seeds have to agree, so chance hardly shows anything


def test_what_was_not_studied_is_said_with_the_way_to_do_it(ophelia, material, place):
    file = StudyFile.model_validate({"factors": SMALL | {"system_prompt": [], "examples": []}, "also": []})
    plan = plan_study(material, file)

    found = save_study(site_at(ophelia, place / "less"), plan, invent(plan.cells, BASE))

    assert answer(found, "Is a system prompt")["status"] == "not measured in this study"
    assert "study.yaml" in answer(found, "Is a system prompt")["sentences"][0]
    assert answer(found, "How many")["status"] == "not measured in this study"


def test_the_page_needs_nothing_from_elsewhere_and_says_what_it_shows(study, place):
    page = (place / "study" / "study.html").read_text()

    assert page == render_study(study)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "<script" not in page
    assert page.count("<svg") == page.count("<desc")
    for title in ("no system prompt", "pairs", "no protective examples", "50 dialogues", "400 dialogues"):
        assert title in page


def test_markdown_holds_answers_table_and_differences(study):
    text = describe_study(study)

    assert text.startswith("# Princess Ophelia: what each choice changes")
    assert all(answer["question"] in text for answer in study["answers"])
    row = r"\| no protective examples \| AI disclaimers in the play \| -(39|40)\.\d points \("
    assert re.search(row, text)


@pytest.fixture(scope="module")
def curve(ophelia, material, place):
    plan = plan_curve(material, Terms(200, 8), BASE, (1, 2), [50, 100, 400])
    late = {50: 0.9, 100: 0.3, 400: 0.0}
    measured = invent(plan.cells, BASE, lambda cell: {"nll_per_token": late[cell.examples]})
    return save_curve(site_at(ophelia, place / "curve"), plan, measured)


def test_the_curve_says_that_more_still_paid(curve, place):
    assert curve["sentence"].startswith("More data still paid at 400 dialogues: from 100 to 400")
    page = (place / "curve" / "curve.html").read_text()
    assert "More data still pays" in page
    assert "The figure holds for <strong>understudy/mini</strong>" in page
    assert describe_curve(curve).count("\n| ") >= 6


def test_a_size_without_all_seeds_is_no_point(ophelia, material, place):
    plan = plan_curve(material, Terms(200, 8), BASE, (1, 2), [50, 100, 400])
    measured = invent(plan.cells, BASE)
    gone = plan.at(100)[1].cell.name
    del measured.cells[gone]
    measured.failed[gone] = "The job failed."

    found = save_curve(site_at(ophelia, place / "hole"), plan, measured)

    assert [point["size"] for point in found["points"]] == [50, 400]
    assert f"{gone}: The job failed." in found["left_out"]


@pytest.fixture(scope="module")
def browser():
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    playwright = pytest.importorskip("playwright.sync_api")
    if executable is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["study", "curve"])
def test_a_browser_shows_it_without_overflow_in_both_modes(browser, study, curve, place, name, scheme):
    page = browser.new_page(viewport={"width": 390, "height": 900}, color_scheme=scheme)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{place}/{name}/{name}.html")

    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    unnamed = page.evaluate(
        "[...document.querySelectorAll('svg')].filter(s => !s.querySelector('desc')).length"
    )
    headings = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    page.close()

    assert wide <= 0
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert unnamed == 0
    assert (sum(map(int, paper[4:-1].split(","))) < 150) == (scheme == "dark")
    assert ink != paper
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))


def test_the_shipped_page_and_its_figures_belong_together(ophelia, material):
    docs = Path(__file__).resolve().parents[2] / "docs"
    shipped = json.loads((docs / "study.json").read_text(encoding="utf-8"))
    page = unescape((docs / "study.html").read_text(encoding="utf-8"))

    assert shipped["character"] == material.character.name
    assert len(shipped["cells"]) == 15
    assert shipped["settings"]["probe_set"] == "development"
    for told in shipped["answers"]:
        for sentence in told["sentences"]:
            assert sentence[1:] in page
