"""How it is learned: LoRA, supervised loss, checkpoints. Runs as ``python -m understudy.training SPEC``.

The package is a process, not a library: the API server starts one per job and reads its JSON
lines (see ``docs/training.md``). Nothing here imports torch before the process has been set up.
"""

__all__: list[str] = []
