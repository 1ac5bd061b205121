"""Cards made by hand: PNG pictures with text chunks, as sound or as damaged as a test wants them."""

import base64
import json
import struct
import zlib
from typing import Any


def chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    crc = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", crc)


def png(*texts: bytes, after_image: bool = False) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    image = chunk(b"IDAT", zlib.compress(b"\0\0"))
    middle = [image, *texts] if after_image else [*texts, image]
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *middle, chunk(b"IEND", b"")])


def text_chunk(value: Any, keyword: str = "chara") -> bytes:
    return chunk(b"tEXt", keyword.encode() + b"\0" + pack(value))


def pack(value: Any) -> bytes:
    return base64.b64encode(json.dumps(value).encode())


def v2(**fields: Any) -> dict[str, Any]:
    data = {"name": "Mog", "description": "{{char}} is a cat.", "first_mes": "Meow, {{user}}!", **fields}
    return {"spec": "chara_card_v2", "spec_version": "2.0", "data": data}
