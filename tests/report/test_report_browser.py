"""The report in a real browser: no requests, a filter that works, contrast in both modes, no overflow."""

import json
import shutil
from pathlib import Path

import pytest
from synthetic_run import build_run, write_rows

from understudy.folder import CharacterFolder
from understudy.report import build_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CONTRAST = """(where) => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (let up = node; up; up = up.parentElement) {
      const colour = channels(getComputedStyle(up).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) { return colour; }
    }
    return [255, 255, 255];
  };
  const worst = [];
  const all = "p, li, dt, dd, th, td, h1, h2, h3, a, button, summary, span, svg text";
  for (const node of document.querySelector(where).querySelectorAll(all)) {
    if (!node.textContent.trim() || !node.getClientRects().length) { continue; }
    const style = getComputedStyle(node);
    const ink = channels(node.closest("svg") ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(node))].sort((x, y) => y - x);
    worst.push([(a + 0.05) / (b + 0.05), node.tagName, node.textContent.trim().slice(0, 40)]);
  }
  return worst.sort((x, y) => x[0] - y[0])[0];
}"""
OVERLAPS = """() => {
  const found = [];
  for (const plot of document.querySelectorAll("svg.plot")) {
    const frame = plot.getBoundingClientRect();
    const boxes = [...plot.querySelectorAll("text")].filter((t) => t.textContent.trim())
      .map((t) => [t.textContent.trim(), t.getBoundingClientRect()]);
    boxes.forEach(([text, a], i) => {
      const [wide, high] = [frame.right + 1, frame.bottom + 1];
      if (a.left < frame.left - 1 || a.top < frame.top - 1 || a.right > wide || a.bottom > high) {
        found.push(`${text} leaves its plot`);
      }
      boxes.slice(i + 1).forEach(([other, b]) => {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && high > 3) { found.push(`${text} over ${other}`); }
      });
    });
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    executable = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if executable is None:
        pytest.skip(f"no browser on the path ({', '.join(BROWSERS)})")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("browser") / "ophelia"
    build_run(root, hostile=True)
    return build_report(CharacterFolder(root)).path.as_uri()


@pytest.fixture
def open_page(browser, address):
    """Open the report under a width and colour scheme; requests and errors are kept on the page."""
    pages = []

    def open_it(width=1280, scheme="light", script=True):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
        )
        page = context.new_page()
        pages.append(context)
        page.asked, page.errors = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.errors.append(message.text))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(address)
        return page

    yield open_it
    for context in pages:
        context.close()


def test_it_loads_without_requests_errors_or_hostile_scripts(open_page, address):
    page = open_page()
    assert [url for url in page.asked if not url.startswith("data:")] == [address]
    assert page.errors == []
    assert page.evaluate("window.hacked") is None
    assert page.title() == "Princess Ophelia: Yes – Understudy report"


def test_the_filter_shows_a_selection_one_category_or_all(open_page):
    page = open_page()
    status = page.locator("#reply-status")
    assert page.locator(".probe").count() == 2 * 7
    page.get_by_role("button", name="Sincerely asked").click()
    tags = page.locator(".probe .tag").all_inner_texts()
    assert set(tags) == {"Sincerely asked: an AI?, paraphrase"}
    assert status.inner_text() == "1 to 6 of 6"
    assert page.locator("button[aria-pressed=true]").all_inner_texts() == [
        "Sincerely asked: an AI? 6",
        "Any outcome",
    ]
    page.get_by_role("button", name="All 53").click()
    assert status.inner_text() == "1 to 12 of 53"


def test_outcomes_and_words_narrow_what_is_shown(open_page):
    page = open_page()
    page.get_by_role("button", name="World view").click()
    page.get_by_role("button", name="tuned+short failed", exact=True).click()
    assert page.locator(".probe").count() == 9  # One of its three replies always fails.
    assert page.locator(".deployed .outcome").first.inner_text().endswith("2 of 3 passed")
    page.get_by_role("button", name="tuned+short passed", exact=True).click()
    assert page.locator(".probe").count() == 0
    assert page.get_by_text("Nothing here fits these choices.").is_visible()
    page.get_by_role("button", name="Any outcome").click()
    page.get_by_label("Words in question or reply").fill("QUEEN MARIGOLD")
    assert 0 < page.locator(".probe").count() <= 9
    assert all("Queen Marigold" in text for text in page.locator(".probe").all_inner_texts())
    assert page.errors == []


def test_all_replies_can_be_paged_through_with_the_keyboard(open_page):
    page = open_page()
    page.get_by_role("button", name="All 53").focus()
    page.keyboard.press("Enter")
    seen = page.locator(".probe").count()
    on, back = (page.get_by_role("button", name=name) for name in ("Further", "Back"))
    assert back.is_disabled()
    while on.is_enabled():
        on.focus()
        page.keyboard.press("Enter")
        seen += page.locator(".probe").count()
    assert seen == 53
    assert page.locator("#reply-status").inner_text() == "53 of 53"
    assert [url for url in page.asked if url.startswith("http")] == []


def test_a_conversation_is_shown_whole_with_each_arms_own_history(open_page):
    page = open_page()
    page.get_by_role("button", name="Scripted conversations").click()
    assert page.locator(".probe").count() == 1
    assert "A conversation of 16 turns, 5 questions beside it" in page.locator(".probe h3").inner_text()
    assert page.locator(".turn").count() == 21
    assert page.locator(".aside-turn").count() == 5
    last = page.locator(".probe dl").last.inner_text()
    assert "(tuned+short, turn 16)" in last
    assert "(cheap+long, turn 16)" in last


def test_a_category_of_any_name_can_be_chosen(browser, tmp_path):
    run = build_run(tmp_path / "ophelia", small=True, schema=1)
    rows = [json.loads(line) for line in (run / "replies.jsonl").read_text(encoding="utf-8").splitlines()]
    strange = ["all", 'he said "no" \\ </script>']
    write_rows(run / "replies.jsonl", [{**row, "category": strange[n % 2]} for n, row in enumerate(rows)])
    page = browser.new_page()
    page.goto(build_report(CharacterFolder(tmp_path / "ophelia")).path.as_uri())
    page.get_by_role("button", name="He said").click()
    assert set(page.locator(".probe .tag").all_inner_texts()) == {'He said "no" \\ </script>'}
    page.close()


def test_hostile_replies_stay_text_when_they_are_drawn(open_page):
    page = open_page()
    page.get_by_label("Words in question or reply").fill("window.hacked")
    assert page.locator(".probe").count() > 0
    assert "<script>window.hacked" in page.locator(".probe").first.inner_text()
    assert page.evaluate("window.hacked") is None
    assert page.errors == []


def test_without_scripts_a_selection_stands_and_no_dead_button(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator(".probe:visible").count() == 14
    assert page.get_by_text("Without scripts the first of each category stand here").is_visible()
    assert page.locator("button:visible, input:visible").count() == 0
    context.close()


def test_every_control_has_a_name_and_shows_that_it_has_the_focus(open_page):
    page = open_page()
    for control in page.locator("button:visible, input:visible, a:visible, summary:visible").all()[:30]:
        control.focus()
        outline = control.evaluate("node => getComputedStyle(node).outlineStyle")
        name = control.evaluate("node => node.textContent.trim() || node.labels?.[0]?.textContent || ''")
        assert name
        assert outline != "none", name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast(open_page, scheme):
    page = open_page(scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    for answer, where in (
        ("yes", "body"),
        ("no", ".verdict"),
        ("not_shown", ".verdict"),
        ("none", ".verdict"),
    ):
        page.evaluate(f"document.querySelector('.verdict').className = 'verdict {answer}'")
        worst, tag, text = page.evaluate(CONTRAST, where)
        assert worst >= 4.5, f"{answer}: {tag} {text!r} has only {worst:.2f}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_keeps_anybody_out(open_page, scheme):
    axe = Path(__file__).parent.parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is missing; install it: npm install --prefix tests/node")
    page = open_page(scheme=scheme)
    page.add_script_tag(path=axe)
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found["violations"]] == []
    assert len(found["passes"]) > 40


def test_dark_mode_is_dark(open_page):
    colour = open_page(scheme="dark").evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in colour[4:-1].split(",")) < 60


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_clipped_or_laid_over_another(open_page, width):
    page = open_page(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(OVERLAPS) == []


def test_on_paper_nothing_is_cut_off_and_the_page_is_white(open_page):
    page = open_page(width=690, scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("section > details:not([open])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 690
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
