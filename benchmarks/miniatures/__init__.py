"""Measure the miniature models on sheets, names and question wordings that they have never seen."""
