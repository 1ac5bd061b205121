"""How it leaves: a tuned model in the forms that other programs read, each checked after writing.

``plan`` and ``process`` are light; the work runs as ``python -m understudy.export SPEC``, which
imports torch.
"""

__all__: list[str] = []
