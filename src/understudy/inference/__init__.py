"""How it speaks: decoding, adapters, scoring. Runs as ``python -m understudy.inference``.

The package is a process, not a library: the API server starts it and talks JSON lines with it
(see ``docs/training.md``). Nothing here imports torch before the process has been set up.
"""

__all__: list[str] = []
