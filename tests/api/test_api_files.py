"""Files: what is taken, what is refused and how, and what comes back."""

import io
import json
import time

import openai
import pytest
from running_server import chat_lines

from understudy.api.files import FileDesk
from understudy.api.settings import ServerSettings
from understudy.api.store import Store


def upload(client, content: bytes, name: str = "chats.jsonl", purpose: str = "fine-tune", **more):
    return client.files.create(file=(name, content), purpose=purpose, **more)


def test_gives_back_the_bytes_that_were_uploaded(client):
    content = chat_lines()

    file = upload(client, content)

    assert (file.object, file.purpose, file.status, file.bytes) == (
        "file",
        "fine-tune",
        "processed",
        len(content),
    )
    assert file.id.startswith("file-")
    assert client.files.content(file.id).read() == content
    assert client.files.retrieve(file.id) == file


def test_takes_byte_order_marks_and_windows_line_ends(client):
    content = b"\xef\xbb\xbf" + chat_lines().replace(b"\n", b"\r\n")

    assert upload(client, content).bytes == len(content)


def test_lists_newest_first_and_pages_without_gaps_or_repeats(client):
    ids = [upload(client, chat_lines(10, f"page {i}")).id for i in range(5)]

    listed = [file.id for file in client.files.list(limit=2, purpose="fine-tune")]
    ascending = [file.id for file in client.files.list(limit=2, order="asc")]

    assert listed[:5] == ids[::-1]
    assert [i for i in ascending if i in ids] == ids
    assert len(set(listed)) == len(listed)


def test_forgets_a_deleted_file_but_not_its_twin(client):
    first, second = upload(client, chat_lines(11, "twin")), upload(client, chat_lines(11, "twin"))

    answer = client.files.delete(first.id)

    assert (answer.deleted, answer.id, answer.object) == (True, first.id, "file")
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(first.id)
    assert client.files.content(second.id).read() == chat_lines(11, "twin")


def test_names_an_unknown_file_with_param_id(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.files.retrieve("file-nothere")

    assert (caught.value.param, caught.value.code, caught.value.type) == ("id", None, "invalid_request_error")
    assert "file-nothere" in caught.value.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"messages": []}\n{oops\n', "Line 2 is not valid JSON"),
        (b'{"messages": []}\n[1, 2]\n', "Line 2 is not a JSON object"),
        (b"hello world\n", "line 1 begins with: 'hello world'"),
        (b'{"a": "\xff"}\n', "Line 1 is not UTF-8"),
        (b"\n\n", "holds no line"),
        (b"[" * 100_000 + b"\n", "nested too deeply"),
    ],
)
def test_refuses_what_is_not_json_lines_at_once_naming_the_line(client, content, words):
    with pytest.raises(openai.BadRequestError) as caught:
        upload(client, content)

    assert words in caught.value.message
    assert caught.value.param == "file"


def test_refuses_an_empty_file_and_an_unknown_purpose(client):
    with pytest.raises(openai.BadRequestError, match="empty"):
        upload(client, b"")
    with pytest.raises(openai.BadRequestError) as caught:
        upload(client, chat_lines(), purpose="training")
    assert (caught.value.code, caught.value.param) == ("invalid_value", "purpose")


def test_client_file_names_touch_no_path(client, server):
    file = upload(client, chat_lines(12, "escape"), name="../../../evil.jsonl")

    assert "/" not in file.filename or file.filename.endswith("evil.jsonl")
    assert not list(server.home.parent.rglob("evil*"))
    assert client.files.content(file.id).read() == chat_lines(12, "escape")


def test_keeps_an_expiry_that_was_asked_for(client):
    file = upload(client, chat_lines(), expires_after={"anchor": "created_at", "seconds": 3600})

    assert file.expires_at == file.created_at + 3600
    with pytest.raises(openai.BadRequestError) as caught:
        upload(client, chat_lines(), expires_after={"anchor": "created_at", "seconds": 1})
    assert caught.value.param == "expires_after[seconds]"


def test_an_expired_file_is_gone_with_its_bytes(tmp_path, monkeypatch):
    settings = ServerSettings(home=tmp_path)
    store = Store(settings.store_path)
    files = FileDesk(settings, store)
    short = files.record(files.receive(io.BytesIO(chat_lines()), "a.jsonl", "fine-tune", 3600))
    kept = files.record(files.receive(io.BytesIO(chat_lines(11)), "b.jsonl", "fine-tune", None))
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601)

    assert store.file(short.id) is None
    files.produce(b"x", "c.txt", "user_data")  # Any new file sweeps.

    assert not files.path(short).exists()
    assert files.path(kept).exists()
    store.close()


def test_a_form_without_a_file_is_refused_in_the_envelope(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/files", body={"purpose": "fine-tune"}, cast_to=object)

    assert json.loads(caught.value.response.text)["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("name", ["file", "upload", "Training.JSONL", "a.b.jsonl"])
def test_a_name_without_an_ending_is_taken_as_old_clients_send_it(client, name):
    assert upload(client, chat_lines(), name).filename == name


@pytest.mark.parametrize("name", ["a.json", "a.txt", "a.jsonl.gz", "a.v2", "C:\\data\\a.csv"])
def test_another_ending_is_refused(client, name):
    with pytest.raises(openai.BadRequestError, match=r"Only \.jsonl files"):
        upload(client, chat_lines(), name)
