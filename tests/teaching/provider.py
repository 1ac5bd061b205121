"""A provider over real HTTP that answers without a model: slow, busy or broken where a test wants it to be.

The same module runs as a process of its own (``python tests/teaching/provider.py --latency 0.2``).
"""

import argparse
import contextlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], str]


class Provider:
    """Chat completions, files and batches. ``bill`` counts how often each request was answered."""

    def __init__(self, answer: Answer, *, latency_seconds: float = 0.0, batch_seconds: float = 0.0) -> None:
        self.answer = answer
        self.latency_seconds = latency_seconds
        self.batch_seconds = batch_seconds
        self.bill: Counter[str] = Counter()
        self.tokens = Counter(prompt=0, completion=0)
        self.busy: list[
            tuple[int, dict[str, str], dict[str, Any]]
        ] = []  # answers to give before any good one
        self.arrivals: list[float] = []
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.port = 0
        self._due: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @contextlib.contextmanager
    def running(self) -> Iterator["Provider"]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                path = self.path.partition("?")[0].removeprefix("/v1")
                status, more, payload = provider._respond(self.command, path, body)
                content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                with contextlib.suppress(ConnectionError):  # whoever asked was killed
                    self.send_response(status)
                    for key, value in {"Content-Type": "application/json", **more}.items():
                        self.send_header(key, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            do_GET = do_POST = _answer

            def log_message(self, *details: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 256

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # whoever asked was killed

        with Server(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def _respond(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        if path == "/chat/completions":
            return self._chat(json.loads(body))
        if path == "/files" and method == "POST":
            name = f"file-{len(self.files) + 1}"
            self.files[name] = b"\n".join(row for row in body.splitlines() if row.startswith(b'{"custom_id"'))
            return 200, {}, {"id": name, "object": "file", "bytes": 1, "created_at": 0, "filename": "x",
                             "purpose": "batch", "status": "processed"}  # fmt: skip
        if path.startswith("/files/") and path.endswith("/content"):
            return 200, {}, self.files[path.split("/")[2]]
        if path == "/batches" and method == "POST":
            return 200, {}, self._create_batch(json.loads(body))
        if path == "/batches":
            return 200, {}, {"object": "list", "data": list(self.batches.values()), "has_more": False}
        if path.startswith("/batches/"):
            return 200, {}, self._batch(path.split("/")[2])
        return 404, {}, {"error": {"message": "no such path", "code": None}}

    def _chat(self, request: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        with self._lock:
            self.arrivals.append(time.monotonic())
            if self.busy:
                status, headers, error = self.busy.pop(0)
                return status, headers, {"error": error}
        time.sleep(self.latency_seconds)
        with self._lock:
            return 200, {}, self._completion(request)

    def _completion(self, request: dict[str, Any]) -> dict[str, Any]:
        self.bill[json.dumps(request, sort_keys=True)] += 1
        text = self.answer(request)
        prompt = sum(len(m["content"].split()) for m in request["messages"])
        usage = {"prompt_tokens": prompt, "completion_tokens": len(text.split())}
        self.tokens.update(prompt=prompt, completion=usage["completion_tokens"])
        message = {"role": "assistant", "content": text}
        return {
            "id": "x", "object": "chat.completion", "created": 0, "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {**usage, "total_tokens": prompt + usage["completion_tokens"]},
        }  # fmt: skip

    def _create_batch(self, request: dict[str, Any]) -> dict[str, Any]:
        name = f"batch_{len(self.batches) + 1}"
        batch = {
            "id": name, "object": "batch", "endpoint": request["endpoint"], "status": "in_progress",
            "input_file_id": request["input_file_id"], "completion_window": "24h", "created_at": 0,
            "metadata": request.get("metadata"), "output_file_id": None, "error_file_id": None,
        }  # fmt: skip
        self.batches[name] = batch
        self._due[name] = time.monotonic() + self.batch_seconds
        return batch

    def _batch(self, name: str) -> dict[str, Any]:
        with self._lock:
            batch = self.batches[name]
            if batch["status"] != "completed" and time.monotonic() >= self._due[name]:
                self._complete_batch(batch)
            return batch

    def _complete_batch(self, batch: dict[str, Any]) -> None:
        rows = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines() if line.strip()]
        answers = [
            {
                "custom_id": row["custom_id"],
                "response": {"status_code": 200, "body": self._completion(row["body"])},
            }
            for row in rows
        ]
        output = f"file-{len(self.files) + 1}"
        self.files[output] = "".join(json.dumps(row) + "\n" for row in answers).encode()
        batch |= {"status": "completed", "output_file_id": output}


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.2)
    options = parser.parse_args()
    words = ["candle", "lantern", "tart", "dragon", "bell", "river", "moon", "crown", "honey", "acorn"]

    def answer(request: dict[str, Any]) -> str:
        seed = request["seed"]
        return " ".join(words[seed // 10**place % 10] for place in range(7))

    provider = Provider(answer, latency_seconds=options.latency)
    with provider.running():
        print(provider.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _main()
