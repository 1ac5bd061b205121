"""How large and how quick is the report of a run with many replies?

python benchmarks/report_page.py demo/ophelia --replies 20000

Takes the newest run of the character, repeats its replies under new probe names until there are so many,
writes the page in a temporary folder, and opens it in Chromium.
"""

import argparse
import json
import shutil
import tempfile
import time
from itertools import cycle
from pathlib import Path

from understudy.folder import CharacterFolder, open_folder
from understudy.report import build_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def enlarge(source: Path, target: Path, wanted: int) -> int:
    """Repeat whole runs of replies, each under probe names of its own; returns the bytes written."""
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    with target.open("w", encoding="utf-8") as file:
        for number, row in zip(range(wanted), cycle(rows), strict=False):
            copy = number // len(rows)
            row = {**row, "probe_id": f"{row['probe_id']}/{copy}", "group": f"{row.get('group')}/{copy}"}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return target.stat().st_size


def open_in_browser(page: Path) -> dict[str, float]:
    """Seconds to load the page, to search all replies, and to go on a page."""
    from playwright.sync_api import sync_playwright

    executable = next(path for name in BROWSERS if (path := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        tab = browser.new_page()
        times = {"load": timed(lambda: tab.goto(page.as_uri()))}
        times["show all"] = timed(lambda: tab.locator("button[value=all]").click())
        times["next page"] = timed(lambda: tab.get_by_role("button", name="Further").click())
        times["search all"] = timed(lambda: tab.get_by_label("Words in question or reply").fill("the"))
        browser.close()
    return times


def timed(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("character")
    parser.add_argument("--replies", type=int, default=20_000)
    asked = parser.parse_args()
    folder = open_folder(asked.character)
    run = max(path.parent for path in folder.runs.glob("*/verdict.json"))
    with tempfile.TemporaryDirectory() as place:
        copy = CharacterFolder(Path(place) / folder.root.resolve().name)
        shutil.copytree(run, copy.run(run.name))
        shutil.copy(folder.character, copy.character)
        read = enlarge(run / "replies.jsonl", copy.run(run.name) / "replies.jsonl", asked.replies)
        start = time.perf_counter()
        built = build_report(copy)
        seconds = time.perf_counter() - start
        print(f"{asked.replies:,} replies, {read / 1e6:.1f} MB")
        print(f"page: {built.path.stat().st_size / 1e6:.1f} MB in {seconds:.1f} s")
        for name, took in open_in_browser(built.path).items():
            print(f"{name}: {took:.2f} s")


if __name__ == "__main__":
    main()
