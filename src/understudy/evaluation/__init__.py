"""Evaluation: probes, arms, scorers, statistics, and the verdict they add up to."""
