"""The report in a real browser: no requests, a filter that works, contrast in both modes, no overflow."""

import shutil

import pytest
from synthetic_run import build_run

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
    everything = page.locator(".probe").count()
    assert page.locator(".probe:visible").count() == 2 * 7
    page.get_by_role("button", name="Sincerely asked").click()
    shown = page.locator(".probe:visible")
    assert 0 < shown.count() < everything
    assert set(shown.evaluate_all("nodes => nodes.map(node => node.dataset.category)")) == {"sincere_ai"}
    assert page.locator("#reply-count").inner_text() == f"{shown.count()} probes shown"
    assert page.locator("button[aria-pressed=true]").count() == 1
    page.get_by_role("button", name=f"All {everything}").click()
    assert page.locator(".probe:visible").count() == everything


def test_without_scripts_all_replies_stand_and_no_dead_button(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator(".probe:visible").count() == page.locator(".probe").count() > 40
    assert page.locator("button:visible").count() == 0
    context.close()


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
    assert page.evaluate("document.documentElement.scrollWidth") == 690
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
