"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real transcripts, cards and models that are not part of this repository."""
    root = Path(__file__).resolve().parent.parent
    candidate = Path(os.environ.get("UNDERSTUDY_SHARED", root.parent / "shared"))
    if not (candidate / "data").is_dir():
        pytest.skip("the folder of real test data (UNDERSTUDY_SHARED) is missing")
    return candidate
