"""Guard: what every request passes before a route sees it."""

import asyncio
import logging
import socket
import time
import uuid
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from understudy.api.keys import KeyRing
from understudy.api.problem import Problem, bad_request, problem_response
from understudy.api.settings import ServerSettings, is_loopback

__all__ = ["Activity", "Guard"]

logger = logging.getLogger(__name__)

OPEN_PATHS = ("/health",)
MAX_DRAINED_BYTES = 64 * 1024 * 1024
MULTIPART_SLACK_BYTES = 65536  # a multipart body is a little larger than its file
SINGLE_HEADERS = (b"host", b"authorization", b"content-length", b"origin")


class Activity:
    """When the server was last used, for the idle end, and how much it does now."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.uploads = 0
        self.buffered_bytes = 0
        self.last_used = time.monotonic()

    def idle_seconds(self) -> float:
        """Seconds since the last request ended; 0 while one runs."""
        return 0.0 if self.in_flight else time.monotonic() - self.last_used


class Guard:
    """ASGI middleware: request id, Host and Origin against rebinding, key, and the limits of a request."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, activity: Activity) -> None:
        self.app = app
        self.settings = settings
        self.activity = activity
        self.keys = KeyRing(settings.home)
        self.own_names = _own_names(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, began = f"req_{uuid.uuid4().hex}", time.monotonic()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                milliseconds = int((time.monotonic() - began) * 1000)
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    (b"openai-processing-ms", str(milliseconds).encode()),
                ]
            await send(message)

        visit = _Visit(self, scope, receive)
        visit.enter()
        try:
            self._check(scope, visit.counted)
            await self.app(scope, visit.receive, send_with_id)
        except Problem as problem:
            await _drain(receive, self.settings.stalled_body_seconds)
            await problem_response(problem)(scope, receive, send_with_id)
        finally:
            visit.leave()

    def _check(self, scope: Scope, counted: bool) -> None:
        headers = _headers(scope)
        self._check_host(headers.get("host", ""))
        self._check_origin(headers.get("origin"), headers.get("sec-fetch-site"))
        if not counted:
            return
        self._check_key(headers.get("authorization", ""), scope)
        if headers.get("content-encoding", "identity").lower() not in ("identity", ""):
            raise Problem(415, "Send the body uncompressed: this server unpacks nothing.")
        if self.activity.in_flight > self.settings.max_requests:
            raise _busy(f"This server answers {self.settings.max_requests} requests at once.")
        length = headers.get("content-length", "")
        if length.isdigit() and int(length[:20]) > self.body_limit(scope["path"]):
            raise self.too_large(scope["path"])

    def _check_host(self, host: str) -> None:
        """A page that rebinds its own name to this address sends that name as Host; an address is no name."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            name = ""
        if is_loopback(name) or name in self.own_names:
            return
        if is_loopback(self.settings.host):
            raise Problem(
                403,
                f"This server answers on this machine only, not as {host[:100]!r}. Behind a proxy, start it "
                "with: understudy serve --allow-host NAME",
            )
        if not _is_address(name):
            raise Problem(
                403,
                f"This server is not known as {host[:100]!r}. Allow it: understudy serve --allow-host NAME",
            )

    def _check_origin(self, origin: str | None, fetch_site: str | None) -> None:
        """Pages of other sites may not use a visitor's server."""
        if origin is None:
            # Browsers leave Origin out of simple requests, but say where they come from.
            if fetch_site == "cross-site":
                raise Problem(403, "Requests from web pages of other sites are refused.")
            return
        try:
            name = (urlsplit(origin).hostname or "").lower()
        except ValueError:
            name = ""
        if not (is_loopback(name) or name in self.own_names):
            raise Problem(403, "Requests from web pages of other sites are refused.")

    def _check_key(self, authorization: str, scope: Scope) -> None:
        """The token opens the server from this machine, an API key from anywhere."""
        token, is_here = self.settings.token, _is_here(scope)
        if token is None and is_here:
            return
        scheme, _, given = authorization.partition(" ")
        if not authorization:
            raise _unauthorized(
                "You didn't provide an API key. Send it as: Authorization: Bearer YOUR_KEY.", None
            )
        given = given.strip()
        by_token = token is not None and token.matches(given)
        if scheme.lower() == "bearer" and ((by_token and is_here) or self.keys.accepts(given)):
            return
        if by_token:
            raise _unauthorized(
                "The server's own token is for its own machine. From another one, use an API key: "
                "understudy keys create NAME",
                "invalid_api_key",
            )
        raise _unauthorized(
            "Incorrect API key provided. Use the token that the server printed, or a key of "
            "understudy keys create.",
            "invalid_api_key",
        )

    def body_limit(self, path: str) -> int:
        """The most bytes that a request to ``path`` may have."""
        if _is_upload(path):
            return self.settings.max_file_bytes + MULTIPART_SLACK_BYTES
        return self.settings.max_body_bytes

    def too_large(self, path: str) -> Problem:
        """413 with the limit."""
        limit = self.body_limit(path) // (1024 * 1024)
        return Problem(
            413, f"The request is larger than {limit} MB, the limit of this server.", code="request_too_large"
        )


class _Visit:
    """One request on its way through: what it holds of the server's memory and places."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive) -> None:
        self.guard = guard
        self.activity = guard.activity
        self.path = scope["path"]
        self.counted = self.path not in OPEN_PATHS
        self.is_upload = _is_upload(self.path) and scope["method"] == "POST"
        self.limit = guard.body_limit(self.path)
        self.seen = self.buffered = 0
        self.has_ended = False
        self._receive = receive

    def enter(self) -> None:
        self.activity.in_flight += self.counted
        self.activity.uploads += self.is_upload

    def leave(self) -> None:
        self.activity.buffered_bytes -= self.buffered
        self.activity.uploads -= self.is_upload
        self.activity.in_flight -= self.counted
        if self.counted:
            self.activity.last_used = time.monotonic()

    async def receive(self) -> Message:
        """The next part of the body, counted as it comes: its length may not have been announced."""
        if self.has_ended:
            return await self._receive()
        settings = self.guard.settings
        if self.is_upload and self.activity.uploads > settings.max_uploads:
            raise _busy(f"This server takes {settings.max_uploads} uploads at once.")
        try:
            message = await asyncio.wait_for(self._receive(), settings.stalled_body_seconds)
        except TimeoutError:
            raise Problem(408, "The rest of the request did not come in time.") from None
        self.has_ended = not message.get("more_body", False)
        size = len(message.get("body", b""))
        self.seen += size
        if self.seen > self.limit:
            raise self.guard.too_large(self.path)
        if not self.is_upload:  # uploads go to the disk
            self.buffered += size
            self.activity.buffered_bytes += size
            if self.activity.buffered_bytes > settings.max_buffered_bytes:
                raise _busy("This server is reading as many large requests as its memory allows.")
        return message


def _headers(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name.

    Raises:
        Problem: 400, one that decides about access comes twice.
    """
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name in SINGLE_HEADERS and name.decode("latin-1") in headers:
            raise bad_request(f"The header {name.decode('latin-1')} comes twice.")
        headers[name.decode("latin-1")] = value.decode("latin-1")
    return headers


def _own_names(settings: ServerSettings) -> frozenset[str]:
    names = {name.lower() for name in settings.allowed_hosts}
    if not is_loopback(settings.host):
        host = socket.gethostname().lower()
        names |= {settings.host.strip("[]").lower(), host, f"{host.split('.')[0]}.local"}
    return frozenset(names)


def _is_upload(path: str) -> bool:
    """Whether a body sent to this path is a file; every other body is JSON and stays in memory."""
    return path.rstrip("/") == "/v1/files" or (path.startswith("/v1/uploads/") and path.endswith("/parts"))


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _is_here(scope: Scope) -> bool:
    """Whether the other end of the connection is this machine."""
    client = scope.get("client")
    return client is not None and is_loopback(client[0].removeprefix("::ffff:"))


def _busy(message: str) -> Problem:
    return Problem(
        429, f"{message} Try again.", type="rate_limit_exceeded", code="rate_limit_exceeded",
        headers={"Retry-After": "1"},
    )  # fmt: skip


def _unauthorized(message: str, code: str | None) -> Problem:
    return Problem(401, message, code=code, headers={"WWW-Authenticate": "Bearer"})


async def _drain(receive: Receive, seconds: float) -> None:
    """Read what is left of a refused body, within reason: a client that still sends hears no answer."""
    seen, end = 0, time.monotonic() + min(seconds, 10.0)
    while seen < MAX_DRAINED_BYTES and time.monotonic() < end:
        try:
            message = await asyncio.wait_for(receive(), max(0.01, end - time.monotonic()))
        except TimeoutError:
            return
        seen += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return
