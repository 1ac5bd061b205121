"""Repeats: a client that got no answer asks again, and must not train twice for it.

The ``openai`` packages repeat a request whose connection broke, the same bytes with the header
``x-stainless-retry-count``. If the server accepted the job and was killed before it could say so,
the repeat gets that job. A job whose acceptance was answered is never given out again: two equal
requests that a client means make two jobs.
"""

import hashlib
from dataclasses import dataclass

from starlette.requests import Request

__all__ = ["REMEMBERED_SECONDS", "RequestMark", "mark_of"]

# Clients repeat within a minute or two; a server that was down may take longer to come back.
REMEMBERED_SECONDS = 3600
RETRY_COUNT = "x-stainless-retry-count"


@dataclass(frozen=True)
class RequestMark:
    """What tells a request from others: SHA-256 of its body, and whether a client sends it again."""

    digest: str
    is_repeat: bool


async def mark_of(request: Request) -> RequestMark:
    """The mark of a request whose body may be read once more."""
    digest = hashlib.sha256(await request.body()).hexdigest()
    return RequestMark(digest, request.headers.get(RETRY_COUNT, "0") not in ("", "0"))
