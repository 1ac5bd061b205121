"""Scores: one function in one file each, with its formula, its source, and when it cannot be computed."""
