"""Embedded: the server that commands start by themselves."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from understudy.client import connect, ensure_server, find_server, stop_server
from understudy.client import embedded as embedded_module
from understudy.errors import MissingExtraError, ServerError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home of its own, whose server is stopped afterwards."""
    path = tmp_path / "home"
    monkeypatch.setenv("UNDERSTUDY_HOME", str(path))
    yield path
    stop_server()


def test_starts_one_server_and_finds_it_again(home):
    assert find_server() is None

    first = ensure_server()

    assert first.base_url.startswith("http://127.0.0.1:")
    assert len(first.token.reveal()) > 30
    assert ensure_server() == first
    assert find_server() == first
    assert (home / "server.json").stat().st_mode & 0o777 == 0o600
    with connect() as client:
        client.models.list()


def test_terminals_that_start_at_once_share_a_server(home):
    program = "from understudy.client import ensure_server; s = ensure_server(); print(s.pid, s.port)"
    terminals = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    answers = {terminal.communicate(timeout=60)[0] for terminal in terminals}

    assert len(answers) == 1
    assert [terminal.returncode for terminal in terminals] == [0] * 4


def test_outlives_the_command_that_started_it(home):
    program = "from understudy.client import ensure_server; print(ensure_server().pid)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert find_server().pid == int(answer.stdout)


def test_what_a_killed_server_left_is_no_server(home):
    first = ensure_server()
    os.kill(first.pid, signal.SIGKILL)
    while embedded_module._is_alive(first.pid):
        time.sleep(0.02)

    assert (home / "server.json").exists()
    assert find_server() is None
    second = ensure_server()
    assert second.pid != first.pid
    assert second.token != first.token


def test_a_reused_process_id_is_not_mistaken_for_the_server(home):
    first = ensure_server()
    stop_server()
    values = {"base_url": first.base_url, "port": first.port, "token": "x", "pid": os.getpid(),
              "version": first.version, "embedded": True, "default_base": "x", "started_at": 0}  # fmt: skip
    (home / "server.json").write_text(json.dumps(values))

    assert find_server() is None


def test_a_damaged_announcement_is_ignored(home):
    home.mkdir()
    (home / "server.json").write_text('{"port": ')

    assert find_server() is None


def test_stops_and_takes_its_announcement_along(home):
    found = ensure_server()

    assert stop_server() is True
    assert not (home / "server.json").exists()
    assert not embedded_module._is_alive(found.pid)
    assert stop_server() is False


def test_a_server_of_another_version_is_replaced(home, monkeypatch):
    first = ensure_server()
    monkeypatch.setattr(embedded_module, "__version__", "99.0")

    second = ensure_server()

    assert second.pid != first.pid
    assert not embedded_module._is_alive(first.pid)


def test_ends_by_itself_when_nobody_asks(home, monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_IDLE_SECONDS", "0.5")
    found = ensure_server()

    end = time.monotonic() + 15
    while embedded_module._is_alive(found.pid):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert find_server() is None


def test_without_the_extra_the_line_to_install_it_is_shown(home, monkeypatch):
    monkeypatch.setattr(embedded_module, "NEEDED", ("fastapi", "no_such_package_here"))

    with pytest.raises(MissingExtraError, match=r"pip install 'understudy\[local\]'"):
        connect()


def test_a_server_that_cannot_start_shows_why(home, monkeypatch):
    home.mkdir()
    (home / "store.sqlite").write_bytes(b"no database" * 1000)

    with pytest.raises(ServerError, match=r"store\.sqlite"):
        ensure_server()


def test_a_proxy_of_the_environment_does_not_see_local_calls(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    with connect() as client:
        assert client.models.list().data
    assert urllib.request.getproxies()["http"] == "http://127.0.0.1:9"
