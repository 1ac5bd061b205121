"""App: the routes. Each reads its request, calls one function, and returns its object."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.background import BackgroundTask

from understudy import __version__
from understudy.api.adapters import sweep_adapters
from understudy.api.arbiter import Arbiter
from understudy.api.batches import BatchDesk
from understudy.api.chat import answer_chat, complete_chat
from understudy.api.complexity import MAX_VALUES, has_too_many_values
from understudy.api.files import FileDesk, file_document
from understudy.api.guard import Activity, Guard
from understudy.api.int8 import Int8Desk
from understudy.api.jobs import JobDesk
from understudy.api.models import ModelDesk
from understudy.api.openapi import openapi_document
from understudy.api.permissions import PermissionDesk
from understudy.api.problem import bad_request, install_handlers
from understudy.api.repeats import mark_of
from understudy.api.score import score_messages
from understudy.api.settings import ServerSettings
from understudy.api.speakers import Speakers
from understudy.api.store import Store
from understudy.api.upload import Upload, read_upload
from understudy.api.uploads import UploadDesk

__all__ = ["Desks", "create_app"]

MAX_METADATA_PAIRS = 16
MAX_JSON_DEPTH_MESSAGE = "The JSON body is nested too deeply."


class Desks:
    """The parts of one running server."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.store = Store(settings.store_path)
        self.files = FileDesk(settings, self.store)
        self.uploads = UploadDesk(settings, self.files)
        self.models = ModelDesk(settings, self.store, Int8Desk(settings, self.store))
        self.permissions = PermissionDesk(self.store)
        arbiter = Arbiter(settings.yields, settings.home)
        self.jobs = JobDesk(settings, self.store, self.files, self.models, arbiter)
        self.worker = Speakers(settings, arbiter)
        self.batches = BatchDesk(settings, self.store, self.files, self._endpoints())
        self.activity = Activity()

    def start(self) -> None:
        """Tidy up after a crash and take up unfinished work."""
        self.files.forget_expired()
        self.files.blobs.sweep(self.store.blob_is_used)
        self.uploads.sweep()
        models = {model.adapter for model in self.store.list_models()}
        sweep_adapters(self.settings.adapters, models | self.store.adapters_to_go_on_from())
        self.jobs.start()
        self.batches.start()

    def is_busy(self) -> bool:
        """Whether a job or a batch is unfinished."""
        return self.jobs.is_busy() or self.batches.is_busy()

    async def stop(self) -> None:
        """End the workers and close the store."""
        await self.batches.stop()
        await asyncio.gather(self.jobs.stop(), self.worker.stop())
        self.store.close()

    def _endpoints(self) -> dict[str, Callable[[Any], Awaitable[dict[str, Any]]]]:
        """What a line of a batch can ask."""
        return {
            "/v1/chat/completions": lambda body: answer_chat(body, self.models, self.worker),
            "/v1/understudy/score": lambda body: score_messages(body, self.models, self.worker),
        }


def create_app(settings: ServerSettings) -> FastAPI:
    """The server as an ASGI application. It writes ``settings.home``, so run only one on a home."""
    desks = Desks(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        desks.start()
        yield
        await desks.stop()

    app = FastAPI(
        title="Understudy",
        version=__version__,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.desks = desks
    app.openapi = openapi_document  # type: ignore[method-assign]
    app.add_middleware(Guard, settings=settings, activity=desks.activity)
    install_handlers(app)
    _add_file_routes(app, desks)
    _add_upload_routes(app, desks)
    _add_job_routes(app, desks)
    _add_permission_routes(app, desks)
    _add_model_routes(app, desks)
    _add_reply_routes(app, desks)
    _add_batch_routes(app, desks)
    return app


def _add_file_routes(app: FastAPI, desks: Desks) -> None:
    files = desks.files

    @app.post("/v1/files")
    async def upload(request: Request) -> dict[str, Any]:
        async with read_upload(request, desks.settings.blobs) as form:
            file, purpose, expires = _upload_fields(form)
            stored = await asyncio.to_thread(files.receive, file, form.filename, purpose, expires)
        return file_document(files.record(stored))

    @app.get("/v1/files")
    async def list_files(request: Request) -> dict[str, Any]:
        order = request.query_params.get("order", "desc")
        if order not in ("asc", "desc"):
            raise bad_request("Invalid value for 'order': use 'asc' or 'desc'.", "order", "invalid_value")
        after = request.query_params.get("after")
        page = desks.store.list_files(
            purpose=request.query_params.get("purpose"),
            after=after,
            limit=_limit(request, 10_000, 10_000),
            ascending=order == "asc",
        )
        if page is None:
            raise bad_request(f"No file with the id '{after}' to continue after.", "after")
        data = [file_document(file) for file in page.rows]
        ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
        return {"object": "list", "data": data, **ends, "has_more": page.has_more}

    @app.get("/v1/files/{file_id}")
    async def retrieve_file(file_id: str) -> dict[str, Any]:
        return file_document(files.get(file_id))

    @app.delete("/v1/files/{file_id}")
    async def delete_file(file_id: str) -> dict[str, Any]:
        return files.delete(file_id)

    @app.get("/v1/files/{file_id}/content")
    async def file_content(file_id: str) -> Response:
        kind = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
        return FileResponse(
            files.path(files.get(file_id)), media_type="application/octet-stream", headers=kind
        )


def _add_upload_routes(app: FastAPI, desks: Desks) -> None:
    uploads = desks.uploads

    @app.post("/v1/uploads")
    async def create_upload(request: Request) -> dict[str, Any]:
        return uploads.create(await _json(request))

    @app.post("/v1/uploads/{upload_id}/parts")
    async def add_part(request: Request, upload_id: str) -> dict[str, Any]:
        async with read_upload(request, desks.settings.blobs, field="data") as form:
            if form.file is None:
                raise bad_request("Missing required parameter: 'data'.", "data", "missing_required_parameter")
            return await asyncio.to_thread(uploads.add_part, upload_id, form.file)

    @app.post("/v1/uploads/{upload_id}/complete")
    async def complete_upload(request: Request, upload_id: str) -> dict[str, Any]:
        note, stored = await asyncio.to_thread(uploads.join, upload_id, await _json(request))
        return uploads.complete(note, stored)

    @app.post("/v1/uploads/{upload_id}/cancel")
    async def cancel_upload(upload_id: str) -> dict[str, Any]:
        return uploads.cancel(upload_id)


def _add_job_routes(app: FastAPI, desks: Desks) -> None:
    jobs = desks.jobs
    root = "/v1/fine_tuning/jobs"

    @app.post(root)
    async def create_job(request: Request) -> Response:
        document = await jobs.create(await _json(request), await mark_of(request))
        return JSONResponse(document, background=BackgroundTask(jobs.note_answered, document["id"]))

    @app.get(root)
    async def list_jobs(request: Request) -> dict[str, Any]:
        return jobs.list(
            request.query_params.get("after"), _limit(request, 20, 1000), _metadata_filter(request)
        )

    @app.get(f"{root}/{{job_id}}")
    async def retrieve_job(job_id: str) -> dict[str, Any]:
        return jobs.retrieve(job_id)

    @app.post(f"{root}/{{job_id}}/cancel")
    async def cancel_job(job_id: str) -> dict[str, Any]:
        return await jobs.cancel(job_id)

    @app.post(f"{root}/{{job_id}}/pause")
    async def pause_job(job_id: str) -> dict[str, Any]:
        return await jobs.pause(job_id)

    @app.post(f"{root}/{{job_id}}/resume")
    async def resume_job(job_id: str) -> dict[str, Any]:
        return jobs.resume(job_id)

    @app.get(f"{root}/{{job_id}}/events")
    async def list_events(request: Request, job_id: str) -> dict[str, Any]:
        return jobs.events(job_id, request.query_params.get("after"), _limit(request, 20, 1000))

    @app.get(f"{root}/{{job_id}}/checkpoints")
    async def list_checkpoints(request: Request, job_id: str) -> dict[str, Any]:
        return jobs.checkpoints(job_id, request.query_params.get("after"), _limit(request, 10, 1000))


def _add_permission_routes(app: FastAPI, desks: Desks) -> None:
    permissions = desks.permissions
    root = "/v1/fine_tuning/checkpoints/{checkpoint:path}/permissions"

    @app.post(root)
    async def create_permissions(request: Request, checkpoint: str) -> dict[str, Any]:
        return permissions.create(checkpoint, await _json(request))

    @app.get(root)
    async def list_permissions(request: Request, checkpoint: str) -> dict[str, Any]:
        return permissions.list(
            checkpoint,
            project_id=request.query_params.get("project_id"),
            after=request.query_params.get("after"),
            limit=_limit(request, 10, 1000),
            order=request.query_params.get("order", "descending"),
        )

    @app.delete(f"{root}/{{permission_id}}")
    async def delete_permission(checkpoint: str, permission_id: str) -> dict[str, Any]:
        return permissions.delete(checkpoint, permission_id)


def _add_model_routes(app: FastAPI, desks: Desks) -> None:
    models = desks.models

    @app.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        return models.list()

    # Names hold slashes, raw or as %2F.
    @app.get("/v1/models/{model:path}")
    async def retrieve_model(model: str) -> dict[str, Any]:
        return models.retrieve(model)

    @app.delete("/v1/models/{model:path}")
    async def delete_model(model: str) -> dict[str, Any]:
        return models.delete(model)

    @app.get("/v1/understudy/weights/{model:path}")
    async def model_weights(model: str) -> dict[str, Any]:
        return models.weights(model)

    @app.get("/v1/understudy/policies/{model:path}")
    async def retrieve_policies(model: str) -> dict[str, Any]:
        return models.policies(model)

    @app.post("/v1/understudy/policies/{model:path}")
    async def change_policies(request: Request, model: str) -> dict[str, Any]:
        return models.change_policies(model, await _json(request))


def _add_reply_routes(app: FastAPI, desks: Desks) -> None:
    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return await complete_chat(request, await _json(request), desks.models, desks.worker)

    @app.post("/v1/understudy/score")
    async def score(request: Request) -> dict[str, Any]:
        return await score_messages(await _json(request), desks.models, desks.worker)

    @app.get("/health")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok", "version": __version__, "pid": os.getpid()})

    @app.get("/v1/understudy/status")
    async def status() -> dict[str, Any]:
        waiting = desks.store.jobs_with_status("validating_files", "queued", "running")
        return {
            "object": "understudy.status",
            "version": __version__,
            "unfinished_jobs": [job.id for job in waiting],
            "replies_in_flight": desks.worker.requests_in_flight,
        }


def _add_batch_routes(app: FastAPI, desks: Desks) -> None:
    batches = desks.batches

    @app.post("/v1/batches")
    async def create_batch(request: Request) -> dict[str, Any]:
        return batches.create(await _json(request))

    @app.get("/v1/batches")
    async def list_batches(request: Request) -> dict[str, Any]:
        return batches.list(request.query_params.get("after"), _limit(request, 20, 100))

    @app.get("/v1/batches/{batch_id}")
    async def retrieve_batch(batch_id: str) -> dict[str, Any]:
        return batches.retrieve(batch_id)

    @app.post("/v1/batches/{batch_id}/cancel")
    async def cancel_batch(batch_id: str) -> dict[str, Any]:
        return batches.cancel(batch_id)


# --- reading requests -------------------------------------------------------------------------


async def _json(request: Request) -> Any:
    raw = await request.body()
    if has_too_many_values(raw):
        raise bad_request(f"The JSON body holds more than {MAX_VALUES:,} values, the limit of this server.")
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # Half a surrogate pair is no text.
    except UnicodeError:
        raise bad_request("The body is not valid UTF-8 text.") from None
    except RecursionError:
        raise bad_request(MAX_JSON_DEPTH_MESSAGE) from None
    except ValueError as error:
        raise bad_request(
            f"We could not parse the JSON body of your request. ({error}) The API expects a JSON object."
        ) from None
    if not isinstance(value, dict):
        raise bad_request("The body must be a JSON object.")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _limit(request: Request, default: int, highest: int) -> int:
    text = request.query_params.get("limit")
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        message = f"Invalid type for 'limit': expected an integer, but got '{text[:40]}' instead."
        raise bad_request(message, "limit", "invalid_type") from None
    for wrong, word, rule in (
        (value < 1, "below_min", ">= 1"),
        (value > highest, "above_max", f"<= {highest}"),
    ):
        if wrong:
            message = (
                f"Invalid 'limit': integer {word.replace('_', ' ')}imum value. Expected a value {rule}, "
                f"but got {value} instead."
            )
            raise bad_request(message, "limit", f"integer_{word}_value")
    return value


def _metadata_filter(request: Request) -> dict[str, str] | None:
    """``metadata[k]=v`` pairs; an empty dictionary asks for jobs without metadata."""
    query = request.query_params
    if query.get("metadata") == "null":
        return {}
    pairs = {
        key.removeprefix("metadata[").removesuffix("]"): value
        for key, value in query.multi_items()
        if key.startswith("metadata[") and key.endswith("]")
    }
    if len(pairs) > MAX_METADATA_PAIRS:
        raise bad_request(
            f"At most {MAX_METADATA_PAIRS} pairs of metadata can be asked for.", "metadata", "invalid_value"
        )
    return pairs or None


def _upload_fields(form: Upload) -> tuple[BinaryIO, str, int | None]:
    purpose = form.fields.get("purpose")
    if form.file is None:
        raise bad_request("Missing required parameter: 'file'.", "file", "missing_required_parameter")
    if not purpose:
        raise bad_request("'purpose' is a required property", "purpose", "missing_required_parameter")
    return form.file, purpose, _expiry(form.fields)


def _expiry(fields: dict[str, str]) -> int | None:
    anchor, seconds = fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise bad_request(
            "Invalid value for 'expires_after[anchor]': supported is 'created_at'.",
            "expires_after[anchor]",
            "invalid_value",
        )
    if not (seconds and re.fullmatch("[0-9]{1,9}", seconds) and 3600 <= int(seconds) <= 2_592_000):
        raise bad_request(
            "Invalid 'expires_after[seconds]': expected an integer from 3600 to 2592000.",
            "expires_after[seconds]",
            "invalid_value",
        )
    return int(seconds)
