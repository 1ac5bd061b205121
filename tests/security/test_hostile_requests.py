"""Hostile uploads and requests against a real server: no crash, no hang, bounded memory, no escape."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import socket
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hostile_requests import FAMILIES, FILE, MEGABYTE, Hostile, multipart
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LONGEST_SECONDS = 5.0
# Above what an idle server holds, whatever is sent: 64 MiB of bodies at most, their text, one tree of values.
MEMORY_BOUND_MIB = 400
SHARE_BY_DEFAULT = 5  # every fifth request of a family; all of them under the slow marker

counts: Counter[str] = Counter()
slowest: dict[str, float] = {}


def peak_mib(server) -> float:
    """The most memory that the server's process ever held."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def processor_seconds(server) -> float:
    """What the server's process has computed so far: unlike a clock's time, it does not grow with
    whatever else the machine is doing. Waiting is bounded by the client, at a minute."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answer(server, hostile: Hostile) -> int:
    """The status of a request; 0 where the server ends the connection without one."""
    host, port = urlsplit(server.url).hostname, urlsplit(server.url).port
    if hostile.raw is not None:
        return _raw_answer(host, port, hostile.raw(server.token))
    connection = http.client.HTTPConnection(host, port, timeout=60)
    wanted = {"Authorization": f"Bearer {server.token}", **hostile.headers}
    body = hostile.content()
    try:
        connection.putrequest(
            hostile.method, hostile.path, skip_host="Host" in wanted, skip_accept_encoding=True
        )
        for name, value in (wanted | {"Content-Length": str(len(body))}).items():
            connection.putheader(name, value.encode("utf-8"))
        connection.endheaders()
        with contextlib.suppress(OSError):  # refused while it was sent; the answer says why
            connection.send(body)
        response = connection.getresponse()
        text = response.read()
        if response.status >= 400 and response.getheader("content-type") == "application/json":
            assert json.loads(text)["error"].keys() == {"message", "type", "param", "code"}
        return response.status
    finally:
        connection.close()


def _raw_answer(host: str, port: int, data: bytes) -> int:
    """The status, or 0 where the server hangs up or waits for the rest."""
    with socket.create_connection((host, port), timeout=1.0) as connection:
        try:
            connection.sendall(data)
            reply = connection.recv(65536)
        except OSError:
            return 0
    return int(reply.split()[1]) if reply.startswith(b"HTTP/") else 0


def attack(server, family: str, share: int) -> None:
    for number, hostile in enumerate(FAMILIES[family]()):
        if number % share:
            continue
        began = processor_seconds(server)
        status = answer(server, hostile)
        took = processor_seconds(server) - began
        assert status in hostile.allowed, f"{family}: {hostile.name}: {status}"
        assert took < LONGEST_SECONDS, f"{family}: {hostile.name}: {took:.1f} s"
        assert server.process.poll() is None, f"{family}: {hostile.name}: the server has ended"
        counts[family] += 1
        slowest[family] = max(slowest.get(family, 0.0), took)
    assert answer(server, Hostile("after", "GET", "/v1/models")) == 200


def assert_nothing_escaped(server, before: set[str]) -> None:
    """Only what a server keeps lies in its home, and nothing new beside it."""
    known = {"store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "blobs", "jobs", "adapters", "logs",
             "server.json", "server.lock", "log.txt", "cancelled.txt"}  # fmt: skip
    assert {path.name for path in server.home.iterdir()} <= known
    assert {path.name for path in server.home.parent.iterdir()} == before
    for blob in (server.home / "blobs").rglob("*"):
        assert blob.is_dir() or (len(blob.name) == 64 and blob.parent.name == blob.name[:2]), blob
    log = (server.home / "log.txt").read_text(errors="replace")
    assert server.token not in log
    assert "Traceback" not in log, log[-3000:]


@pytest.fixture(scope="module", autouse=True)
def _show_counts(request):
    yield
    total = sum(counts.values())
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{total} hostile requests: {dict(counts)}; slowest, s: "
              f"{ {name: round(seconds, 2) for name, seconds in slowest.items()} }")  # fmt: skip


@pytest.fixture(scope="module")
def idle_mib(server) -> float:
    return peak_mib(server)


def test_there_are_more_than_a_thousand():
    assert sum(1 for family in FAMILIES.values() for _ in family()) >= 1000


@pytest.mark.parametrize("family", FAMILIES)
def test_a_share_of_each_family(server, idle_mib, family):
    attack(server, family, SHARE_BY_DEFAULT)

    assert peak_mib(server) - idle_mib < MEMORY_BOUND_MIB
    assert_nothing_escaped(server, {"home"})


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_whole(server, idle_mib, family):
    attack(server, family, 1)

    assert peak_mib(server) - idle_mib < MEMORY_BOUND_MIB
    assert_nothing_escaped(server, {"home"})


def crowd(server, requests: list[Hostile]) -> Counter[int]:
    with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
        return Counter(pool.map(lambda hostile: answer(server, hostile), requests))


def test_many_large_bodies_at_once_are_told_to_come_again(server, idle_mib):
    body = b'{"model": "' + b"x" * (15 * MEGABYTE) + b'"}'
    statuses = crowd(server, [Hostile(f"{i}", body=body) for i in range(16)])

    assert set(statuses) <= {404, 429}
    assert statuses[429]
    assert peak_mib(server) - idle_mib < MEMORY_BOUND_MIB
    counts["large bodies at once"] += 16


def test_more_uploads_than_places_are_told_to_come_again(server, idle_mib):
    content = multipart("a.jsonl", FILE * 2_000)
    headers = {"Content-Type": "multipart/form-data; boundary=frontier"}
    uploads = [Hostile(f"{i}", "POST", "/v1/files", headers, content) for i in range(14)]
    statuses = crowd(server, uploads)

    assert set(statuses) <= {200, 429}
    assert statuses[200]
    assert peak_mib(server) - idle_mib < MEMORY_BOUND_MIB
    counts["uploads at once"] += 14


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["model", "messages", "training_file", "validation_file", "n", "stop", "seed", "temperature", "stream",
     "stream_options", "logprobs", "top_logprobs", "suffix", "metadata", "method", "hyperparameters",
     "integrations", "tools", "response_format", "max_tokens"]
)  # fmt: skip


def _random_bodies_are_answered(server, path, body):
    headers = {"Content-Type": "application/json"}
    text = json.dumps(body).encode()
    status = answer(server, Hostile("random", "POST", path, headers, text))
    assert status < 500 or status == 501, (status, text)
    counts["random bodies"] += 1


PATHS = st.sampled_from(["/v1/chat/completions", "/v1/fine_tuning/jobs", "/v1/understudy/score"])
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=40, deadline=None, suppress_health_check=QUIET)
@given(path=PATHS, body=st.dictionaries(FIELDS, JSON, max_size=6))
def test_random_bodies_are_answered(server, path, body):
    _random_bodies_are_answered(server, path, body)


@pytest.mark.slow
@settings(max_examples=500, deadline=None, suppress_health_check=QUIET)
@given(path=PATHS, body=st.dictionaries(FIELDS, JSON, max_size=6))
def test_many_random_bodies_are_answered(server, path, body):
    _random_bodies_are_answered(server, path, body)
