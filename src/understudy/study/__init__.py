"""Study: the same character trained in several ways, and what each way changes.

A cell is one way to train: a system prompt in the data, a shape, a number of dialogues, a method, a base.
Cells are trained on equal terms and measured on the same held-out dialogues, so that two of them can be
compared probe by probe. ``curve`` varies the number of dialogues alone; ``study`` varies one thing after the
other.
"""
