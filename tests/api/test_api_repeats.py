"""Repeats: clients that ask again after a server was killed get one job, not two."""

import hashlib
import json
import random
import socket
import sqlite3
import threading
import time
import urllib.request

import openai
import pytest
from running_server import RunningServer, chat_lines


def post_job(server: RunningServer, body: bytes, retry_count: int) -> str:
    """Create a job as the ``openai`` package does, and give its id."""
    headers = {
        "Authorization": f"Bearer {server.token}",
        "Content-Type": "application/json",
        "x-stainless-retry-count": str(retry_count),
    }
    request = urllib.request.Request(server.url + "/fine_tuning/jobs", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["id"]


def test_a_repeated_request_gets_the_job_that_nobody_was_told_of(own_server):
    with own_server.client() as client:
        file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
    body = json.dumps({"model": "gpt-4o", "training_file": file.id}).encode()
    first = post_job(own_server, body, 0)
    # What a kill between the acceptance and the answer leaves behind.
    own_server.kill()
    with sqlite3.connect(own_server.home / "store.sqlite") as store:
        digest = hashlib.sha256(body).hexdigest()
        store.execute("UPDATE jobs SET plan = json_set(plan, '$.unanswered_request', ?)", (digest,))
    store.close()
    own_server.start()

    assert post_job(own_server, body + b" ", 1) != first
    assert post_job(own_server, body, 1) == first
    time.sleep(0.5)  # The server notes that it has answered after it has.
    assert post_job(own_server, body, 1) != first
    assert post_job(own_server, body, 0) != first


@pytest.mark.slow
def test_clients_that_retry_while_the_server_is_killed_make_one_job_for_each_call(tmp_path, base_directory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = RunningServer(tmp_path / "home", base_directory, options=("--port", str(port)))
    server.start()
    chance, made = random.Random(5), []
    with server.client() as client:
        file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune").id

    def create(number: int) -> None:
        url = f"http://127.0.0.1:{port}/v1"
        with openai.OpenAI(base_url=url, api_key=server.token, max_retries=20) as client:
            job = client.fine_tuning.jobs.create(model="gpt-4o", training_file=file, suffix=f"n{number}")
            made.append(job.id)

    for number in range(15):
        call = threading.Thread(target=create, args=(number,))
        call.start()
        time.sleep(chance.uniform(0.0, 0.15))  # A call takes about a tenth of a second.
        server.kill()
        server.start()
        call.join(60)

    with server.client() as client:
        listed = [job.id for job in client.fine_tuning.jobs.list(limit=100)]
    server.stop()
    assert len(made) == 15
    assert sorted(listed) == sorted(made)
