"""Durability: the same kills and the same damage for Understudy and for what people use in its place.

``python -m benchmarks.durability`` prints the counts side by side (see docs/results.md).
"""
