"""The page of samples shows what the importers make today."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_of_samples_is_current():
    made = runpy.run_path(str(ROOT / "benchmarks/import_samples.py"))["page"]()

    assert (ROOT / "docs/import-samples.md").read_text(encoding="utf-8") == made, (
        "Make it again: python benchmarks/import_samples.py > docs/import-samples.md"
    )
    assert made.count("Ten of its") == 17
