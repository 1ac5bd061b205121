"""Dataset: what is learned. Recipe, split, training files with a manifest, token counts and checks.

Names are loaded on first use, because building takes in what reads characters and talks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.dataset.build import build_dataset
    from understudy.dataset.check import CheckResult, check_file
    from understudy.dataset.manifest import Manifest, SplitCounts, load_manifest, split_dialogues
    from understudy.dataset.problem import Problem
    from understudy.dataset.recipe import SPLITS, Recipe
    from understudy.dataset.split import Splitting, split_groups
    from understudy.dataset.tokens import (
        context_limit,
        count_example_tokens,
        count_text_tokens,
        encoding_name,
    )

__all__ = [
    "SPLITS",
    "CheckResult",
    "Manifest",
    "Problem",
    "Recipe",
    "SplitCounts",
    "Splitting",
    "build_dataset",
    "check_file",
    "context_limit",
    "count_example_tokens",
    "count_text_tokens",
    "encoding_name",
    "load_manifest",
    "split_dialogues",
    "split_groups",
]

_HOMES = {
    "CheckResult": "check",
    "Manifest": "manifest",
    "Problem": "problem",
    "Recipe": "recipe",
    "SPLITS": "recipe",
    "SplitCounts": "manifest",
    "Splitting": "split",
    "build_dataset": "build",
    "check_file": "check",
    "context_limit": "tokens",
    "count_example_tokens": "tokens",
    "count_text_tokens": "tokens",
    "encoding_name": "tokens",
    "load_manifest": "manifest",
    "split_dialogues": "manifest",
    "split_groups": "split",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
