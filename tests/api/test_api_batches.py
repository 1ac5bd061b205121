"""Batches: many requests in a file, their answers in another, and every way to end."""

import asyncio
import json
import time

import openai
import pytest
from running_server import wait_for_batch

from understudy.api.batch_journal import BatchJournal
from understudy.api.batch_lines import check_lines
from understudy.api.batches import BatchDesk
from understudy.api.files import FileDesk
from understudy.api.problem import Problem
from understudy.api.settings import ServerSettings
from understudy.api.store import Store

CHAT = "/v1/chat/completions"


def line(custom_id, text="hello", url=CHAT, **body):
    content = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": text}]} | body
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": content}


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def upload(client, rows):
    return client.files.create(file=("requests.jsonl", jsonl(rows)), purpose="batch")


def create(client, rows, **options):
    options = {"endpoint": CHAT, "completion_window": "24h"} | options
    return client.batches.create(input_file_id=upload(client, rows).id, **options)


def rows_of(client, file_id):
    return {row["custom_id"]: row for row in map(json.loads, client.files.content(file_id).text.splitlines())}


def test_answers_every_line_in_a_file(client):
    batch = create(client, [line(f"r{i}", f"say {i}") for i in range(25)], metadata={"for": "test"})
    assert (batch.status, batch.object, batch.endpoint) == ("validating", "batch", CHAT)
    assert batch.expires_at == batch.created_at + 24 * 3600

    done = wait_for_batch(client, batch.id)

    assert (done.status, done.errors, done.error_file_id) == ("completed", None, None)
    assert done.metadata == {"for": "test"}
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (25, 25, 0)
    assert done.in_progress_at <= done.finalizing_at <= done.completed_at
    rows = rows_of(client, done.output_file_id)
    assert set(rows) == {f"r{i}" for i in range(25)}
    row = rows["r7"]
    assert row.keys() == {"id", "custom_id", "response", "error"}
    assert (row["error"], row["response"]["status_code"]) == (None, 200)
    assert row["response"]["request_id"].startswith("req_")
    assert row["response"]["body"]["choices"][0]["message"]["content"] == "base say 7"
    assert (done.usage.input_tokens, done.usage.output_tokens) == (25 * 7, 25 * 3)
    file = client.files.retrieve(done.output_file_id)
    assert (file.purpose, file.filename) == ("batch_output", f"{batch.id}_output.jsonl")


def test_puts_refused_lines_into_a_file_of_their_own(client):
    rows = [
        line("good"), line("hot", temperature=9), line("unknown", model="gpt-4o-mini", colour="red"),
        line("stream", stream=True), line("long", "FAKE_TOO_LONG"),
    ]  # fmt: skip
    done = wait_for_batch(client, create(client, rows).id)

    assert (done.request_counts.completed, done.request_counts.failed) == (1, 4)
    failed = rows_of(client, done.error_file_id)
    codes = {key: row["response"]["body"]["error"]["code"] for key, row in failed.items()}
    assert codes == {
        "hot": "decimal_above_max_value",
        "unknown": "unknown_parameter",
        "stream": "unsupported_value",
        "long": "context_length_exceeded",
    }
    assert {row["response"]["status_code"] for row in failed.values()} == {400}


def test_scores_in_batches_too(client):
    url = "/v1/understudy/score"
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Sit down"}]
    rows = [{**line("s", url=url), "body": {"model": "gpt-4o-mini", "messages": messages}}]

    done = wait_for_batch(client, create(client, rows, endpoint=url).id)

    body = rows_of(client, done.output_file_id)["s"]["response"]["body"]
    assert body["messages"] == [{"index": 1, "logprob": -3.0, "tokens": 2, "bytes": 8}]


@pytest.mark.parametrize(
    ("rows", "code", "param", "number"),
    [
        ([line("a"), line("a")], "duplicate_custom_id", "custom_id", 2),
        ([line("a"), line("b", url="/v1/embeddings")], "mismatched_endpoint", "url", 2),
        ([line("a") | {"method": "GET"}], "invalid_method", "method", 1),
        ([line("a") | {"body": "hi"}], "invalid_type", "body", 1),
        ([line("")], "invalid_custom_id", "custom_id", 1),
        ([line("a") | {"custom_id": 7}], "invalid_custom_id", "custom_id", 1),
        ([line("a") | {"colour": 1}], "unknown_parameter", "colour", 1),
        ([{"custom_id": "a", "method": "POST", "url": CHAT}], "missing_required_parameter", "body", 1),
        ([line("a"), line("b", model="gpt-4o")], "mismatched_model", "body.model", 2),
    ],
)
def test_a_faulty_file_fails_the_batch_and_names_the_line(client, rows, code, param, number):
    failed = wait_for_batch(client, create(client, rows).id)

    assert failed.status == "failed"
    assert failed.failed_at >= failed.created_at
    (fault,) = failed.errors.data
    assert (fault.code, fault.param, fault.line) == (code, param, number)
    assert fault.message
    assert failed.output_file_id is None


def test_all_faulty_lines_are_named(client):
    failed = wait_for_batch(client, create(client, [line("a"), line("a"), line("a") | {"method": "PUT"}]).id)

    assert [fault.line for fault in failed.errors.data] == [2, 3]


@pytest.mark.parametrize(
    ("options", "code", "param"),
    [
        ({"endpoint": "/v1/embeddings"}, "invalid_value", "endpoint"),
        ({"completion_window": "1h"}, "invalid_value", "completion_window"),
        ({"input_file_id": "file-nothere"}, "invalid_input_file", "input_file_id"),
        ({"metadata": {str(i): "x" for i in range(17)}}, "object_above_max_properties", "metadata"),
        ({"extra_body": {"colour": "red"}}, "unknown_parameter", "colour"),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 1}},
            "integer_below_min_value",
            "output_expires_after.seconds",
        ),
    ],
)
def test_a_faulty_request_is_refused_at_once(client, options, code, param):
    values = {"endpoint": CHAT, "completion_window": "24h", "input_file_id": upload(client, [line("a")]).id}
    with pytest.raises(openai.BadRequestError) as caught:
        client.batches.create(**(values | options))

    assert (caught.value.code, caught.value.param) == (code, param)


def test_a_file_of_another_purpose_is_refused(client):
    file = client.files.create(file=("x.txt", b"hello"), purpose="user_data")
    with pytest.raises(openai.BadRequestError, match="purpose 'user_data'") as caught:
        client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h")
    assert caught.value.param == "input_file_id"


def test_output_files_expire_when_asked_and_input_files_in_thirty_days(client):
    file = upload(client, [line("a")])
    assert file.expires_at == file.created_at + 30 * 24 * 3600
    expiry = {"anchor": "created_at", "seconds": 7200}

    done = wait_for_batch(client, create(client, [line("a")], output_expires_after=expiry).id)

    output = client.files.retrieve(done.output_file_id)
    assert output.expires_at == output.created_at + 7200


def test_a_cancelled_batch_keeps_what_was_answered(client):
    batch = create(client, [line("quick"), *(line(f"slow{i}", "FAKE_SLOW " * 40) for i in range(20))])
    behind = create(client, [line("behind")])
    while client.batches.retrieve(batch.id).request_counts.completed < 1:
        time.sleep(0.02)

    assert client.batches.cancel(behind.id).status == "cancelling"
    assert client.batches.cancel(batch.id).status == "cancelling"

    done = wait_for_batch(client, batch.id)
    assert (done.status, done.request_counts.total) == ("cancelled", 21)
    assert done.cancelling_at <= done.cancelled_at
    assert "quick" in rows_of(client, done.output_file_id)
    assert wait_for_batch(client, behind.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="its status is cancelled") as caught:
        client.batches.cancel(batch.id)
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_lists_batches_newest_first_by_pages(client):
    ids = [create(client, [line("a")]).id for _ in range(3)]

    page = client.batches.list(limit=2)
    listed = [batch.id for batch in client.batches.list(limit=2)]

    assert page.has_more
    assert [batch.id for batch in page.data] == ids[:0:-1]
    assert listed[:3] == ids[::-1]
    assert len(set(listed)) == len(listed)
    for options, code in (({"limit": 101}, "integer_above_max_value"), ({"after": "batch_x"}, None)):
        with pytest.raises(openai.BadRequestError) as caught:
            client.batches.list(**options)
        assert caught.value.code == code


def test_unknown_batches_are_404(client):
    for call in (client.batches.retrieve, client.batches.cancel):
        with pytest.raises(openai.NotFoundError, match="batch_nothere") as caught:
            call("batch_nothere")
        assert caught.value.param == "batch_id"


def test_a_deleted_input_file_does_not_stop_its_batch(client):
    batch = create(client, [line(f"r{i}", "FAKE_SLOW twice") for i in range(9)])
    client.files.delete(batch.input_file_id)

    assert wait_for_batch(client, batch.id).request_counts.completed == 9


def test_a_killed_server_goes_on_and_answers_no_line_twice(own_server):
    with own_server.client() as client:
        batch = create(client, [line(f"r{i}", "FAKE_SLOW a b") for i in range(40)])
        while client.batches.retrieve(batch.id).request_counts.completed < 5:
            time.sleep(0.02)
    own_server.kill()
    own_server.start()

    with own_server.client() as client:
        done = wait_for_batch(client, batch.id)
        assert (done.status, done.request_counts.completed) == ("completed", 40)
        ids = [
            json.loads(row)["custom_id"]
            for row in client.files.content(done.output_file_id).text.splitlines()
        ]
    assert sorted(ids) == sorted({f"r{i}" for i in range(40)})
    assert not list((own_server.home / "batches").iterdir())


# --- the parts, where a server would take a day or a crash ------------------------------------------


def test_half_a_line_at_the_end_of_the_journal_is_forgotten(tmp_path):
    journal = BatchJournal(tmp_path)
    journal.add("a", status=200, request_id="req_1", body={"usage": {"prompt_tokens": 3}})
    journal.add("b", status=400, request_id="req_2", body={})
    with open(journal.path(good=True), "ab") as file:
        file.write(b'{"custom_id": "c", "resp')

    again = BatchJournal(tmp_path)

    assert ("a" in again, "b" in again, "c" in again) == (True, True, False)
    assert (again.completed, again.failed, again.usage()["input_tokens"]) == (1, 1, 3)


def test_too_many_lines_and_none_are_faults_of_the_file(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"\n")
    assert [fault.code for fault in check_lines(path, CHAT)[1]] == ["empty_file"]
    path.write_bytes(b"\xef\xbb\xbf" + jsonl(line(str(i)) for i in range(50_001)))
    count, faults = check_lines(path, CHAT)
    assert (count, [fault.code for fault in faults]) == (50_001, ["too_many_requests"])
    path.write_bytes(b"{oops\n")
    assert [fault.code for fault in check_lines(path, CHAT)[1]] == ["invalid_json_line"]


def test_lines_without_an_answer_when_the_day_is_over_are_errors(tmp_path):
    settings = ServerSettings(home=tmp_path)
    store = Store(settings.store_path)
    files = FileDesk(settings, store)
    file = files.produce(
        jsonl([line("quick"), *(line(f"slow{i}", "slow") for i in range(9))]), "a.jsonl", "batch"
    )
    tries = []

    async def answer(body):
        if body["messages"][0]["content"] == "slow":
            await asyncio.sleep(60)
        tries.append(1)
        if len(tries) < 3:
            raise Problem(500, "The inference process has ended.")
        return {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}

    async def work():
        desk = BatchDesk(settings, store, files, {CHAT: answer}, window_seconds=1.0)
        values = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
        batch = desk.create(values)
        desk.start()
        while desk.retrieve(batch["id"])["status"] != "expired":
            await asyncio.sleep(0.02)
        await desk.stop()
        return desk.retrieve(batch["id"])

    batch = asyncio.run(asyncio.wait_for(work(), 20))

    assert batch["request_counts"] == {"total": 10, "completed": 1, "failed": 9}
    errors = [
        json.loads(row) for row in files.path(files.get(batch["error_file_id"])).read_text().splitlines()
    ]
    assert {row["error"]["code"] for row in errors} == {"batch_expired"}
    assert all(row["response"] is None for row in errors)
    assert len(tries) == 3  # Faults of the server are tried again.
    store.close()
