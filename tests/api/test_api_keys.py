"""API keys: what opens the server from this machine, and what from another."""

import json
import os
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from running_server import RunningServer

from understudy.api.keys import KeyRing
from understudy.api.server import serve
from understudy.api.settings import ServerSettings
from understudy.errors import ConfigError
from understudy.secret import Secret


def understudy(*words, home):
    done = subprocess.run(
        [sys.executable, "-m", "understudy", *words],
        capture_output=True, text=True, timeout=60, env=os.environ | {"UNDERSTUDY_HOME": str(home)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def status_of(url, key=None, **headers):
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(url, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def open_server(tmp_path_factory, base_directory):
    """A server that other machines can reach, and the address by which they would."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no address but its loopback one")
    home = tmp_path_factory.mktemp("open") / "home"
    KeyRing(home).create("first")
    options = ("--host", "0.0.0.0", "--allow-host", "understudy.example")
    running = RunningServer(home, base_directory, options=options)
    running.start()
    yield running, f"http://{address}:{running.announcement()['port']}/v1/models"
    running.stop()


def test_only_a_hash_of_a_key_is_kept(tmp_path):
    made = understudy("keys", "create", "laptop", "--json", home=tmp_path)
    key = json.loads(made.stdout)["key"]

    assert len(key) > 40
    assert all(key not in path.read_text() for path in tmp_path.iterdir())
    assert key not in understudy("keys", "list", home=tmp_path).stdout
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


def test_keys_are_created_listed_and_revoked_by_commands(tmp_path):
    first = understudy("keys", "create", "laptop", home=tmp_path)
    understudy("keys", "create", "phone", "--expires-days", "30", home=tmp_path)
    rows = json.loads(understudy("keys", "list", "--json", home=tmp_path).stdout)

    assert [row["name"] for row in rows] == ["laptop", "phone"]
    assert "shown this once" in first.stderr
    assert rows[1]["state"].startswith("valid until")
    assert KeyRing(tmp_path).accepts(first.stdout.strip())
    twice = understudy("keys", "create", "laptop", home=tmp_path)
    assert (twice.returncode, twice.stderr.count("\n")) == (2, 1)
    assert understudy("keys", "revoke", "nobody", home=tmp_path).returncode == 2
    assert understudy("keys", "revoke", rows[0]["id"], home=tmp_path).returncode == 0
    assert not KeyRing(tmp_path).accepts(first.stdout.strip())


@pytest.mark.parametrize("given", ["", "us-", "us-" + "x" * 43, "\u2603", "x" * 100_000])
def test_no_other_text_is_a_key(tmp_path, given):
    ring = KeyRing(tmp_path)
    key, secret = ring.create("laptop")

    assert not ring.accepts(given)
    assert not ring.accepts(secret.reveal()[:-1])
    assert not ring.accepts(key.sha256)
    assert ring.accepts(secret.reveal())


def test_an_expired_key_is_refused(tmp_path, monkeypatch):
    ring = KeyRing(tmp_path)
    _, secret = ring.create("laptop", expires_after_days=1)
    assert ring.accepts(secret.reveal())

    monkeypatch.setattr("understudy.api.keys.time.time", lambda: 4e9)
    assert not ring.accepts(secret.reveal())


def test_a_damaged_list_of_keys_lets_nobody_in(tmp_path):
    ring = KeyRing(tmp_path)
    _, secret = ring.create("laptop")
    ring.path.write_text("{")

    assert not ring.accepts(secret.reveal())
    with pytest.raises(ConfigError, match="is no list of keys"):
        ring.all()


def test_another_interface_needs_a_key(tmp_path):
    settings = ServerSettings(home=tmp_path, host="0.0.0.0", port=0, token=Secret("here-only"))

    with pytest.raises(ConfigError, match="understudy keys create"):
        serve(settings)


def test_the_token_is_for_this_machine_and_a_key_for_others(open_server):
    running, from_outside = open_server
    made = understudy("keys", "create", "other", "--json", home=running.home)
    key = json.loads(made.stdout)["key"]

    assert status_of(f"{running.url}/models", running.token)[0] == 200
    assert status_of(from_outside, key)[0] == 200
    refused, words = status_of(from_outside, running.token)
    assert (refused, b"for its own machine" in words) == (401, True)
    assert status_of(from_outside)[0] == 401
    understudy("keys", "revoke", "other", home=running.home)
    assert status_of(from_outside, key)[0] == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [("evil.example", 403), ("understudy.example", 200), ("UNDERSTUDY.example:99", 200), ("10.1.2.3", 200)],
)
def test_a_name_that_was_not_allowed_may_be_a_rebound_one(open_server, host, status):
    running, _ = open_server

    assert status_of(f"{running.url}/models", running.token, Host=host)[0] == status


def test_cross_site_requests_are_refused_also_without_an_origin(server):
    url = f"{server.url}/models"

    assert status_of(url, server.token, Sec_Fetch_Site="cross-site")[0] == 403
    assert status_of(url, server.token, Sec_Fetch_Site="same-origin")[0] == 200
    assert status_of(url, server.token, Origin="null")[0] == 403
