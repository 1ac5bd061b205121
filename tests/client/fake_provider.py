"""A provider that speaks the dialects of hosted ones, as far as their documents and output tell of them."""

# ruff: noqa: E501 (objects in one piece)

import base64
import itertools
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "canary-key-of-the-fake-provider"
CSV = b"step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,1.50000,0.50000,,\n"
MARK = b"\xef\xbb\xbf"


class FakeProvider:
    """One provider on a loopback port. ``refuse``: the error with which jobs are refused."""

    def __init__(self, dialect: str, refuse: tuple[int, str | None, str] | None = None) -> None:
        self.dialect, self.refuse = dialect, refuse
        self.files: dict[str, dict] = {}
        self.contents: dict[str, bytes] = {}
        self.jobs: dict[str, dict] = {}
        self.created: list[dict] = []
        self.deleted: list[str] = []
        self.counter = itertools.count(1)
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *words):
                pass

            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                status, value = fake.answer(self.command, self.path.partition("?")[0], body, self.headers)
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = answer

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    # --- the API

    def answer(self, method, path, body, headers):
        key = headers.get("api-key") if self.dialect == "azure" else headers.get("authorization")
        if self.dialect != "other" and key not in (KEY, f"Bearer {KEY}"):
            # A careless provider repeats the key.
            return self.error(401, "invalid_api_key", f"Incorrect API key provided: {key}.")
        parts = path.removeprefix("/v1/").split("/")
        if parts[0] == "chat":
            return 200, self.completion(json.loads(body))
        if parts[0] == "models":
            return self.models(parts)
        if self.dialect in ("together", "chat only"):
            if parts[0] == "files" and self.dialect == "chat only":
                return self.of_files(method, parts, body)
            return self.error(404, None, f"Not found: {path}")
        if parts[0] == "files":
            return self.of_files(method, parts, body)
        return self.of_jobs(method, parts[2:], body)

    def error(self, status, code, message):
        kind = "invalid_request_error"
        return status, {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def of_files(self, method, parts, body):
        if method == "POST":
            name = re.search(rb'filename="([^"]*)"', body)[1].decode()
            content = re.split(rb"\r\n\r\n", body.partition(b'filename="')[2], maxsplit=1)[1].rpartition(
                b"\r\n--"
            )[0]
            return 200, self.add_file(name, content, "fine-tune")
        if len(parts) == 1:
            return 200, {"object": "list", "data": list(self.files.values()), "has_more": False}
        file = self.files.get(parts[1])
        if file is None:
            return self.error(404, None, f"No such File object: {parts[1]}")
        if method == "DELETE":
            self.deleted.append(parts[1])
            del self.files[parts[1]]
            return 200, {"id": parts[1], "object": "file", "deleted": True}
        if parts[2:] == ["content"]:
            content = self.contents[parts[1]]
            return 200, base64.encodebytes(content) if self.dialect == "openai" else content
        shown = dict(file)
        if file["status"] == "pending":
            file["status"] = "processed"  # as long as one question takes
        return 200, shown

    def add_file(self, name, content, purpose):
        identity = f"file-{next(self.counter)}"
        status = "pending" if self.dialect in ("azure", "openai") else "processed"
        file = {"id": identity, "object": "file", "bytes": len(content), "created_at": int(time.time()),
                "filename": name, "purpose": purpose, "status": status}  # fmt: skip
        self.files[identity], self.contents[identity] = file, content
        return dict(file)

    def of_jobs(self, method, parts, body):
        if method == "POST" and not parts:
            return self.create(json.loads(body))
        if not parts:
            rows = sorted(self.jobs.values(), key=lambda job: -job["created_at"])
            return 200, {"object": "list", "data": rows, "has_more": False}
        job = self.jobs.get(parts[0])
        if job is None:
            return self.error(404, None, "no such job")
        if parts[1:] == ["events"]:
            texts = ["Created", "The job has successfully completed"]
            events = [{"object": "fine_tuning.job.event", "id": f"ftevent-{i}", "created_at": 1, "level": "info",
                       "message": text, "type": "message", "data": {}} for i, text in enumerate(texts)]  # fmt: skip
            return 200, {"object": "list", "data": events[::-1], "has_more": False}
        if job["status"] == "queued":
            result = self.add_file("step_metrics.csv", CSV, "fine-tune-results")
            model = f"ft:{job['model']}:acme:{job.get('suffix') or ''}:Ab3dE9fG"
            job |= {"status": "succeeded", "fine_tuned_model": model, "finished_at": int(time.time()),
                    "trained_tokens": 99, "result_files": [result["id"]]}  # fmt: skip
        return 200, job

    def create(self, wanted):
        self.created.append(wanted)
        if self.refuse is not None:
            return self.error(*self.refuse)
        fault = self.fault_of(wanted)
        if fault:
            return self.error(400, "invalid_value", fault)
        identity = f"ftjob-{next(self.counter)}"
        numbers = wanted["method"]["supervised"]["hyperparameters"]
        self.jobs[identity] = {
            "object": "fine_tuning.job", "id": identity, "model": wanted["model"], "created_at": int(time.time()),
            "finished_at": None, "fine_tuned_model": None, "organization_id": "org", "result_files": [], "error": None,
            "status": "queued", "training_file": wanted["training_file"], "validation_file": None, "trained_tokens": None,
            "hyperparameters": numbers, "seed": wanted["seed"], "suffix": wanted.get("suffix"),
            "metadata": wanted.get("metadata"),
        }  # fmt: skip
        return 200, self.jobs[identity]

    def fault_of(self, wanted):
        numbers = wanted["method"]["supervised"]["hyperparameters"]
        content = self.contents[wanted["training_file"]]
        if self.files[wanted["training_file"]]["status"] != "processed":
            return "The file is not ready."
        if self.dialect in ("azure", "nebius") and "metadata" in wanted:
            return "Unknown parameter: 'metadata'."
        if self.dialect == "azure" and len(wanted.get("suffix", "")) > 18:
            return "The suffix is longer than 18 characters."
        if self.dialect == "azure" and not content.startswith(MARK):
            return "The file has no byte order mark."
        if self.dialect != "azure" and content.startswith(MARK):
            return "The file begins with a byte order mark."
        if self.dialect == "nebius" and numbers.get("lora") is not True:
            return "Full fine-tuning of this model is not available."
        if self.dialect != "nebius" and not numbers.keys() <= {
            "n_epochs",
            "batch_size",
            "learning_rate_multiplier",
        }:
            return f"Unknown parameter among {sorted(numbers)}."
        return None

    def models(self, parts):
        rows = [
            {"id": "old-model", "object": "model", "created": 1, "owned_by": "x"},
            {"id": "new-model", "object": "model", "created": 1, "owned_by": "x"},
        ]
        end = {"openai": {"shutdown_date": "2027-01-14"}, "azure": {"deprecation": {"inference": 1799884800}}}
        rows[0] |= end.get(self.dialect, {})
        if self.dialect in ("openai", "other"):
            tuned = (job["fine_tuned_model"] for job in self.jobs.values() if job["fine_tuned_model"])
            rows += [{"id": name, "object": "model", "created": 1, "owned_by": "acme"} for name in tuned]
        if len(parts) == 1:
            return 200, {"object": "list", "data": rows}
        row = next((row for row in rows if row["id"] == "/".join(parts[1:])), None)
        return (200, row) if row else self.error(404, "model_not_found", "no such model")

    def completion(self, wanted):
        message = {"role": "assistant", "content": "Good day.", "refusal": None}
        return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": wanted["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}  # fmt: skip
