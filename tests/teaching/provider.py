"""A provider over real HTTP that answers without a model: slow, busy or broken where a test wants it to be.

The same module runs as a process of its own (``python tests/teaching/provider.py --latency 0.2``).
"""

import argparse
import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable
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
        self.in_flight = self.most_in_flight = 0
        self.busy: list[
            tuple[int, dict[str, str], dict[str, Any]]
        ] = []  # answers to give before any good one
        self.arrivals: list[float] = []
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @contextlib.contextmanager
    def running(self):  # type: ignore[no-untyped-def]
        ready = threading.Event()

        def serve() -> None:
            self._loop = asyncio.new_event_loop()
            server = self._loop.run_until_complete(asyncio.start_server(self._client, "127.0.0.1", 0))
            self.port = server.sockets[0].getsockname()[1]
            ready.set()
            self._loop.run_forever()
            server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0.01))
            self._loop.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        ready.wait()
        try:
            yield self
        finally:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(5)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while line := await reader.readline():
                method, path, _ = line.decode().split(" ", 2)
                headers = {}
                while (row := (await reader.readline()).decode().strip()) != "":
                    key, _, value = row.partition(":")
                    headers[key.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, more, payload = await self._respond(method, path.partition("?")[0], body)
                content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                head = [
                    f"HTTP/1.1 {status} X",
                    "Content-Type: application/json",
                    f"Content-Length: {len(content)}",
                ]
                head += [f"{key}: {value}" for key, value in more.items()]
                writer.write("\r\n".join([*head, "", ""]).encode() + content)
                await writer.drain()
        writer.close()

    async def _respond(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        path = path.removeprefix("/v1")
        if path == "/chat/completions":
            return await self._chat(json.loads(body))
        if path == "/files" and method == "POST":
            name = f"file-{len(self.files) + 1}"
            self.files[name] = body.split(b"\r\n\r\n", 2)[-1] if b"custom_id" not in body else _part(body)
            return 200, {}, {"id": name, "object": "file", "bytes": 1, "created_at": 0, "filename": "x",
                             "purpose": "batch", "status": "processed"}  # fmt: skip
        if path.startswith("/files/") and path.endswith("/content"):
            return 200, {}, self.files[path.split("/")[2]]
        if path == "/batches" and method == "POST":
            return 200, {}, self._create_batch(json.loads(body))
        if path == "/batches":
            return 200, {}, {"object": "list", "data": list(self.batches.values()), "has_more": False}
        if path.startswith("/batches/"):
            return 200, {}, self.batches[path.split("/")[2]]
        return 404, {}, {"error": {"message": "no such path", "code": None}}

    async def _chat(self, request: dict[str, Any]) -> tuple[int, dict[str, str], Any]:
        self.arrivals.append(asyncio.get_running_loop().time())
        if self.busy:
            status, headers, error = self.busy.pop(0)
            return status, headers, {"error": error}
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(self.latency_seconds)
        self.in_flight -= 1
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
        asyncio.get_running_loop().call_later(self.batch_seconds, self._complete_batch, batch)
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


def _part(body: bytes) -> bytes:
    """The JSON lines of a multipart upload."""
    return b"\n".join(line for line in body.splitlines() if line.startswith(b'{"custom_id"'))


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.2)
    options = parser.parse_args()
    words = "candle lantern tart dragon bell river moon crown donkey honey acorn spring".split()

    def answer(request: dict[str, Any]) -> str:
        seed = request["seed"]
        return " ".join(words[seed // 12**place % 12] for place in range(7))

    provider = Provider(answer, latency_seconds=options.latency)
    with provider.running():
        print(provider.base_url, flush=True)
        input()


if __name__ == "__main__":
    _main()
