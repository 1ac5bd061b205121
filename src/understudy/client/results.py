"""Results: the CSV that a job leaves, read from whichever form a provider gives it in."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openai import OpenAI

__all__ = ["decode_result", "read_result_files"]

MAX_RESULT_BYTES = 64 * 1024 * 1024


def decode_result(content: bytes) -> bytes:
    """The CSV itself. OpenAI has given it base64-encoded since 2024, other servers plain."""
    text = content.removeprefix(b"\xef\xbb\xbf").strip()
    if b"," in text.partition(b"\n")[0]:
        return content
    try:
        plain = base64.b64decode(b"".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return content
    return plain if b"," in plain.partition(b"\n")[0] else content


def read_result_files(client: OpenAI, job: dict[str, Any]) -> list[bytes]:
    """The result files of a finished job. One that cannot be read is left out: the model is there."""
    import openai

    found = []
    for file_id in job.get("result_files") or []:
        try:
            content = client.files.content(str(file_id)).read()
        except openai.APIError:
            continue
        if len(content) <= MAX_RESULT_BYTES:
            found.append(decode_result(content))
    return found
