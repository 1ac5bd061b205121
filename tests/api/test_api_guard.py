"""Guard: who is let in, and errors of the framework in the envelope."""

import json
import urllib.error
import urllib.request

import openai
import pytest
from running_server import chat_lines


def call(server, path, method="GET", body=None, **headers):
    headers = {"Authorization": f"Bearer {server.token}"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    request = urllib.request.Request(
        server.url.removesuffix("/v1") + path, body, {k: v for k, v in headers.items() if v}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read()), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers


def test_wants_the_token(server):
    with server.client(api_key="wrong") as client, pytest.raises(openai.AuthenticationError) as caught:
        client.models.list()

    assert caught.value.code == "invalid_api_key"
    assert call(server, "/v1/models", Authorization=None)[0] == 401
    assert call(server, "/v1/models", Authorization="Basic abc")[0] == 401
    assert server.token not in caught.value.message


def test_health_needs_no_token_and_tells_no_secret(server):
    status, body, _ = call(server, "/health", Authorization=None)

    assert status == 200
    assert body.keys() == {"status", "version", "pid"}


def test_refuses_other_host_names_and_other_sites(server):
    assert call(server, "/v1/models", Host="evil.example")[0] == 403
    assert call(server, "/v1/models", Host="localhost:1234")[0] == 200
    assert call(server, "/v1/models", Origin="https://evil.example")[0] == 403
    assert call(server, "/v1/models", Origin="http://localhost:3000")[0] == 200


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        ("/v1/nothing", "GET", None, 404),
        ("/v1/models", "PUT", b"{}", 405),
        ("/v1/chat/completions", "POST", b"{oops", 400),
        ("/v1/chat/completions", "POST", b"[]", 400),
        ("/v1/chat/completions", "POST", b"\xff\xfe", 400),
        ("/v1/chat/completions", "POST", b'{"model": NaN}', 400),
        ("/v1/chat/completions", "POST", b'{"model": "\\ud800"}', 400),
        ("/v1/chat/completions", "POST", b"[" * 200_000, 400),
        ("/v1/chat/completions", "POST", b'{"model": ' + b"9" * 10_000 + b"}", 400),
        ("/v1/fine_tuning/jobs", "POST", b"{}", 400),
        ("/v1/files", "POST", b"--x", 400),
        ("/v1/files?limit=abc", "GET", None, 400),
        ("/v1/files?order=up", "GET", None, 400),
        ("/v1/files?after=file-nothere", "GET", None, 400),
    ],
)
def test_every_error_has_the_envelope_and_a_request_id(server, path, method, body, status):
    got, answer, headers = call(server, path, method, body, Content_Type="application/json")

    assert got == status
    assert answer["error"].keys() == {"message", "type", "param", "code"}
    assert headers["x-request-id"].startswith("req_")


def test_a_body_beyond_the_limit_is_refused_unread(server):
    status, answer, _ = call(
        server, "/v1/chat/completions", "POST", b"x" * (17 * 1024 * 1024), Content_Type="application/json"
    )

    assert (status, answer["error"]["code"]) == (413, "request_too_large")


def test_broken_multipart_is_a_400(server):
    body = b"--b\r\nContent-Disposition: form-data; name=file; filename=a.jsonl\r\n\r\n" + chat_lines()
    status, answer, _ = call(
        server, "/v1/files", "POST", body, Content_Type="multipart/form-data; boundary=b"
    )

    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"


def test_the_log_holds_no_token(server):
    assert server.token not in (server.home / "log.txt").read_text()
