"""Models: what a name in a request means here."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from understudy.api.bases import (
    MINIATURES,
    Base,
    check_available,
    find_base,
    fingerprint_base,
    resolve_base,
)
from understudy.api.int8 import Int8Desk
from understudy.api.policies import change_policies, policies_of_job, show_policies
from understudy.api.problem import Problem, bad_request, model_not_found
from understudy.api.protocol import DistillationBody
from understudy.api.settings import ServerSettings
from understudy.api.store import Job, Store, StoredModel
from understudy.character.deployed import DeployedPolicies
from understudy.errors import ModelError

__all__ = ["LoadableModel", "ModelDesk", "TrainableModel"]


@dataclass(frozen=True)
class LoadableModel:
    """What the inference process is told to load."""

    base: Path
    adapter: Path | None
    policies: DeployedPolicies | None = None
    int8: Path | None = None  # its copy for CTranslate2, where one was accepted and is to be used


@dataclass(frozen=True)
class TrainableModel:
    """What a job starts from: a base model, or an adapter on one."""

    base: Base
    adapter: Path | None
    shown_as: str


class ModelDesk:
    """Finds models by name: fine-tuned ones in the store, base ones by ``bases.resolve_base``."""

    def __init__(self, settings: ServerSettings, store: Store, int8: Int8Desk) -> None:
        self.settings = settings
        self.store = store
        self._int8 = int8
        self._resolved: dict[str, Path] = {}

    def find(self, name: str) -> Callable[[], LoadableModel]:
        """How to load a model for chat; call the result in a thread, since it may download.

        Raises:
            Problem: 404 ``model_not_found``.
        """
        stored = self.store.model(name)
        if stored is not None:
            return lambda: replace(self._load_tuned(stored), int8=self._int8.find(stored))
        if name.startswith("ft:"):
            raise model_not_found(name)
        try:
            base = find_base(name, self.settings.default_base)
        except ModelError:
            raise model_not_found(name) from None
        return lambda: LoadableModel(self._directory(base, name), None)

    def _load_tuned(self, stored: StoredModel) -> LoadableModel:
        base = find_base(stored.base_source, self.settings.default_base)
        directory = self._directory(base, stored.id)
        self._refuse_changed_base(stored, directory)
        policies = policies_of_job(self.store.job(stored.job_id))
        return LoadableModel(directory, Path(stored.adapter), policies)

    def _refuse_changed_base(self, stored: StoredModel, directory: Path) -> None:
        """An adapter on other weights than it was trained on talks nonsense."""
        if fingerprint_base(directory) != stored.base_fingerprint:
            raise Problem(
                404,
                f"The model `{stored.id}` was trained on other weights of {stored.base_source} than are "
                "installed now. Train it again.",
                param="model",
                code="model_not_found",
            )

    def _directory(self, base: Base, name: str) -> Path:
        known = self._resolved.get(base.source)
        if known is not None and known.is_dir():
            return known
        try:
            self._resolved[base.source] = resolve_base(base.source)
        except ModelError as error:
            raise Problem(404, str(error), param="model", code="model_not_found") from error
        return self._resolved[base.source]

    def find_trainable(self, name: str) -> TrainableModel:
        """What a job on ``name`` starts from. Quick, but may ask the hub: call it in a thread.

        Raises:
            Problem: 400 ``model_not_available``, saying what to do.
        """
        stored = self.store.model(name)
        if stored is not None:
            loadable = self._load_tuned(stored)
            base = replace(find_base(stored.base_source, self.settings.default_base), name=stored.base)
            return TrainableModel(base, loadable.adapter, name)
        try:
            if name.startswith("ft:"):
                raise ModelError(f"The fine-tuned model `{name}` does not exist on this server.")
            base = find_base(name, self.settings.default_base)
            check_available(base)
        except ModelError as error:
            raise bad_request(str(error), "model", "model_not_available") from error
        return TrainableModel(base, None, base.name if base.stands_in else name)

    def find_teacher(self, wanted: DistillationBody | None) -> str | None:
        """Directory of the model that teaches a job; ``None`` where it is the base, or nobody.

        Raises:
            Problem: 400 ``model_not_available``: it is unknown, not here, or tuned.
        """
        if wanted is None or wanted.teacher is None:
            return None
        try:
            if wanted.teacher.startswith("ft:"):
                raise ModelError(f"The model `{wanted.teacher}` is tuned; a teacher is a base model.")
            return str(resolve_base(find_base(wanted.teacher, self.settings.default_base).source))
        except ModelError as error:
            raise bad_request(str(error), "method.distillation.teacher", "model_not_available") from error

    # --- the API's objects

    def list(self) -> dict[str, Any]:
        """GET /v1/models: base models that are on this machine, then fine-tuned ones."""
        documents = [self._base_document(name) for name in MINIATURES if self._is_installed(name)]
        if self.settings.default_base not in MINIATURES:
            documents.append(self._base_document(self.settings.default_base))
        documents += [_document(model) for model in self.store.list_models()]
        return {"object": "list", "data": documents}

    def retrieve(self, name: str) -> dict[str, Any]:
        """GET /v1/models/{model}.

        Raises:
            Problem: 404 ``model_not_found``.
        """
        stored = self.store.model(name)
        if stored is not None:
            self._load_tuned(stored)
            return _document(stored)
        self.find(name)
        return self._base_document(name)

    def delete(self, name: str) -> dict[str, Any]:
        """DELETE /v1/models/{model}: fine-tuned models only.

        Raises:
            Problem: 404 unknown; 403 a base model.
        """
        stored = self.store.model(name)
        if stored is None:
            self.find(name)
            raise Problem(403, f"The model `{name}` is a base model and cannot be deleted.", param="model")
        self.store.delete_model(name)
        if stored.adapter not in self.store.adapters_to_go_on_from():  # Else swept at a later start.
            shutil.rmtree(stored.adapter, ignore_errors=True)
        return {"id": name, "object": "model", "deleted": True}

    def weights(self, name: str) -> dict[str, Any]:
        """GET /v1/understudy/weights/{model}, an extension: where a tuned model lies on this machine.

        Raises:
            Problem: 404 unknown; 400 a base model, which holds no tuned weights.
        """
        stored = self.store.model(name)
        if stored is None:
            self.find(name)
            raise bad_request(f"The model `{name}` is a base model; only tuned models are exported.", "model")
        loadable = self._load_tuned(stored)
        return {
            "object": "understudy.weights",
            "model": name,
            "base_model": stored.base_source,
            "base_directory": str(loadable.base),
            "adapter_directory": str(loadable.adapter),
        }

    def policies(self, name: str) -> dict[str, Any]:
        """GET /v1/understudy/policies/{model}: what is applied to a tuned model's replies."""
        return show_policies(name, self._job_of(name))

    def change_policies(self, name: str, body: Any) -> dict[str, Any]:
        """POST /v1/understudy/policies/{model}: for the model and the checkpoints of its job."""
        return show_policies(name, change_policies(self.store, self._job_of(name), body))

    def _job_of(self, name: str) -> Job:
        """The job that left a tuned model.

        Raises:
            Problem: 404 unknown; 400 a base model, to which no policies belong.
        """
        stored = self.store.model(name)
        if stored is None:
            self.find(name)
            raise bad_request(f"The model `{name}` is a base model; policies belong to tuned ones.", "model")
        job = self.store.job(stored.job_id)
        if job is None:
            raise model_not_found(name)
        return job

    def _is_installed(self, name: str) -> bool:
        try:
            resolve_base(name)
        except ModelError:
            return False
        return True

    def _base_document(self, name: str) -> dict[str, Any]:
        return _model_object(name, _STARTED_AT, "understudy")


_STARTED_AT = int(time.time())


def _document(model: StoredModel) -> dict[str, Any]:
    return _model_object(model.id, model.created_at, "user")


def _model_object(name: str, created: int, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": owner, "shutdown_date": None}
