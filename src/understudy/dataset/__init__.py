"""Dataset: what is learned. Recipe, split, training files with a manifest, token counts and checks."""

from understudy.dataset.build import build_dataset
from understudy.dataset.check import CheckResult, check_file
from understudy.dataset.manifest import Manifest, SplitCounts, load_manifest, split_dialogues
from understudy.dataset.problem import Problem
from understudy.dataset.recipe import SPLITS, Recipe
from understudy.dataset.split import Splitting, split_groups
from understudy.dataset.tokens import context_limit, count_example_tokens, count_text_tokens, encoding_name

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
