"""Failure: why a job ended without a model, as the API reports it."""

import errno
import sys
import traceback

from understudy.errors import DatasetError, ModelError, RenderingError, TrainingError, UnderstudyError

__all__ = ["JobFailed", "describe_failure"]

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class JobFailed(TrainingError):
    """A job cannot go on. ``code`` and ``param`` are the API's."""

    def __init__(self, message: str, code: str = "server_error", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def describe_failure(error: BaseException) -> JobFailed:
    """Translate whatever ended the job into a code, a message with a remedy, and a parameter.

    What nobody foresaw keeps its traceback in the log and is named by its type.
    """
    if isinstance(error, JobFailed):
        return error
    if isinstance(error, OSError) and error.errno in _FULL:
        return JobFailed(
            "The disk is full, so the checkpoint could not be written. Free some space, then "
            "start the job again. What was saved before is intact.",
            "disk_full",
        )
    if _is_out_of_memory(error):
        return JobFailed(
            "Out of memory. Try a smaller batch_size, a smaller max_tokens, or a smaller base model.",
            "out_of_memory",
            "hyperparameters",
        )
    if isinstance(error, (DatasetError, RenderingError)):
        return JobFailed(str(error), "invalid_training_file", "training_file")
    if isinstance(error, ModelError):
        return JobFailed(str(error), "invalid_model", "model")
    if isinstance(error, UnderstudyError):
        return JobFailed(str(error))
    if isinstance(error, OSError):
        return JobFailed(
            f"A file could not be read or written ({error}). Check the disk and its permissions."
        )
    traceback.print_exception(error, file=sys.stderr)
    return JobFailed(
        f"The training process met an unexpected {type(error).__name__}: {str(error)[:300]}. "
        "Its log holds the details."
    )


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
