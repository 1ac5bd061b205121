"""The report: complete from a full run, honest from a part of one."""

import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import typer
from synthetic_run import HOSTILE, build_run, write
from typer.testing import CliRunner

from understudy.cli.report import report_command
from understudy.errors import ConfigError, EvaluationError
from understudy.folder import CharacterFolder
from understudy.report import build_report

VOID = {"wbr", "meta", "link", "img", "br", "hr", "input", "path", "use"}


class Outline(HTMLParser):
    """Tags left open, ids, headings, and whatever would load something."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.loads: list[str] = []
        self.headings: list[int] = []
        self.faults: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tables = self.captions = 0

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(values["id"])
        for name, value in attrs:
            if name in ("src", "srcset", "data", "action", "poster") or name.startswith("on"):
                self.loads.append(f"{tag} {name}={value}")
            if name == "href" and tag != "a" and not str(value).startswith(("#", "data:,")):
                self.loads.append(f"{tag} {name}={value}")
            if name in ("href", "xlink:href") and str(value).startswith("#"):
                self.targets.append(str(value)[1:])
            if name in ("aria-labelledby", "aria-describedby"):
                self.targets += str(value).split()
        if tag == "svg":
            self.images.append(values)
        if tag == "table":
            self.tables += 1
        if tag == "caption":
            self.captions += 1
        if tag == "th" and values.get("scope") not in ("col", "row", "rowgroup"):
            self.faults.append(f"th without scope at {self.getpos()}")
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.stack or self.stack.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    return parser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("report") / "ophelia"
    build_run(root, hostile=True)
    return CharacterFolder(root)


@pytest.fixture(scope="module")
def page(folder):
    return build_report(folder).path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("small") / "ophelia"
    build_run(root, small=True, schema=1)
    build_report(CharacterFolder(root))
    return root


@pytest.fixture
def copy(small, tmp_path):
    """A small run with its report, to be damaged."""
    shutil.copytree(small, tmp_path / "ophelia")
    return CharacterFolder(tmp_path / "ophelia")


def test_it_is_one_page_that_loads_nothing(page):
    assert outline(page).loads == []
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", page)
    assert len(page.encode()) < 1_000_000


def test_its_tags_are_closed_and_its_ids_unique_and_found(page):
    parsed = outline(page)
    assert parsed.faults == []
    assert parsed.stack == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert set(parsed.targets) <= set(parsed.ids)


def test_headings_descend_one_step_at_a_time(page):
    levels = outline(page).headings
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_every_plot_has_a_title_and_a_description_in_words(page):
    images = outline(page).images
    assert len(images) >= 20
    assert all(image["role"] == "img" and image["aria-labelledby"] for image in images)
    assert "Style vs cheap+short: +78.00" in page
    assert "<text" in page


def test_every_table_has_a_caption_and_every_heading_cell_a_scope(page):
    parsed = outline(page)
    assert parsed.faults == []
    assert parsed.tables == parsed.captions >= 8


def test_the_primary_endpoint_is_drawn_with_its_margin_before_anything_else(page):
    banner = page[page.index('class="verdict ') : page.index('id="questions"')]
    assert "Margin -7.5 points. vs expensive+long: -3.0 points, 95% interval -7.0 to +1.0" in banner
    assert "one-sided lower bound -6.4: not inferior by the margin" in banner
    assert "training seed 2: -5.0 points" in banner
    assert "margin −7.5" in banner
    assert "Better than the untuned model in style and facts." in banner
    assert "324 probes in 211 families, 3 replies each" in banner
    assert "would show it with probability 87%; 80% needs 271 probes" in banner


def test_passes_by_category_seeds_and_looks_stand_with_their_counts(page):
    assert "Attempts to break the role (58)" in page
    assert "World view: tuned+short 62%, cheap+long 30%, cheap+short 3%" in page
    made = page[page.index('id="made"') :]
    assert re.search(r'<th scope="row">2</th><td class="num">76.0% \(71.0 to 81.0\)', made)
    assert "The final set, frozen 2026-11-23 05:40 before any model saw it; looked at 1 time." in made


def test_superiority_and_survival_are_told_in_words(page):
    assert "vs cheap+short: +59.0 points, 95% interval +53.0 to +65.0" in page
    assert "tuned+short: 94% unbroken after turn 16" in page
    assert "cheap+long 44% whole after turn 16 (half broken by turn 15)" in page
    assert "−0.4 (−0.8 to +0.0)" in page


def test_fidelity_is_paired_with_the_price_of_the_measured_model(page):
    shown = page[page.index('id="pareto-title"') :]
    assert re.match(r"id=\"pareto-title\".*?tuned\+short: 78\.0% for \$0\.000\d+, beaten by none", shown)
    assert "beaten by none" in shown[: shown.index("cheap+long:")]
    assert "gpt-4.1" not in shown[: shown.index("</desc>")]


def test_an_older_verdict_still_reads_and_says_how_to_renew_it(copy):
    html = build_report(copy).path.read_text(encoding="utf-8")
    assert "This verdict names no primary endpoint" in html
    assert "understudy evaluate ophelia --again" in html
    assert 'id="primary-title"' not in html


def test_a_verdict_of_a_later_version_is_refused_with_the_remedy(copy):
    run = copy.latest_run()
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    write(run / "verdict.json", {**verdict, "schema": "understudy.verdict/9"})
    with pytest.raises(EvaluationError, match=r"verdict/9.*Update Understudy.*evaluate ophelia --again"):
        build_report(copy)


def test_a_curve_answers_how_many_examples(copy):
    curve = {
        "schema": "understudy.curve/1",
        "sentence": "More than 100 dialogues brought nothing that was shown.",
        "base": "understudy/mini",
        "points": [{"size": 25}, {"size": 100}, {"size": 200}],
        "seeds": [1, 2],
        "stopping": [{"sentence": "Facts still rose at 200."}],
    }
    (copy.root / "curve").mkdir()
    write(copy.root / "curve" / "curve.json", curve)
    html = build_report(copy).path.read_text(encoding="utf-8")
    question = html[html.index("How many examples?") :]
    question = question[: question.index("</li>\n    <li>")]
    assert (
        "More than 100 dialogues brought nothing that was shown "
        "(understudy/mini, 25, 100, 200 dialogues, 2 training seeds)." in question
    )
    assert "Facts still rose at 200." in question
    assert "measured in its curve" in question
    assert "not measured in this run" not in question


def test_a_study_answers_what_one_run_cannot(copy):
    (copy.root / "study").mkdir()
    answers = [{"question": "", "status": "measured", "sentences": [f"Study says {n}."]} for n in range(6)]
    answers[2]["status"] = "not measured in this study"
    write(copy.root / "study" / "study.json", {"schema": "understudy.study/1", "answers": answers})
    html = build_report(copy).path.read_text(encoding="utf-8")
    assert [n for n in range(6) if f"Study says {n}." in html] == [1, 3, 4]


def test_judges_are_shown_with_their_controls_and_the_withheld_with_the_reason(folder, tmp_path):
    shutil.copytree(folder.root, tmp_path / "ophelia")
    judged = CharacterFolder(tmp_path / "ophelia")
    assert 'id="judges"' not in build_report(judged).path.read_text(encoding="utf-8")
    write(judged.latest_run() / "judgement.json", judgement())
    html = build_report(judged).path.read_text(encoding="utf-8")
    section = html[html.index('id="judges"') : html.index('id="cost"')]
    assert "judge-a: 58% (51 to 65)" in section
    assert "2 of 2" in section
    assert "it failed planted controls (fact dump: 0.40 of 20)" in section
    assert "alpha 0.61" in section
    assert outline(html).faults == []
    text = build_report(judged, form="md").path.read_text(encoding="utf-8")
    assert "| judge-a | 58.0% (51.0 to 65.0) | 55.0% (48.0 to 62.0) | 2 of 2 | no |" in text


def judgement():
    rate = {"value": 0.58, "low": 0.51, "high": 0.65, "count": 160}
    adjusted = {"value": 0.55, "low": 0.48, "high": 0.62, "count": 160}
    control = {"kind": "generic", "title": "generic", "rate": 0.95, "count": 20, "passed": True}
    dump = {"kind": "dump", "title": "fact dump", "rate": 0.4, "count": 20, "passed": False}
    failed = "it failed planted controls (fact dump: 0.40 of 20)"
    return {
        "schema": "understudy.judgement/1",
        "a": "tuned+short",
        "b": "expensive+long",
        "complete": True,
        "win_rate": rate,
        "sentence": "1 of 2 judges: tuned+short wins 58 % (51–65) of 160 pairs.",
        "judges": [
            {"name": "judge-a", "withheld": None, "controls": [control, control], "win_rate": rate}
            | {"length_adjusted": adjusted, "consistent": 0.9},
            {"name": "judge-b", "withheld": failed, "controls": [control, dump], "win_rate": None},
        ],
        "persons": [],
        "agreement": {"judges": {"alpha": 0.61, "equal": 0.7, "count": 160}},
        "by_category": [{"category": "fact", **rate}],
        "faults": [],
        "protocol": {"method": "both orders", "breaches": []},
    }


def test_markdown_says_the_same_without_the_replies(folder):
    text = build_report(folder, form="md").path.read_text(encoding="utf-8")
    assert text.splitlines()[2] == "# Princess Ophelia: Yes"
    assert "| vs expensive+long | -3.0 | -7.0 to +1.0 | -6.4 | not inferior by the margin |" in text
    assert "| Style (higher is better) | 86.0% (81.0 to 91.0) | 41.0% (36.0 to 46.0) |" in text
    assert "A long prompt with caching is cheaper than tuning" in text
    assert "Priced, not measured: expensive+long." in text
    assert "window.hacked" not in text


def test_hostile_names_stay_text_in_markdown(copy):
    run = copy.latest_run()
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    verdict["character"] = "<img src=x> | [click](http://example.org)"
    write(run / "verdict.json", verdict)
    text = build_report(copy, form="md").path.read_text(encoding="utf-8")
    assert "<img" not in text.replace("\\<img", "")
    assert "\\| \\[click\\](http" in text


def test_json_holds_everything_but_the_replies(folder):
    built = build_report(folder, form="json")
    document = json.loads(built.path.read_text(encoding="utf-8"))
    assert document["schema"] == "understudy.report/1"
    assert document["primary"]["bound"] == -0.064
    assert document["scores"]["tuned+short"]["style"]["value"] == 0.86
    assert len(document["answers"]) == 6
    assert {point["arm"] for point in document["pareto"] if point["on_frontier"]} == {"tuned+short"}
    assert not build_report(folder, form="json").rebuilt


def test_hostile_replies_stay_text(page):
    assert HOSTILE not in page
    assert "<script>window.hacked" not in page
    assert "&lt;script&gt;window.hacked = true&lt;/script&gt;" in page
    assert "{{ 7*7 }}" in page


def test_hostile_names_stay_text(copy):
    run = copy.latest_run()
    evil = "<img src=x onerror=alert(1)>"
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    verdict["character"] = evil
    verdict["arms"].append({**verdict["arms"][0], "name": evil, "note": evil})
    for score in verdict["arms"][0]["scores"].values():
        score["unit"] = evil
    write(run / "verdict.json", verdict)
    html = build_report(copy).path.read_text(encoding="utf-8")
    assert evil not in html
    parsed = outline(html)
    assert parsed.loads == []
    assert parsed.faults == []


def test_it_answers_first_with_figures(page):
    body = page[page.index("<body>") :]
    assert body.index("verdict-word") < body.index("verdict-sentence") < body.index('id="scores"')
    assert "not worse by 10 points on honesty and relevance" in page
    assert 'class="big">86.0%' in page
    assert "a long prompt with caching is cheaper than tuning" in body[: body.index('id="questions"')]


def test_the_table_marks_the_best_and_explains_what_is_missing(page):
    row = page[page.index("Gap closed") :]
    row = row[: row.index("</tr>")]
    assert "is the reference of the gap" in row
    assert row.count("best: ") == 1
    assert row.index("1.82") < row.index("1.00")
    assert "n = 120" in row


def test_hosted_arms_are_said_to_be_priced_and_not_measured(page):
    assert "Priced, not measured:" in page
    assert "expensive+long" in page
    assert "2026-10-14" in page
    assert "OpenAI pricing and deprecations pages" in page


def test_all_six_questions_stand_with_how_far_they_are_answered(page):
    questions = page[page.index('id="questions"') : page.index('id="scores"')]
    assert questions.count("<h3>") == 6
    assert questions.count("not measured in this run") >= 4
    assert (
        "86.0% (81.0 to 91.0), against 8.0% cheap+short and 41.0% cheap+long: better than both" in questions
    )
    assert "no difference shown from both" in questions


def test_the_way_it_was_made_can_be_followed(page):
    made = page[page.index('id="made"') :]
    for text in ("ftjob-synthetic", "cd" * 32, "2.13.0", "One training seed.", "understudy run ophelia"):
        assert text in made


def test_the_same_run_gives_the_same_bytes(copy):
    path = copy.latest_run() / "report.html"
    before = path.read_bytes()
    path.unlink()
    assert build_report(copy).path.read_bytes() == before


def test_it_is_built_again_only_when_an_input_changed(copy):
    first = build_report(copy)
    assert not first.rebuilt
    run = copy.latest_run()
    job = json.loads((run / "job.json").read_text(encoding="utf-8"))
    write(run / "job.json", {**job, "status": "cancelled"})
    second = build_report(copy)
    assert second.rebuilt
    assert second.reason == "its inputs have changed"


@pytest.mark.parametrize("missing", ["replies.jsonl", "events.jsonl", "job.json", "cost.json", "config.json"])
def test_a_missing_file_leaves_a_page_that_says_so(copy, missing):
    run = copy.latest_run()
    (run / missing).unlink()
    html = build_report(copy, run.name).path.read_text(encoding="utf-8")
    parsed = outline(html)
    assert parsed.faults == []
    said = {"replies.jsonl": "kept no replies", "events.jsonl": "no loss curve"}
    assert said.get(missing, "Princess Ophelia") in html


def test_a_run_without_a_verdict_says_that_there_is_none(copy):
    run = copy.latest_run()
    (run / "verdict.json").unlink()
    html = build_report(copy).path.read_text(encoding="utf-8")
    assert "No verdict yet" in html
    assert "understudy evaluate ophelia" in html
    assert outline(html).faults == []


def test_scores_of_null_and_absent_arms_are_explained(copy):
    run = copy.latest_run()
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    verdict["arms"] = [arm for arm in verdict["arms"] if arm["name"] in ("tuned+short", "cheap+long")]
    for arm in verdict["arms"]:
        arm["by_turn"] = []
        for score in arm["scores"].values():
            score.update(value=None, low=None, high=None, note="the server cannot score")
    verdict["comparisons"] = [
        {**row, "difference": None, "low": None, "high": None, "better": None}
        for row in verdict["comparisons"]
    ]
    write(run / "verdict.json", verdict)
    html = build_report(copy).path.read_text(encoding="utf-8")
    assert html.count('<span class="sub">the server cannot score</span>') == 3
    assert "Tone could not be computed: the server cannot score." in html
    assert "Long conversations were not measured in this run" in html
    assert outline(html).faults == []


def test_a_bare_verdict_is_enough(copy):
    run = copy.latest_run()
    for path in run.iterdir():
        path.unlink()
    write(
        run / "verdict.json",
        {"headline": {"answer": "no", "sentence": "It does not."}, "arms": [{"name": "tuned+short"}]},
    )
    html = build_report(copy).path.read_text(encoding="utf-8")
    assert "It does not." in html
    assert outline(html).faults == []


def test_a_loss_beyond_the_interval_is_among_the_first_figures(copy):
    run = copy.latest_run()
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    for row in verdict["comparisons"]:
        if row["score"] == "honesty":
            row.update(difference=-0.4, low=-0.5, high=-0.3, better=False)
    write(run / "verdict.json", verdict)
    html = build_report(copy).path.read_text(encoding="utf-8")
    banner = html[: html.index('id="scores"')]
    assert re.search(r'class="bad">\s*<dt>Honesty</dt>', banner)


def test_all_replies_travel_with_the_page_however_many_there_are(copy):
    run = copy.latest_run()
    rows = [json.loads(line) for line in (run / "replies.jsonl").read_text(encoding="utf-8").splitlines()]
    many = [{**row, "probe_id": f"{row['probe_id']}-{n}"} for n in range(60) for row in rows]
    (run / "replies.jsonl").write_text("".join(json.dumps(row) + "\n" for row in many), encoding="utf-8")
    html = build_report(copy).path.read_text(encoding="utf-8")
    assert f"All {len(many):,} replies of the run travel with this page" in html
    blocks = re.findall(r'<script type="application/json" data-category="(\w+)"[^>]*>(.*?)</script>', html)
    assert len(blocks) == 7
    items = {name: json.loads(block) for name, block in blocks}
    assert sum(len(found) for found in items.values()) == len({row["probe_id"] for row in many}) == 3060
    said = [
        reply[0]
        for found in items.values()
        for item in found
        for exchange in item["x"]
        for arm in exchange["r"]
        for reply in arm[1]
    ]
    assert sorted(said) == sorted(row["reply"] for row in many)


def test_costs_are_computed_again_after_a_new_measurement_under_the_old_settings(copy):
    run = copy.latest_run()
    cost = json.loads((run / "cost.json").read_text(encoding="utf-8"))
    cost["settings"].update(turns=4, conversations_per_day=7)
    write(run / "cost.json", cost)
    write(run / "verdict.json", json.loads((run / "verdict.json").read_text(encoding="utf-8")))
    build_report(copy)
    fresh = json.loads((run / "cost.json").read_text(encoding="utf-8"))
    assert (fresh["settings"]["turns"], fresh["settings"]["conversations_per_day"]) == (4, 7)
    assert len(fresh["arms"][0]["turns"]) == 4


def test_a_damaged_verdict_is_one_message(copy):
    (copy.latest_run() / "verdict.json").write_text("{oops", encoding="utf-8")
    with pytest.raises(EvaluationError, match=r"verdict\.json: cannot be read as JSON"):
        build_report(copy)


def test_without_a_run_it_says_how_to_make_one(tmp_path):
    (tmp_path / "character.yaml").write_text("name: Iroh\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match="understudy run"):
        build_report(CharacterFolder(tmp_path))
    with pytest.raises(ConfigError, match="no such run"):
        build_report(CharacterFolder(tmp_path), "x")


def test_the_command_prints_the_path(copy):
    app = typer.Typer()
    app.command()(report_command)
    result = CliRunner().invoke(app, [str(copy.root)])
    assert result.stdout.strip().endswith("report.html")
    assert "Kept as it was" in result.stderr
    result = CliRunner().invoke(app, [str(copy.root), "--json"])
    assert json.loads(result.stdout)["run"] == "20261123-055500"
    result = CliRunner().invoke(app, [str(copy.root), "--format", "md"])
    assert result.stdout.strip().endswith("report.md")
