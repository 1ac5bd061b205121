"""The one error family.

UnderstudyError
├── CharacterError   (ValueError)    a character file cannot be read as a character
│   └── CardError                    … because the TavernAI/SillyTavern card is damaged
├── DialogueError    (ValueError)    a transcript or dialogue file cannot be read
├── DatasetError     (ValueError)    a training file breaks the format, or nothing can be learned
├── RenderingError   (ValueError)    a chat template or tokenizer cannot render the messages
├── ModelError       (ValueError)    a base model is unknown, incomplete or unsafe to load
├── TrainingError    (RuntimeError)  a fine-tuning job failed
├── InferenceError   (RuntimeError)  a model could not reply or score
├── ServerError      (RuntimeError)  the local server could not start or stopped answering
├── ProviderError    (RuntimeError)  an API refused: what it said, and where to go
├── EvaluationError  (RuntimeError)  arms cannot be compared
├── ConfigError      (ValueError)    a flag, setting or name is wrong: exit code 2
└── MissingExtraError (ImportError)  an optional part is not installed

Every child takes only a message, so it pickles. The message says what is wrong, where
(``file:line`` where there is one) and how to mend it.
"""

__all__ = [
    "CardError",
    "CharacterError",
    "ConfigError",
    "DatasetError",
    "DialogueError",
    "EvaluationError",
    "InferenceError",
    "MissingExtraError",
    "ModelError",
    "ProviderError",
    "RenderingError",
    "ServerError",
    "TrainingError",
    "UnderstudyError",
]


class UnderstudyError(Exception):
    """Anything the user can mend. Shown as one message without a traceback."""

    exit_code = 1


class CharacterError(UnderstudyError, ValueError):
    """A character file cannot be read as a character."""


class CardError(CharacterError):
    """A character card is damaged or is not a card."""


class DialogueError(UnderstudyError, ValueError):
    """A transcript or dialogue file cannot be read."""


class DatasetError(UnderstudyError, ValueError):
    """A training file breaks the format, or nothing in it can be learned."""


class RenderingError(UnderstudyError, ValueError):
    """A chat template or tokenizer cannot render the messages."""


class ModelError(UnderstudyError, ValueError):
    """A base model is unknown, incomplete or unsafe to load."""


class TrainingError(UnderstudyError, RuntimeError):
    """A fine-tuning job failed."""


class InferenceError(UnderstudyError, RuntimeError):
    """A model could not reply or score."""


class ServerError(UnderstudyError, RuntimeError):
    """The local server could not start or stopped answering."""


class ProviderError(UnderstudyError, RuntimeError):
    """An API refused a request for good."""


class EvaluationError(UnderstudyError, RuntimeError):
    """Arms cannot be compared."""


class ConfigError(UnderstudyError, ValueError):
    """A flag, a setting or a name is wrong."""

    exit_code = 2


class MissingExtraError(UnderstudyError, ImportError):
    """An optional part of the program is not installed."""
