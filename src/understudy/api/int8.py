"""Int8: which tuned models are spoken with by CTranslate2."""

from pathlib import Path

from understudy.api.problem import Problem
from understudy.api.settings import ServerSettings
from understudy.api.store import Store, StoredModel
from understudy.errors import ConfigError, MissingExtraError
from understudy.int8.parity import Parity, read_parity

__all__ = ["FINGERPRINT", "Int8Desk", "check_int8"]

FINGERPRINT = "ctranslate2-int8"  # what ``system_fingerprint`` says


def check_int8(folders: tuple[Path, ...]) -> dict[str, tuple[Path, Parity]]:
    """The accepted exports by their models' names.

    Raises:
        ModelError: One was never accepted, or is not whole.
        ConfigError: Two are of one model.
        MissingExtraError: CTranslate2 is not installed.
    """
    from importlib.util import find_spec

    if folders and find_spec("ctranslate2") is None:
        raise MissingExtraError(
            "--int8 needs the package 'ctranslate2'. Install it: pip install 'understudy[int8]'"
        )
    found: dict[str, tuple[Path, Parity]] = {}
    for folder in folders:
        parity = read_parity(folder)
        if parity.model in found:
            raise ConfigError(f"--int8 names two exports of {parity.model}; give one.")
        found[parity.model] = (folder.absolute(), parity)
    return found


class Int8Desk:
    """Finds the int8 copy of a tuned model.

    Raises:
        ConfigError: A copy's model is not one of this server's.
    """

    def __init__(self, settings: ServerSettings, store: Store) -> None:
        self._copies = check_int8(settings.int8)
        for name, (folder, _) in self._copies.items():
            if store.model(name) is None:
                raise ConfigError(
                    f"--int8 {folder}: is a copy of {name}, which this server does not have. "
                    "Start the server on the home in which it was trained (UNDERSTUDY_HOME)."
                )

    def find(self, stored: StoredModel) -> Path | None:
        """The folder of the copy, or ``None``.

        Raises:
            Problem: The copy was made of other weights than the model has now.
        """
        folder, parity = self._copies.get(stored.id, (None, None))
        if folder is None or parity is None:
            return None
        if _digest(Path(stored.adapter)) != parity.adapter_sha256:
            raise Problem(
                404,
                f"The int8 copy of `{stored.id}` in {folder} was made of other weights than the model has "
                "now. Export it again, or start the server without --int8.",
                param="model",
                code="model_not_found",
            )
        return folder


def _digest(adapter: Path) -> str | None:
    """What the adapter's manifest says of its weights; the manifest itself is checked at loading."""
    import json

    try:
        manifest = json.loads((adapter / "manifest.json").read_text(encoding="utf-8"))
        return str(manifest["files"]["adapter_model.safetensors"]["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
