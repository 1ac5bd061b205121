"""Guard: what every request passes before a route sees it."""

import hmac
import logging
import time
import uuid
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from understudy.api.problem import Problem, problem_response
from understudy.api.settings import ServerSettings, is_loopback

__all__ = ["Activity", "Guard"]

logger = logging.getLogger(__name__)

OPEN_PATHS = ("/health",)
MAX_DRAINED_BYTES = 64 * 1024 * 1024


class Activity:
    """When the server was last used, for the idle end."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.last_used = time.monotonic()

    def idle_seconds(self) -> float:
        """Seconds since the last request ended; 0 while one runs."""
        return 0.0 if self.in_flight else time.monotonic() - self.last_used


class Guard:
    """ASGI middleware: request id, Host and Origin against rebinding, token, size of the body."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, activity: Activity) -> None:
        self.app = app
        self.settings = settings
        self.activity = activity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, began = f"req_{uuid.uuid4().hex}", time.monotonic()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                milliseconds = int((time.monotonic() - began) * 1000)
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"openai-processing-ms", str(milliseconds).encode()),
                ]
            await send(message)

        counted = scope["path"] not in OPEN_PATHS
        self.activity.in_flight += counted
        try:
            self._check(scope["path"], headers)
            await self.app(scope, self._limited(receive, scope["path"]), send_with_id)
        except Problem as problem:
            await _drain(receive)
            await problem_response(problem)(scope, receive, send_with_id)
        finally:
            self.activity.in_flight -= counted
            if counted:
                self.activity.last_used = time.monotonic()

    def _check(self, path: str, headers: dict[str, str]) -> None:
        self._check_host(headers.get("host", ""))
        self._check_origin(headers.get("origin"))
        if path in OPEN_PATHS:
            return
        self._check_token(headers.get("authorization", ""))
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._body_limit(path):
            raise self._too_large(path)

    def _check_host(self, host: str) -> None:
        """A page that rebinds its own name to this address sends that name as Host."""
        if not is_loopback(self.settings.host):
            return
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if not is_loopback(name):
            raise Problem(403, f"This server answers on this machine only, not as {host[:100]!r}.")

    def _check_origin(self, origin: str | None) -> None:
        """Pages of other sites may not use a visitor's server."""
        if origin is None:
            return
        try:
            name = urlsplit(origin).hostname or ""
        except ValueError:
            name = ""
        if not (is_loopback(name) or name == self.settings.host):
            raise Problem(403, "Requests from web pages of other sites are refused.")

    def _check_token(self, authorization: str) -> None:
        token = self.settings.token
        if token is None:
            return
        scheme, _, given = authorization.partition(" ")
        if not authorization:
            raise _unauthorized(
                "You didn't provide an API key. Send it as: Authorization: Bearer YOUR_KEY.", None
            )
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            raise _unauthorized(
                "Incorrect API key provided. Use the token that the server printed.", "invalid_api_key"
            )

    def _body_limit(self, path: str) -> int:
        uploads = path.rstrip("/") == "/v1/files" or path.startswith("/v1/uploads/")
        # A multipart body is a little larger than its file.
        return self.settings.max_file_bytes + 65536 if uploads else self.settings.max_body_bytes

    def _too_large(self, path: str) -> Problem:
        limit = self._body_limit(path) // (1024 * 1024)
        return Problem(
            413, f"The request is larger than {limit} MB, the limit of this server.", code="request_too_large"
        )

    def _limited(self, receive: Receive, path: str) -> Receive:
        """Count the body as it comes: its length may not have been announced."""
        limit, seen = self._body_limit(path), 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise self._too_large(path)
            return message

        return counted


def _unauthorized(message: str, code: str | None) -> Problem:
    return Problem(401, message, code=code, headers={"WWW-Authenticate": "Bearer"})


async def _drain(receive: Receive) -> None:
    """Read what is left of a refused body, within reason: a client that still sends hears no answer."""
    seen = 0
    while seen < MAX_DRAINED_BYTES:
        message = await receive()
        seen += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return
