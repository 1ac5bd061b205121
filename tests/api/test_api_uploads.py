"""Uploads: a file in parts, joined in the order that the client names."""

import hashlib

import openai
import pytest
from running_server import chat_lines, wait_for


def begin(client, content, **options):
    usual = {
        "bytes": len(content),
        "filename": "big.jsonl",
        "mime_type": "text/jsonl",
        "purpose": "fine-tune",
    }
    return client.uploads.create(**(usual | options))


def refused(call, kind=openai.BadRequestError):
    with pytest.raises(kind) as caught:
        call()
    return caught.value


def test_joins_parts_in_the_named_order_and_the_file_trains(client):
    content = chat_lines()
    upload = begin(client, content)
    assert (upload.status, upload.file, upload.expires_at) == ("pending", None, upload.created_at + 3600)
    second = client.uploads.parts.create(upload.id, data=content[100:])
    first = client.uploads.parts.create(upload.id, data=content[:100])
    assert (first.object, first.upload_id) == ("upload.part", upload.id)

    md5 = hashlib.md5(content).hexdigest()
    done = client.uploads.complete(upload.id, part_ids=[first.id, second.id], md5=md5)

    assert (done.status, done.file.purpose, done.file.bytes) == ("completed", "fine-tune", len(content))
    assert client.files.content(done.file.id).read() == content
    numbers = {"n_epochs": 1, "batch_size": 12}
    job = client.fine_tuning.jobs.create(model="gpt-4o", training_file=done.file.id, hyperparameters=numbers)
    assert wait_for(client, job.id).status == "succeeded"


def test_the_clients_own_chunking_works(client, tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_bytes(chat_lines(200))

    done = client.uploads.upload_file_chunked(
        file=path, mime_type="text/jsonl", purpose="fine-tune", part_size=4096
    )

    assert done.status == "completed"
    assert client.files.content(done.file.id).read() == chat_lines(200)


def test_a_joined_file_is_checked_as_any_other(client):
    content = b'{"messages": []}\n{oops\n'
    upload = begin(client, content)
    part = client.uploads.parts.create(upload.id, data=content)

    error = refused(lambda: client.uploads.complete(upload.id, part_ids=[part.id]))

    assert (error.code, error.param) == ("invalid_jsonl_file", "file")
    assert "Line 2" in error.message


def test_sizes_checksums_and_parts_must_fit(client):
    content = chat_lines()
    upload = begin(client, content)
    half = client.uploads.parts.create(upload.id, data=content[:50])

    faults = [
        (
            lambda: client.uploads.complete(upload.id, part_ids=[half.id]),
            "invalid_value",
            "part_ids",
            "50 bytes",
        ),
        (
            lambda: client.uploads.complete(upload.id, part_ids=["part_x"]),
            "invalid_value",
            "part_ids[0]",
            "part_x",
        ),
        (
            lambda: client.uploads.complete(upload.id, part_ids=["../a"]),
            "invalid_value",
            "part_ids[0]",
            "no part",
        ),
        (lambda: client.uploads.complete(upload.id, part_ids=[]), "empty_array", "part_ids", "length"),
        (lambda: client.uploads.parts.create(upload.id, data=content), "part_too_large", "data", "announced"),
    ]
    for call, code, param, words in faults:
        error = refused(call)
        assert (error.code, error.param) == (code, param)
        assert words in error.message
    rest = client.uploads.parts.create(upload.id, data=content[50:])
    ids = [half.id, rest.id]
    error = refused(lambda: client.uploads.complete(upload.id, part_ids=ids, md5="0" * 32))
    assert (error.code, error.param) == ("invalid_value", "md5")
    assert client.uploads.complete(upload.id, part_ids=ids).status == "completed"
    error = refused(lambda: client.uploads.cancel(upload.id))
    assert (error.code, error.param) == ("invalid_state", "upload_id")


def test_a_cancelled_upload_keeps_nothing(client, server):
    upload = begin(client, chat_lines())
    client.uploads.parts.create(upload.id, data=chat_lines())

    assert client.uploads.cancel(upload.id).status == "cancelled"

    assert not list((server.home / "uploads" / upload.id).glob("part_*"))
    assert "is cancelled" in refused(lambda: client.uploads.parts.create(upload.id, data=b"x")).message


@pytest.mark.parametrize(
    ("options", "code", "param"),
    [
        ({"bytes": 0}, "integer_below_min_value", "bytes"),
        ({"bytes": 10**12}, "file_too_large", "bytes"),
        ({"purpose": "training"}, "invalid_value", "purpose"),
        ({"filename": "a.txt"}, "invalid_file_format", "file"),
        ({"extra_body": {"colour": 1}}, "unknown_parameter", "colour"),
    ],
)
def test_faults_of_the_request_are_refused_at_once(client, options, code, param):
    error = refused(lambda: begin(client, b"x", **options))
    assert (error.code, error.param) == (code, param)


def test_unknown_uploads_are_404(client):
    for name in ("upload_nothere", "..%2Fjobs", "x"):
        error = refused(lambda name=name: client.uploads.cancel(name), openai.NotFoundError)
        assert error.type == "invalid_request_error"


def test_parts_survive_a_kill(own_server):
    content = chat_lines()
    with own_server.client() as client:
        upload = begin(client, content)
        part = client.uploads.parts.create(upload.id, data=content)
    own_server.kill()
    own_server.start()

    with own_server.client() as client:
        done = client.uploads.complete(upload.id, part_ids=[part.id])
        assert client.files.content(done.file.id).read() == content
