"""Hostile requests by family. Each is small to write down; large bodies are made when they are sent."""

# ruff: noqa: E501 (one case a line)

import gzip
import itertools
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

MEGABYTE = 1 << 20
LINE = b'{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Ho"}]}\n'
FILE = LINE * 12
BOUNDARY = "frontier"


@dataclass(frozen=True)
class Hostile:
    """One request.

    Attributes:
        body: Bytes, or what makes them.
        raw: Sent as they are in place of a request, on a bare connection.
        allowed: Statuses that are right; by default every refusal that is not the server's fault.
    """

    name: str
    method: str = "POST"
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Callable[[], bytes] = b""
    raw: Callable[[str], bytes] | None = None
    allowed: tuple[int, ...] = (400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 431)

    def content(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else self.body()


NAMES = [
    "../../../etc/passwd", "..\\..\\windows\\system32", "/etc/passwd", "C:\\boot.ini", "a/../../b", "....//....//x",
    "%2e%2e%2fx", "..%2f..%2fx", "%252e%252e%252fx", "..%c0%afx", "\x00", "a\x00b.jsonl", "a\r\nX-Evil: 1", "a\nb",
    ".", "..", "", " ", "~", "~root/x", "$HOME", "`id`", "$(id)", "; rm -rf /", "| cat", "&& id", "CON", "NUL.jsonl",
    "a" * 300, "a" * 5000, "é" * 300, "\u202egpj.exe", "\ufeffx", "\U0001f600", "x.jsonl/", "file:///etc/passwd",
    "http://127.0.0.1/", "\\\\host\\share", "aux.", "-rf", "--help", "'; DROP TABLE files; --", '" OR 1=1',
    "<script>alert(1)</script>", "{{ 7 * 7 }}", "%s%n%x", "\x1b[2J", "store.sqlite", "server.json", "../server.json",
    "blobs/../keys.json", "/proc/self/environ", "/dev/zero", "/dev/stdin", "ft:../../x", "understudy/../mini",
]  # fmt: skip


def multipart(filename: str | bytes, content: bytes, purpose: str = "fine-tune", extra: bytes = b"") -> bytes:
    """A body as any client writes it, with a name as none does."""
    name = filename if isinstance(filename, bytes) else filename.encode("utf-8", "surrogatepass")
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n'.encode()
        + extra
        + f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="'.encode()
        + name.replace(b'"', b"%22")
        + b'"\r\nContent-Type: application/octet-stream\r\n\r\n'
        + content
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )


def _upload(name: str, body: bytes | Callable[[], bytes], *allowed: int) -> Hostile:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return Hostile(name, "POST", "/v1/files", headers, body, allowed=allowed or (400, 413, 429))


def file_names() -> Iterator[Hostile]:
    """Names that would leave the folder, were they paths."""
    for name in NAMES:
        for ending in ("", ".jsonl"):
            yield _upload(f"name {name[:30]!r}{ending}", multipart(name + ending, FILE), 200, 400)


def training_files() -> Iterator[Hostile]:
    """Files that are no JSON Lines, or are made to be expensive."""
    for bad in (
        b"\xff",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf5\x80\x80\x80",
        b"\x80",
        b"\xe2\x82",
        b"\xfe\xff\x00{",
    ):
        for place in (0, 1, 20, len(LINE) - 2, len(LINE)):
            content = FILE[:place] + bad + FILE[place:]
            yield _upload(f"{bad!r} at {place}", multipart("a.jsonl", content), 400)
    for cut in range(1, len(LINE) - 1, 2):
        yield _upload(f"cut at {cut}", multipart("a.jsonl", FILE + LINE[:cut]), 400)
    for depth in (100, 1000, 10_000, 200_000, 2_000_000):
        for opening in (b"[", b'{"a":', b'[{"a":['):
            yield _upload(
                f"{opening!r} times {depth}", lambda o=opening, d=depth: multipart("a.jsonl", o * d), 400
            )
    for line in (
        b"NaN", b"-Infinity", b'"text"', b"[]", b"null", b"{,}", b"{'a': 1}", b'{"a": 01}', b'{"a": .5}', b"}{",
        b'{"a": "\\ud800', b'{"a": "\x00"}', b"\x00" * 99, b'{"a": tru}', b'{"a": 1}{"b": 2}', b"/*{}*/", b"\x1a",
    ):  # fmt: skip
        yield _upload(f"line {line[:20]!r}", multipart("a.jsonl", FILE + line + b"\n"), 400)
    bombs: dict[str, Callable[[], bytes]] = {
        "a line of 17 MB": lambda: b'{"a": "' + b"x" * (17 * MEGABYTE) + b'"}\n',
        "a line of 17 MB without an end": lambda: b"x" * (17 * MEGABYTE),
        "a number of 8 MB": lambda: b'{"a": ' + b"9" * (8 * MEGABYTE) + b"}\n",
        "millions of lists": lambda: b'{"a": [' + b"[]," * (4 * MEGABYTE) + b"[]]}\n",
        "millions of objects": lambda: b'{"a": [' + b'{"":{}},' * MEGABYTE + b"0]}\n",
        "millions of keys": lambda: (
            b'{"a":{' + b"".join(b'"%d":1,' % i for i in range(MEGABYTE)) + b'"":0}}\n'
        ),
        "millions of lines": lambda: b"{}\n" * (2 * MEGABYTE),
        "blank lines": lambda: b"\n" * (8 * MEGABYTE),
        "backslashes in a string without an end": lambda: b'{"a": "' + b'\\"' * (7 * MEGABYTE),
        "quotes": lambda: b'{"a": ' + b'"' * (8 * MEGABYTE) + b"\n",
        "only a byte order mark": lambda: b"\xef\xbb\xbf",
        "nothing": lambda: b"",
        "gzip of a gigabyte": lambda: gzip.compress(b"\x00" * (256 * MEGABYTE), 9),
        "UTF-16": lambda: FILE.decode().encode("utf-16"),
        "UTF-32": lambda: FILE.decode().encode("utf-32"),
    }
    for name, make in bombs.items():
        yield _upload(name, lambda make=make: multipart("a.jsonl", make()), 400, 413)
    for purpose in ("", "fine-tune\x00", "admin", "FINE-TUNE", "a" * 70_000, "{{7*7}}", "fine-tune\r\nX: y"):
        yield _upload(f"purpose {purpose[:20]!r}", multipart("a.jsonl", FILE, purpose), 400)


def multipart_bodies() -> Iterator[Hostile]:
    """Multipart that is cut, flooded or contradictory."""
    whole = multipart("a.jsonl", FILE)
    for cut in range(0, len(whole) - 30, 11):
        yield _upload(f"cut at {cut}", whole[:cut], 400)
    part = f"--{BOUNDARY}\r\n".encode()
    disposition = b'Content-Disposition: form-data; name="x"'
    floods: dict[str, Callable[[], bytes]] = {
        "a header of 20 MB": lambda: part + b"X-A: " + b"a" * (20 * MEGABYTE),
        "a header name of 20 MB": lambda: part + b"a" * (20 * MEGABYTE),
        "100,000 headers": lambda: part + b"X-A: b\r\n" * 100_000,
        "100,000 parts": lambda: (part + disposition + b"\r\n\r\nx\r\n") * 100_000,
        "a field of 20 MB": lambda: part + disposition + b"\r\n\r\n" + b"x" * (20 * MEGABYTE),
        "20 MB before the first boundary": lambda: b"x" * (20 * MEGABYTE),
        "20 MB of line ends": lambda: b"\r\n" * (10 * MEGABYTE),
        "boundaries that almost are": lambda: multipart("a.jsonl", b"\r\n--frontie" * MEGABYTE),
        "two files": lambda: multipart("a.jsonl", FILE)[:-4] + b"\r\n" + multipart("b.jsonl", FILE),
        "a file in another field": lambda: whole.replace(b'name="file"', b'name="elif"'),
        "a part without a name": lambda: whole.replace(b'name="file"; ', b""),
        "no file": lambda: whole.replace(b'; filename="a.jsonl"', b""),
        "a field that is not UTF-8": lambda: multipart(
            "a.jsonl", FILE, extra=part + disposition + b"\r\n\r\n\xff\r\n"
        ),
        "a header without a colon": lambda: whole.replace(b"Content-Type: ", b"Content-Type "),
        "a transfer encoding": lambda: whole.replace(
            b"Content-Type: a", b"Content-Transfer-Encoding: base64\r\nX: a"
        ),
        "100 purposes": lambda: multipart(
            "a.jsonl", FILE, "x", (part + disposition + b"\r\n\r\ny\r\n") * 100
        ),
    }
    for name, make in floods.items():
        yield _upload(name, make, 200, 400, 413)
    for kind in (
        "", "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=other",
        "multipart/form-data; boundary=" + "b" * 5000, "multipart/form-data; boundary=\u00e9", "text/plain",
        "application/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=frontier",
        'multipart/form-data; boundary="fron\\"tier"', "multipart/form-data; boundary=frontier; boundary=x",
    ):  # fmt: skip
        headers = {"Content-Type": kind}
        yield Hostile(f"type {kind[:40]!r}", "POST", "/v1/files", headers, whole, allowed=(200, 400, 415))


def _json_bodies() -> Iterator[tuple[str, bytes | Callable[[], bytes]]]:
    user = {"role": "user", "content": "Hi"}
    yield from {
        "nothing": b"",
        "half": b'{"model": ',
        "list": b"[]",
        "text": b'"x"',
        "null": b"null",
        "NaN": b'{"model": NaN}',
        "not UTF-8": b'{"model": "\xff"}',
        "UTF-16": '{"model": "x"}'.encode("utf-16"),
        "NUL": b'{"model": "\x00"}',
        "surrogate": b'{"model": "\\ud800"}',
        "lone surrogate as a key": b'{"\\udfff": 1}',
        "form": b"model=x",
        "xml": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>",
        "python": b"{'model': __import__('os')}",
        "twice": b'{"model":"a","model":{}}',
        "proto": b'{"__proto__": {}}',
        "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.",
        "yaml": b"!!python/object/apply:os.system [id]",
    }.items()
    for depth in (500, 5000, 100_000, 1_000_000):
        yield f"lists {depth} deep", lambda d=depth: b'{"model": ' + b"[" * d + b"]" * d + b"}"
        yield f"objects {depth} deep", lambda d=depth: b'{"model":' * d + b"1" + b"}" * d
    yield "17 MB", lambda: b'{"model": "' + b"x" * (17 * MEGABYTE) + b'"}'
    yield "15 MB of a name", lambda: b'{"model": "' + b"x" * (15 * MEGABYTE) + b'"}'
    yield "5 million lists", lambda: b'{"model": [' + b"[]," * (5 * MEGABYTE) + b"0]}"
    yield "2 million objects", lambda: b'{"model": [' + b'{"":0},' * (2 * MEGABYTE) + b"0]}"
    yield "a million digits", lambda: b'{"model": ' + b"9" * MEGABYTE + b"}"
    yield "a great exponent", b'{"model": 1e999999999}'
    yield "escapes", lambda: b'{"model": "' + b"\\u0041" * (2 * MEGABYTE) + b'"}'
    for key in (
        "messages",
        "stop",
        "n",
        "seed",
        "logit_bias",
        "tools",
        "metadata",
        "chat_template",
        "response_format",
    ):
        for value in (
            10**30,
            -1,
            [[]],
            {"a": {"b": []}},
            "\u0000",
            ["x"] * 5000,
            {"k" * 70: "v"},
            True,
            1e308,
        ):
            yield (
                f"{key}={str(value)[:20]}",
                json.dumps({"model": "m", "messages": [user], key: value}).encode(),
            )
    for content in (
        [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/x"}}],
        [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}],
        [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}],
        [{"type": "file", "file": {"file_id": "../../etc/passwd"}}], [None], [[]], {}, 5, [{"type": "text"}],
    ):  # fmt: skip
        talk = [{"role": "user", "content": content}]
        yield f"content {str(content)[:30]}", json.dumps({"model": "m", "messages": talk}).encode()
    for model in (
        *NAMES[:20],
        "a" * 100_000,
        "\u202e",
        "a/b" * 99,
        "/" * 5000,
        "~nobody-here/x",
        "ft:" * 500,
    ):
        yield f"model {model[:20]!r}", json.dumps({"model": model, "messages": [user]}).encode()
        yield f"job on {model[:20]!r}", json.dumps({"model": model, "training_file": model}).encode()


def json_bodies() -> Iterator[Hostile]:
    """Bodies of every endpoint that reads JSON."""
    headers = {"Content-Type": "application/json"}
    for path in ("/v1/chat/completions", "/v1/fine_tuning/jobs", "/v1/understudy/score", "/v1/batches"):
        for name, body in _json_bodies():
            yield Hostile(f"{path} {name}", "POST", path, headers, body)


def paths() -> Iterator[Hostile]:
    """Ids and names in paths that are none."""
    roots = (
        ("GET", "/v1/files/{}"), ("GET", "/v1/files/{}/content"), ("DELETE", "/v1/files/{}"), ("GET", "/v1/models/{}"),
        ("DELETE", "/v1/models/{}"), ("GET", "/v1/fine_tuning/jobs/{}/events"), ("POST", "/v1/fine_tuning/jobs/{}/cancel"),
    )  # fmt: skip
    for (method, root), name in itertools.product(roots, NAMES):
        yield Hostile(f"{method} {root} {name[:20]!r}", method, root.format(quote(name[:2000], safe="")),
                      allowed=(200, 400, 403, 404, 405) if name in ("", ".", "..", " ") else (400, 403, 404, 405))  # fmt: skip
    for raw in ("//etc/passwd", "/v1/../../etc/passwd", "/v1/files/../../x", "/v1/%00", "/.git/config", "/v1/files//",
                "/static/../../x", "/v1/models/" + "a" * 30_000, "/v1;x", "/v1/files?x=%ff", "/docs", "/openapi.json/.."):  # fmt: skip
        yield Hostile(f"GET {raw[:40]}", "GET", raw, allowed=(200, 400, 404, 405, 414))


def queries() -> Iterator[Hostile]:
    """Query strings that no client sends."""
    lists = ("/v1/files", "/v1/fine_tuning/jobs", "/v1/fine_tuning/jobs/x/events")
    for path in lists:
        for query in (
            "limit=-1", "limit=0", "limit=1e9", "limit=" + "9" * 5000, "limit=\u0663", "limit=", "limit=1&limit=x",
            "after=", "after=%00", "after=" + "a" * 20_000, "after='%20OR%201=1", "order=up", "order=%ff",
        ):  # fmt: skip
            yield Hostile(
                f"{path}?{query[:30]}", "GET", f"{path}?{quote(query, safe='=&%')}", allowed=(200, 400, 404)
            )
    for count in (17, 1500, 4000):
        query = "&".join(f"metadata[a{i}]=b" for i in range(count))
        yield Hostile(
            f"{count} metadata pairs", "GET", f"/v1/fine_tuning/jobs?{query}", allowed=(400, 414, 431)
        )
    for key in (
        "metadata[",
        "metadata[]",
        "metadata[']",
        "metadata[%00]",
        "metadata[a][b]",
        "metadata",
        "metadata[$.x]",
    ):
        yield Hostile(f"{key}=v", "GET", f"/v1/fine_tuning/jobs?{key}=v", allowed=(200, 400))


def headers() -> Iterator[Hostile]:
    """Who asks, from where, in what encoding."""
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "[::1", "", "a@127.0.0.1@b", "0",
                 "127.0.0.1:99999999", "\x00", "[", "2130706433.", "evil.example:80", "169.254.169.254", "localhost:x@y"):  # fmt: skip
        yield Hostile(f"Host {host!r}", "GET", "/v1/models", {"Host": host}, allowed=(200, 400, 403))
    for origin in ("https://evil.example", "null", "file://", "http://127.0.0.1.evil.example", "http://[::1", "",
                   "http://localhost@evil.example", "javascript:alert(1)", "http://evil.example#localhost"):  # fmt: skip
        yield Hostile(f"Origin {origin!r}", "GET", "/v1/models", {"Origin": origin}, allowed=(403,))
    for site in ("cross-site",):
        yield Hostile(f"Sec-Fetch-Site {site}", "GET", "/v1/models", {"Sec-Fetch-Site": site}, allowed=(403,))
    for key in ("", "Bearer", "Bearer ", "bearer x", "Basic eDp5", "Bearer " + "x" * 30_000, "Bearer \xff", "Bearer null",
                "Bearer undefined", "Token x", "Bearer x, Bearer y", "Bearer us-" + "A" * 43, "Digest a=b"):  # fmt: skip
        yield Hostile(
            f"Authorization {key[:20]!r}",
            "GET",
            "/v1/models",
            {"Authorization": key},
            allowed=(400, 401, 431),
        )
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 100}]}).encode()

    def bomb() -> bytes:
        return b" " * (64 * MEGABYTE)

    for encoding, packed in (("gzip", lambda: gzip.compress(bomb())), ("deflate", lambda: zlib.compress(bomb())), ("br", body),
                             ("zstd", body), ("compress", body), ("gzip, gzip", lambda: gzip.compress(gzip.compress(bomb()))),
                             ("GZIP", gzip.compress(body)), ("chunked", body), ("x" * 500, body)):  # fmt: skip
        kinds = {"Content-Type": "application/json", "Content-Encoding": encoding}
        yield Hostile(f"Content-Encoding {encoding[:20]}", headers=kinds, body=packed, allowed=(415,))


def connections() -> Iterator[Hostile]:
    """Bytes that are hardly HTTP, on a bare connection. ``{}`` is the key."""

    def raw(name: str, text: str | bytes, *allowed: int) -> Hostile:
        data = text.encode("latin-1") if isinstance(text, str) else text
        return Hostile(
            name,
            raw=lambda key: data.replace(b"{}", key.encode()),
            allowed=allowed or (0, 400, 403, 404, 405),
        )

    get, auth = "GET /v1/models HTTP/1.1\r\n", "Host: 127.0.0.1\r\nAuthorization: Bearer {}\r\n"
    post = "POST /v1/chat/completions HTTP/1.1\r\n"
    yield raw("noise", bytes(range(256)) * 40)
    yield raw("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500)
    yield raw("no host", "GET /v1/models HTTP/1.0\r\n\r\n", 403)
    yield raw("two hosts", get + auth + "Host: 127.0.0.1\r\n\r\n", 400)
    yield raw("two keys", get + auth + "Authorization: Bearer {}\r\n\r\n", 400)
    yield raw("two lengths", post + auth + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400)
    yield raw(
        "both lengths",
        post + auth + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        200,
    )
    yield raw("chunks that are none", post + auth + "Transfer-Encoding: chunked\r\n\r\nZZ\r\nx\r\n", 0, 400)
    yield raw(
        "a chunk of 16 exabytes",
        post + auth + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx",
        0,
        400,
        408,
    )
    yield raw("a negative length", post + auth + "Content-Length: -5\r\n\r\n", 400)
    yield raw("a length of words", post + auth + "Content-Length: many\r\n\r\n", 400)
    yield raw("an enormous length", post + auth + f"Content-Length: {'9' * 18}\r\n\r\n", 0, 400, 413)
    yield raw("a header of a megabyte", get + auth + "X-A: " + "a" * MEGABYTE + "\r\n\r\n", 0, 400, 431)
    yield raw("headers without end", get + auth + "X-A: b\r\n" * 50_000, 0, 400, 431)
    yield raw("a folded header", get + auth + "X-A: b\r\n c\r\n\r\n", 200, 400)
    yield raw("bare line feeds", (get + auth + "\r\n").replace("\r\n", "\n"), 200, 400)
    yield raw("a NUL in a header", get + auth + "X-A: \x00\r\n\r\n", 400)
    yield raw(
        "an absolute path",
        "GET http://evil.example/v1/models HTTP/1.1\r\n" + auth + "\r\n",
        200,
        400,
        403,
        404,
    )
    yield raw("CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\n" + auth + "\r\n", 0, 400, 404, 405)
    yield raw("TRACE", "TRACE /v1/models HTTP/1.1\r\n" + auth + "\r\n", 405)
    yield raw("an upgrade", get + auth + "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", 200, 400, 403)  # fmt: skip
    yield raw("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    yield raw("HTTP/9", "GET / HTTP/9.9\r\n" + auth + "\r\n", 0, 400, 404, 505)
    yield raw("a method of a kilobyte", "G" * 1000 + " / HTTP/1.1\r\n" + auth + "\r\n", 0, 400, 405, 404)
    yield raw("a smuggled request", post + auth + "Content-Length: 2\r\n\r\n{}GET /v1/files HTTP/1.1\r\n\r\n")


FAMILIES: dict[str, Callable[[], Iterator[Hostile]]] = {
    family.__name__: family
    for family in (
        file_names,
        training_files,
        multipart_bodies,
        json_bodies,
        paths,
        queries,
        headers,
        connections,
    )
}
