"""Progress as one moving line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from understudy.evaluation.replies import Progress

__all__ = ["ProgressLine"]


class ProgressLine:
    """Progress as one moving line; without a terminal, a line for every quarter."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._moving = stream.isatty()
        self._said: tuple[str, int] = ("", -1)

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *details: object) -> None:
        if self._moving:
            print("\r\033[K", end="", file=self._stream, flush=True)

    def show(self, progress: Progress) -> None:
        """How far, how fast, how long still."""
        quarter = (progress.what, 4 * progress.done // max(1, progress.total))
        if not self._moving and quarter == self._said:
            return
        self._said = quarter
        text = f"{progress.what} {progress.done}/{progress.total}"
        if progress.per_second:
            text += f"  {progress.per_second:.1f}/s"
        if progress.seconds_left is not None and progress.done < progress.total:
            minutes, seconds = divmod(round(progress.seconds_left), 60)
            text += f"  {minutes}:{seconds:02d} left"
        if progress.note:
            text += f"  {progress.note}"
        if self._moving:
            print(f"\r\033[K{text}", end="", file=self._stream, flush=True)
        else:
            print(text, file=self._stream, flush=True)
