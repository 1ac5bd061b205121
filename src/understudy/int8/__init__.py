"""How it speaks in eight bits: an exported int8 model through CTranslate2, in a process of its own.

``parity`` is light: it reads the record that an export leaves once it said what the trained model
says. The process, ``python -m understudy.int8``, speaks the lines of ``understudy.inference`` and
imports no torch.
"""

__all__: list[str] = []
