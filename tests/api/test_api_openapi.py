"""The server's own description: complete, true, and a source of requests that it must survive."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import jsonschema
import pytest
from running_server import RunningServer, chat_lines, wait_for, wait_for_batch

from understudy.api.app import create_app
from understudy.api.openapi import openapi_document
from understudy.api.protocol import ChatRequest, Hyperparameters, JobRequest
from understudy.api.settings import ServerSettings

GUIDE = Path(__file__).parents[2] / "docs" / "server.md"


def described():
    return {
        (method.upper(), re.sub(r"{\w+}", "{}", path))
        for path, calls in openapi_document()["paths"].items()
        for method in calls
    }


def test_describes_every_route_and_no_other(tmp_path):
    app = create_app(ServerSettings(home=tmp_path))
    routes = {
        (method, re.sub(r"{[\w:]+}", "{}", route.path))
        for route in app.routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD" and route.path != "/openapi.json"
    }

    assert described() == routes


def test_is_served_and_valid_where_it_describes_objects(server):
    answer = httpx2.get(
        server.url.removesuffix("/v1") + "/openapi.json", headers={"Authorization": f"Bearer {server.token}"}
    )

    assert answer.status_code == 200
    document = answer.json()
    assert document == openapi_document()
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    names = set(re.findall(r"#/components/schemas/(\w+)", answer.text))
    assert names <= set(document["components"]["schemas"])


def test_the_guide_tells_of_every_call_and_every_parameter():
    text = GUIDE.read_text(encoding="utf-8")

    for path in openapi_document()["paths"]:
        assert re.sub(r"{\w+}", "{…}", path) in text, path
    for model in (ChatRequest, JobRequest, Hyperparameters):
        for name in model.model_fields:
            assert f"`{name}`" in text, name


@pytest.fixture(scope="module")
def alone(tmp_path_factory, base_directory):
    """A server of its own: it is asked thousands of odd things, and must not look for models elsewhere."""
    server = RunningServer(tmp_path_factory.mktemp("openapi") / "home", base_directory)
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        server.start()
    finally:
        del os.environ["HF_HUB_OFFLINE"]
    yield server
    server.stop()


def name_known_objects(server, folder):
    """Let half of the requests be about objects that exist: a job that ran, its model, a batch that ended."""
    with server.client() as client:
        file = client.files.create(file=("a.jsonl", chat_lines()), purpose="fine-tune")
        job = client.fine_tuning.jobs.create(model="gpt-4o", training_file=file.id, suffix="known")
        line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions"}
        line["body"] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}]}
        lines = client.files.create(file=("b.jsonl", json.dumps(line).encode()), purpose="batch")
        batch = client.batches.create(
            input_file_id=lines.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        model = wait_for(client, job.id, seconds=120).fine_tuned_model
        wait_for_batch(client, batch.id, seconds=120)
        share = client.fine_tuning.checkpoints.permissions.create(model, project_ids=["proj_a"]).data[0]
    known = {"file_id": file.id, "job_id": job.id, "model": model, "batch_id": batch.id}
    known |= {"checkpoint": model, "permission_id": share.id}
    rows = "".join(f'"path.{name}" = "{value}"\n' for name, value in known.items())
    (folder / "schemathesis.toml").write_text(f"[parameters]\n{rows}")


def run_schemathesis(server, examples, phases, folder, seconds=280):
    program = Path(sys.executable).with_name("schemathesis")
    if not program.exists():
        pytest.skip("schemathesis is not installed")
    address = server.url.removesuffix("/v1")
    command = [
        str(program), "run", f"{address}/openapi.json", "--header", f"Authorization: Bearer {server.token}",
        "--checks", "not_a_server_error,response_schema_conformance,content_type_conformance",
        "--max-examples", str(examples), "--phases", phases,
        "--seed", "1", "--mode", "all", "--generation-database", "none",
        "--suppress-health-check", "all", "--no-color", "--request-timeout", "20",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=seconds)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def test_no_generated_request_is_a_fault_of_the_server(alone, tmp_path):
    name_known_objects(alone, tmp_path)

    told = run_schemathesis(alone, 5, "fuzzing", tmp_path)

    generated, passed = map(int, re.search(r"(\d+) generated, (\d+) passed", told).groups())
    assert generated == passed > 50
    assert httpx2.get(alone.url.removesuffix("/v1") + "/health").status_code == 200


@pytest.mark.slow
@pytest.mark.timeout(1300)
def test_thousands_of_generated_requests_are_no_fault_of_the_server(alone, tmp_path):
    print(run_schemathesis(alone, 30, "fuzzing", tmp_path))
    name_known_objects(alone, tmp_path)
    print(run_schemathesis(alone, 30, "examples,coverage,fuzzing,stateful", tmp_path, seconds=1200))
    assert alone.process.poll() is None
