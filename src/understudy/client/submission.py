"""Submission: files sent and a job created, or nothing left at the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from understudy.client.job import Uploaded, delete_uploads, explain, upload_once, wait_until_processed
from understudy.client.training_plan import TrainingPlan
from understudy.errors import ProviderError, UnderstudyError

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["RUN_KEY", "submit_job"]

RUN_KEY = "understudy_run"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def submit_job(client: OpenAI, plan: TrainingPlan, run_id: str) -> dict[str, Any]:
    """Upload what is not there yet, and create the job in the provider's dialect.

    Uploads that led to no job are deleted again. Where the answer to the creation did not come they are
    kept, since the job may exist: the same command finds it.

    Raises:
        DatasetError: The provider refuses a file.
        ProviderError: It refuses the job, or did not answer.
    """
    import openai

    uploads = _upload(client, plan)
    try:
        return _create(client, plan, run_id, [upload.id for upload in uploads])
    except openai.APIStatusError as error:
        if error.status_code < 500:
            delete_uploads(client, uploads)
        raise ProviderError(f"The job was refused: {_reason(error, plan)}") from error
    except openai.APIError as error:
        raise ProviderError(f"The job was refused: {explain(error)}") from error


def _upload(client: OpenAI, plan: TrainingPlan) -> list[Uploaded]:
    dialect, uploads = plan.provider.dialect, []
    mark = BYTE_ORDER_MARK if dialect.byte_order_mark else b""
    try:
        for path in (plan.training_file, plan.validation_file):
            if path is not None:
                uploads.append(upload_once(client, path, mark=mark))
                if plan.provider.name != "local":
                    wait_until_processed(client, uploads[-1].id)
    except UnderstudyError:
        delete_uploads(client, uploads)
        raise
    return uploads


def _create(client: OpenAI, plan: TrainingPlan, run_id: str, files: list[str]) -> dict[str, Any]:
    import openai

    job = client.fine_tuning.jobs.create(
        model=plan.base_model,
        training_file=files[0],
        seed=plan.seed,
        method=plan.as_method(),  # type: ignore[arg-type]
        metadata={RUN_KEY: run_id, **plan.policies} if plan.provider.dialect.metadata else openai.omit,
        suffix=plan.suffix or openai.omit,
        validation_file=files[1] if len(files) > 1 else openai.omit,
    )
    return dict(job.model_dump(mode="json"))


def _reason(error: Any, plan: TrainingPlan) -> str:
    if error.status_code == 404 and error.code is None and plan.base_model not in str(error.message):
        return (
            f"{plan.provider.name} has no fine-tuning API of OpenAI's shape (404). See what has: "
            "understudy providers"
        )
    return explain(error)
