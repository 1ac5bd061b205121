"""OpenAPI: the server's description of itself, made from the models that its requests are checked with."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from understudy import __version__
from understudy.api.batch_lines import BatchRequest
from understudy.api.files import UPLOAD_PURPOSES
from understudy.api.permissions import PermissionsRequest
from understudy.api.policies import PoliciesRequest
from understudy.api.protocol import ChatRequest, JobRequest, ScoreRequest
from understudy.api.uploads import CompleteUploadRequest, UploadRequest

__all__ = ["openapi_document"]

Schema = dict[str, Any]
REFERENCE = "#/components/schemas/{model}"
STATUS = ("validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled")
BATCH_STATUS = (
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
)  # fmt: skip


@dataclass(frozen=True)
class _Call:
    """One operation.

    Attributes:
        query: Names of shared query parameters, a limit as ``limit:DEFAULT:MOST``.
        answer: Name of the schema of a good response.
    """

    method: str
    path: str
    name: str
    does: str
    answer: str
    body: type[BaseModel] | None = None
    query: tuple[str, ...] = ()
    multipart: bool = field(default=False)


JOBS, BATCHES, UPLOADS = "/v1/fine_tuning/jobs", "/v1/batches", "/v1/uploads"
PERMISSIONS = "/v1/fine_tuning/checkpoints/{checkpoint}/permissions"
CALLS = (
    _Call("post", "/v1/files", "createFile", "Upload a file.", "File", multipart=True),
    _Call("get", "/v1/files", "listFiles", "List files.", "List",
          query=("after", "limit:10000:10000", "order", "purpose")),
    _Call("get", "/v1/files/{file_id}", "retrieveFile", "One file's properties.", "File"),
    _Call("delete", "/v1/files/{file_id}", "deleteFile", "Forget a file.", "Deleted"),
    _Call("get", "/v1/files/{file_id}/content", "downloadFile", "A file's bytes.", "Bytes"),
    _Call("post", UPLOADS, "createUpload", "Begin a file that comes in parts.", "Upload", UploadRequest),
    _Call("post", UPLOADS + "/{upload_id}/parts", "addUploadPart", "Send a part.", "Part",
          multipart=True),
    _Call("post", UPLOADS + "/{upload_id}/complete", "completeUpload", "Join the parts.", "Upload",
          CompleteUploadRequest),
    _Call("post", UPLOADS + "/{upload_id}/cancel", "cancelUpload", "Forget the parts.", "Upload"),
    _Call("post", JOBS, "createFineTuningJob", "Start a fine-tuning job.", "Job", JobRequest),
    _Call("get", JOBS, "listFineTuningJobs", "List jobs, newest first.", "List",
          query=("after", "limit:20:1000", "metadata")),
    _Call("get", JOBS + "/{job_id}", "retrieveFineTuningJob", "One job.", "Job"),
    _Call("post", JOBS + "/{job_id}/cancel", "cancelFineTuningJob", "End a job.", "Job"),
    _Call("post", JOBS + "/{job_id}/pause", "pauseFineTuningJob", "Stop a job and keep its state.", "Job"),
    _Call("post", JOBS + "/{job_id}/resume", "resumeFineTuningJob", "Go on with a paused job.", "Job"),
    _Call("get", JOBS + "/{job_id}/events", "listFineTuningEvents", "A job's events, newest first.", "List",
          query=("after", "limit:20:1000")),
    _Call("get", JOBS + "/{job_id}/checkpoints", "listFineTuningJobCheckpoints",
          "A job's checkpoints, newest first.", "List", query=("after", "limit:10:1000")),
    _Call("post", PERMISSIONS, "createFineTuningCheckpointPermission", "Share a checkpoint.", "List",
          PermissionsRequest),
    _Call("get", PERMISSIONS, "listFineTuningCheckpointPermissions", "With whom it is shared.", "List",
          query=("after", "limit:10:1000", "permission_order", "project_id")),
    _Call("delete", PERMISSIONS + "/{permission_id}", "deleteFineTuningCheckpointPermission",
          "Take a permission back.", "Deleted"),
    _Call("get", "/v1/models", "listModels", "Models that are here.", "List"),
    _Call("get", "/v1/models/{model}", "retrieveModel", "One model.", "Model"),
    _Call("delete", "/v1/models/{model}", "deleteModel", "Delete a fine-tuned model.", "Deleted"),
    _Call("post", "/v1/chat/completions", "createChatCompletion", "Reply to messages.", "Completion",
          ChatRequest),
    _Call("post", BATCHES, "createBatch", "Answer a file of requests.", "Batch", BatchRequest),
    _Call("get", BATCHES, "listBatches", "List batches, newest first.", "List",
          query=("after", "limit:20:100")),
    _Call("get", BATCHES + "/{batch_id}", "retrieveBatch", "One batch.", "Batch"),
    _Call("post", BATCHES + "/{batch_id}/cancel", "cancelBatch", "End a batch.", "Batch"),
    _Call("post", "/v1/understudy/score", "scoreMessages", "How likely given replies are.", "Scores",
          ScoreRequest),
    _Call("get", "/v1/understudy/weights/{model}", "retrieveWeights", "Where a tuned model lies.", "Weights"),
    _Call("get", "/v1/understudy/policies/{model}", "retrievePolicies", "A tuned model's policies.",
          "Policies"),
    _Call("post", "/v1/understudy/policies/{model}", "changePolicies", "Change them.", "Policies",
          PoliciesRequest),
    _Call("get", "/v1/understudy/status", "retrieveStatus", "What the server is doing.", "Status"),
    _Call("get", "/health", "retrieveHealth", "Whether the server answers.", "Health"),
)  # fmt: skip


def openapi_document() -> dict[str, Any]:
    """The description, OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    schemas = _answers()
    for call in CALLS:
        if call.body is not None:
            schema = call.body.model_json_schema(ref_template=REFERENCE)
            schemas |= schema.pop("$defs", {})
            schemas[call.body.__name__] = schema
        paths.setdefault(call.path, {})[call.method] = _operation(call)
    key = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Understudy", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"key": key}},
        "security": [{"key": []}],
    }


def _operation(call: _Call) -> Schema:
    places = [part.strip("{}") for part in call.path.split("/") if part.startswith("{")]
    parameters = [
        {"name": place, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for place in places
    ]
    operation: Schema = {
        "operationId": call.name,
        "summary": call.does,
        "parameters": parameters + [_query(name) for name in call.query],
        "responses": {
            "200": {"description": "Done.", "content": _content(call)},
            "4XX": {"description": "Refused.", "content": {"application/json": {"schema": _named("Error")}}},
            "5XX": {"description": "Failed.", "content": {"application/json": {"schema": _named("Error")}}},
        },
    }
    if call.body is not None:
        content = {"application/json": {"schema": _named(call.body.__name__)}}
        operation["requestBody"] = {"required": True, "content": content}
    if call.multipart:
        schema = UPLOAD if call.answer == "File" else PART
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
    if call.path == "/health":
        operation["security"] = []
    return operation


def _content(call: _Call) -> Schema:
    if call.answer == "Bytes":
        return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    content: Schema = {"application/json": {"schema": _named(call.answer)}}
    if call.answer == "Completion":
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return content


def _query(name: str) -> Schema:
    schemas: dict[str, Schema] = {
        "after": {"type": "string"},
        "order": {"type": "string", "enum": ["asc", "desc"], "default": "desc"},
        "purpose": {"type": "string"},
        "permission_order": {"type": "string", "enum": ["ascending", "descending"], "default": "descending"},
        "project_id": {"type": "string"},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    parameter: Schema = {"name": name, "in": "query", "required": False}
    if name.startswith("limit"):
        _, default, most = name.split(":")
        schema = {"type": "integer", "minimum": 1, "maximum": int(most), "default": int(default)}
        return {**parameter, "name": "limit", "schema": schema}
    if name == "metadata":
        parameter |= {"style": "deepObject", "explode": True}
    return {**parameter, "name": name.removeprefix("permission_"), "schema": schemas[name]}


UPLOAD: Schema = {
    "type": "object",
    "required": ["file", "purpose"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "purpose": {"type": "string", "enum": list(UPLOAD_PURPOSES)},
        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
        "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2_592_000},
    },
}


PART: Schema = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "string", "format": "binary"}},
}


def _named(schema: str) -> Schema:
    return {"$ref": REFERENCE.format(model=schema)}


def _object(kind: str | None = None, **properties: Any) -> Schema:
    """An object in which all of these are present; other keys may come too."""
    named = {"object": {"const": kind}, **properties} if kind else properties
    return {"type": "object", "required": list(named), "properties": named}


def _answers() -> dict[str, Schema]:
    text, number, boolean = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
    items, anything = {"type": "array", "items": {"type": "object"}}, {"type": "object"}
    maybe_text, maybe_number = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
    return {
        "Error": _object(error=_object(message=text, type=text, param=maybe_text, code=maybe_text)),
        "List": _object("list", data=items),
        "Deleted": _object(id=text, object=text, deleted=boolean),
        "File": _object("file", id=text, bytes=number, created_at=number, filename=text, purpose=text,
                        status=text, expires_at=maybe_number),
        "Upload": _object("upload", id=text, bytes=number, created_at=number, filename=text, purpose=text,
                          status=text, expires_at=number, file={"type": ["object", "null"]}),
        "Part": _object("upload.part", id=text, created_at=number, upload_id=text),
        "Job": _object("fine_tuning.job", id=text, created_at=number, finished_at=maybe_number, model=text,
                       status={"enum": list(STATUS)}, fine_tuned_model=maybe_text, seed=number,
                       organization_id=text, training_file=text, validation_file=maybe_text,
                       trained_tokens=maybe_number, hyperparameters=anything, method=anything,
                       result_files={"type": "array", "items": text}, error={"type": ["object", "null"]}),
        "Model": _object("model", id=text, created=number, owned_by=text),
        "Completion": _object("chat.completion", id=text, created=number, model=text, choices=items,
                              usage=anything),
        "Batch": _object("batch", id=text, endpoint=text, status={"enum": list(BATCH_STATUS)},
                         input_file_id=text, completion_window=text, created_at=number,
                         request_counts=anything, output_file_id=maybe_text, error_file_id=maybe_text),
        "Scores": _object("understudy.score", model=text, messages=items),
        "Weights": _object("understudy.weights", model=text, base_model=text, base_directory=text,
                           adapter_directory=text),
        "Policies": _object("understudy.policies", model=text, enabled=boolean, disclosure_interval=number,
                            audience=text, crisis=text, crisis_contacts=text, character=text),
        "Status": _object("understudy.status", version=text, replies_in_flight=number,
                          unfinished_jobs={"type": "array", "items": text}),
        "Health": _object(status=text, version=text, pid=number),
    }  # fmt: skip
