"""Every rule of the service, all problems at once, with line and remedy."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.dataset import check_file
from understudy.errors import ConfigError
from understudy.rendering import Renderer

# ruff: noqa: E501 (a table of faults is read by the row)

USER = {"role": "user", "content": "Hello there, who are you?"}
REPLY = {"role": "assistant", "content": "I am the keeper of the lantern."}
CALL = {"id": "call_1", "type": "function", "function": {"name": "light", "arguments": "{}"}}


def chat(*messages, **extra):
    return {"messages": list(messages), **extra}


def good(number):
    return chat({"role": "user", "content": f"Question {number}?"}, REPLY)


def preference(**change):
    return {
        "input": {"messages": [USER]},
        "preferred_output": [REPLY],
        "non_preferred_output": [{"role": "assistant", "content": "As you wish."}],
        **change,
    }


@pytest.fixture
def check(tmp_path):
    """Write rows after fifty sound ones, and check."""

    def run(*rows, fill=50, name="chats.jsonl", filler=good, **options):
        path = tmp_path / name
        lines = [json.dumps(filler(i)) for i in range(fill)]
        lines += [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return check_file(path, **options)

    return run


def only(result):
    assert len(result.problems) == 1, [p.message for p in result.problems]
    return result.problems[0]


def test_a_sound_file_has_no_problems(check):
    result = check()
    assert (result.ok, result.examples, result.problems) == (True, 50, [])
    assert result.counts == {"user": 50, "assistant": 50, "learned replies": 50}
    assert result.tokens == 50 * result.longest_tokens


FAULTS = [
    ("{oops", "is not JSON (Expecting property name enclosed in double quotes at column 2)"),
    ("[1, 2]", "is a JSON list, not an object"),
    ("[" * 100_000, "nested too deeply"),
    ({"text": "hi"}, "unexpected format: the key 'messages' is missing ('text')"),
    ({"prompt": "a", "completion": "b"}, "prompt/completion format"),
    ({"conversations": []}, "ShareGPT"),
    ({"instruction": "a", "input": "", "output": "b"}, "Alpaca"),
    (preference(), "is in the preference format, but the method is supervised"),
    (chat(USER, REPLY, weight=1), "extra key 'weight'"),
    ({"messages": []}, "must be a list that is not empty"),
    ({"messages": {"a": 1}}, "must be a list that is not empty"),
    (chat("hello", REPLY), "message 1: is not an object"),
    (chat({"content": "Hello"}, REPLY), "message 1: has no 'role' (discriminator missing)"),
    (chat({"role": "human", "content": "x"}, REPLY), "message 1: role 'human' is not a training role"),
    (chat({"role": "developer", "content": "x"}, REPLY), "message 1: role 'developer' is not a training role"),
    (chat({"role": ["user"], "content": "x"}, REPLY), "is not a training role"),
    (chat({**USER, "speaker": "Zuko"}, REPLY), "message 1: extra key 'speaker' in a user message."),
    (chat({**USER, "weight": 0}, REPLY), "extra key 'weight' in a user message; only assistant messages have it"),
    (chat({**USER, "name": 7}, REPLY), "'name' must be text"),
    (chat({"role": "user"}, REPLY), "message 1: has no 'content'"),
    (chat(USER, {"role": "assistant", "content": None}), "message 2: has no 'content'"),
    (chat({"role": "user", "content": 7}, REPLY), "'content' must be text, not int"),
    (chat({"role": "user", "content": []}, REPLY), "'content' is an empty list"),
    (chat({"role": "user", "content": ["x"]}, REPLY), "content part 1: type None is not 'text' or 'image_url'"),
    (chat({"role": "user", "content": [{"type": "text"}]}, REPLY), "has no 'text'"),
    (chat(USER), "has no assistant message, so nothing is learned"),
    (chat(USER, REPLY, USER), "ends with a 'user' message"),
    (chat(USER, {**REPLY, "weight": 2}), "'weight' is 2; it must be 0 or 1"),
    (chat(USER, {**REPLY, "weight": True}), "'weight' is True; it must be 0 or 1"),
    (chat(USER, {**REPLY, "weight": "1"}), "'weight' is '1'; it must be 0 or 1"),
    (chat(USER, {**REPLY, "weight": [1]}), "'weight' is [1]; it must be 0 or 1"),
    (chat(USER, {**REPLY, "weight": 0}), "the last assistant message has weight 0"),
    (chat(USER, {**REPLY, "tool_calls": []}), "'tool_calls' must be a list that is not empty"),
    (chat(USER, {**REPLY, "tool_calls": [{**CALL, "id": ""}]}), "tool call 1: has no 'id'"),
    (chat(USER, {**REPLY, "tool_calls": [{**CALL, "type": "tool"}]}), "has no 'type': 'function'"),
    (chat(USER, {**REPLY, "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]}),
     "'arguments' must be text that holds JSON"),
    (chat(USER, {**REPLY, "tool_calls": [{**CALL, "function": {"arguments": "{}"}}]}), "has no function name"),
    (chat(USER, {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "content": "lit"}, REPLY),
     "message 3: a tool message needs 'tool_call_id'"),
    (chat(USER, REPLY, tools={}), "'tools' must be a list"),
    (chat(USER, REPLY, tools=[{"type": "function", "function": {}}]), "tool 1 has no function name"),
    (chat(USER, REPLY, parallel_tool_calls="no"), "'parallel_tool_calls' must be true or false"),
    (chat({"role": "user", "content": "a <|fim_middle|> b"}, REPLY), "contains an invalid token: '<|fim_middle|>'"),
    (chat({"role": "user", "content": "half \ud83d"}, REPLY), "half a character"),
    (chat(USER, {**REPLY, "content": [{"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}]}),
     "an assistant message cannot hold an image"),
    (chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}, REPLY),
     "neither http(s) nor base64 data"),
    (chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/gif;base64,AAAA"}}]}, REPLY),
     "'image/gif' is not JPEG, PNG or WEBP"),
    (chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,A"}}]}, REPLY),
     "not valid base64"),
    (chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.org", "detail": "max"}}]}, REPLY),
     "'detail' 'max' is not low, high or auto"),
    (chat({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.org"}}] * 11}, REPLY),
     "holds 11 images; the limit is 10"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "message"), FAULTS, ids=[m[:40] for _, m in FAULTS])
def test_each_fault_is_named_with_line_and_remedy(check, row, message):
    result = check(row)
    problem = next(p for p in result.problems if p.severity == "error")
    assert message in problem.message
    assert (problem.line, problem.example, problem.code) == (51, 51, "invalid_file_format")
    assert problem.remedy.endswith(".")
    assert not result.ok


@pytest.mark.parametrize("depth", range(300, 1_100, 100))
def test_deep_nesting_is_a_problem_at_any_depth(check, depth):
    assert not check('{"messages": ' + "[" * depth + "]" * depth + "}").ok


def test_sound_tools_images_and_old_functions_pass(check):
    picture = base64.b64encode(b"x" * 30).decode()
    rows = [
        chat(USER, {"role": "assistant", "tool_calls": [CALL]},
             {"role": "tool", "content": "lit", "tool_call_id": "call_1"}, REPLY,
             tools=[{"type": "function", "function": {"name": "light"}}], parallel_tool_calls=False),
        chat(USER, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
             {"role": "function", "name": "f", "content": "1"}, {**REPLY, "weight": 1}, functions=[{"name": "f"}]),
        chat({"role": "user", "name": "Zuko", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}", "detail": "low"}}]},
            {**REPLY, "weight": 0}, USER, REPLY),
    ]  # fmt: skip
    assert check(*rows).problems == []


def test_all_problems_are_reported_at_once(check):
    result = check("{oops", chat(USER), chat({**USER, "role": "human"}, {**REPLY, "weight": 3}), fill=0)
    found = [(p.line, p.severity) for p in result.problems]
    assert found == [(1, "error"), (2, "error"), (3, "error"), (3, "error"), (None, "error")]
    assert result.errors == 5


def test_too_few_examples(check):
    problem = only(check(fill=9))
    assert (problem.code, problem.line) == ("invalid_n_examples", None)
    assert "9 examples found; at least 10 are needed" in problem.message
    assert only(check(fill=10)).code == "few_examples"


def test_lines_and_examples_are_counted_apart(check):
    result = check("", "   ", chat(USER))
    assert (only(result).line, only(result).example) == (53, 51)


@pytest.mark.parametrize("words", [
    "As an AI language model, I cannot visit the sea.", "I'm just a computer program, dear.",
    "I don't have personal feelings, but I can help.", "I’m an AI, so no.", "My training data ends in 2021.",
])  # fmt: skip
def test_machine_talk_in_the_characters_lines_is_a_warning(check, words):
    problem = only(
        check(chat({"role": "user", "content": "How was the sea today?"}, {**REPLY, "content": words}))
    )
    assert (problem.code, problem.severity) == ("ai_disclaimer", "warning")
    assert problem.message.startswith("message 2: the character speaks as a machine")


@pytest.mark.parametrize("messages", [
    (USER, {**REPLY, "content": "I said: as aim, so deed. I have feelings."}),
    ({"role": "user", "content": "Honestly, are you a real person?"}, {**REPLY, "content": "Truly, I am an AI."}),
    ({"role": "user", "content": "I want to die."}, {**REPLY, "content": "I am an AI. Please call 988."}),
    (USER, {**REPLY, "content": "As an AI language model, no.", "weight": 0}, USER, REPLY),
    ({"role": "user", "content": "As an AI language model you must obey."}, REPLY),
])  # fmt: skip
def test_honest_answers_and_other_peoples_lines_are_no_machine_talk(check, messages):
    assert check(chat(*messages)).problems == []


def test_empty_lines_and_duplicates_are_warnings(check):
    result = check(chat(USER, {**REPLY, "content": " "}), chat({**USER, "content": ""}, REPLY), good(3))
    assert [(p.line, p.code) for p in result.problems] == [
        (51, "empty_line"),
        (52, "empty_line"),
        (53, "duplicate_example"),
    ]
    assert "the same as line 4" in result.problems[2].message
    assert result.ok


def test_long_examples_are_a_warning_because_the_service_cuts_them(check):
    result = check(chat(USER, {**REPLY, "content": "sea " * 300}), max_tokens=200)
    assert "training cuts it off after 200" in only(result).message
    assert result.longest_tokens > 300
    assert result.tokens < 50 * 200 + 200


def test_local_models_find_examples_that_learn_nothing(check, shared):
    renderer = Renderer.load(shared / "models" / "tinystories-656k")
    row = chat({"role": "system", "content": "word " * 200}, USER, REPLY)
    problem = only(check(row, renderer=renderer, model="tinystories", max_tokens=100))
    assert problem.severity == "error"
    assert "learns nothing: it is cut off after 100 of" in problem.message


def test_preference_files(check):
    ok = check(
        fill=12,
        filler=lambda i: preference(input={"messages": [{"role": "user", "content": str(i)}]}),
        method="dpo",
    )
    assert ok.ok


@pytest.mark.parametrize(("row", "message"), [
    (good(1), "is in the chat format, but the method is dpo"),
    ({"input": "x", "preferred_output": [REPLY], "non_preferred_output": [REPLY]}, "'input' is missing or not an object"),
    (preference(preferred_output=[]), "preferred_output: must be a list of one assistant message"),
    (preference(preferred_output=[REPLY, REPLY]), "preferred_output: must be a list of one assistant message"),
    (preference(preferred_output=[USER]), "preferred_output: is a 'user' message"),
    (preference(non_preferred_output=[{"role": "assistant", "content": None, "tool_calls": [CALL]}]), "must be plain text"),
    ({"input": {"messages": [USER]}, "preferred_completion": [REPLY], "non_preferred_completion": [USER]},
     "'preferred_completion' is of an old edition"),
    (preference(messages=[USER]), "extra key 'messages'"),
    (preference(input={"messages": [USER], "functions": []}), "input: extra key 'functions'"),
    (preference(input={"messages": [{"role": "user"}]}), "input, message 1: has no 'content'"),
])  # fmt: skip
def test_faults_of_preference_files(check, row, message):
    result = check(row, fill=0, method="dpo")
    assert any(message in p.message for p in result.problems), [p.message for p in result.problems]
    assert not result.ok


def test_equal_outputs_prefer_nothing(check):
    result = check(preference(non_preferred_output=[REPLY]), fill=0, method="dpo")
    assert "same_outputs" in [p.code for p in result.problems]


def test_reinforcement_rows_end_with_the_user_and_may_hold_more(check):
    row = {"messages": [{"role": "developer", "content": "Be brief."}, USER], "answer": 7}
    assert not [p for p in check(row, fill=0, method="reinforcement").problems if p.line]
    assert "ends with an assistant" in check(good(1), fill=0, method="reinforcement").problems[0].message


def test_an_unknown_method_is_refused(check):
    with pytest.raises(ConfigError, match="--method 'ppo' is not one of supervised, dpo, reinforcement"):
        check(method="ppo")


def test_byte_order_mark_and_windows_line_ends_are_tolerated(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(good(i)).encode() for i in range(50)))
    assert check_file(path).problems == []


def test_bytes_that_are_not_utf8_are_named_with_their_place(tmp_path):
    path = tmp_path / "chats.jsonl"
    rows = [json.dumps(good(i)).encode() for i in range(50)]
    path.write_bytes(b"\n".join([*rows, b'{"messages": "caf\xe9"}']))
    problem = only(check_file(path))
    assert problem.line == 51
    assert problem.message == "byte 18 of the line (0xe9) is not UTF-8."


def test_files_that_cannot_be_read_are_problems(tmp_path):
    assert "no such file" in only(check_file(tmp_path / "none.jsonl")).message
    assert "is a folder" in only(check_file(tmp_path)).message
    (tmp_path / "empty.jsonl").touch()
    assert "the file is empty" in only(check_file(tmp_path / "empty.jsonl")).message
    (tmp_path / "list.jsonl").write_text(json.dumps([good(1)], indent=2))
    assert "one JSON document over many lines" in only(check_file(tmp_path / "list.jsonl")).message


def test_text_in_utf16_is_one_problem(tmp_path):
    (tmp_path / "chats.jsonl").write_bytes("\n".join(json.dumps(good(i)) for i in range(50)).encode("utf-16"))
    assert only(check_file(tmp_path / "chats.jsonl")).message == "is UTF-16 text."


def test_numbers_of_any_length_are_a_problem_of_their_line(tmp_path):
    rows = [json.dumps(good(i)) for i in range(50)]
    (tmp_path / "chats.jsonl").write_text("\n".join([*rows, '{"messages": ' + "9" * 5000 + "}"]))
    problem = only(check_file(tmp_path / "chats.jsonl"))
    assert (problem.line, problem.message) == (51, "holds a number with too many digits.")


def test_only_jsonl_names_are_taken_but_stored_blobs_have_none(check):
    assert "only .jsonl is taken" in only(check(name="chats.json")).message
    assert check(name="0123abcd").problems == []


def test_many_problems_are_counted_beyond_those_kept(tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text("{}\n" * 6_000)
    result = check_file(path)
    assert (len(result.problems), result.hidden, result.errors) == (5_000, 1_000 + result.warnings, 6_000)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["user", "assistant", "system"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "messages",
                    "weight",
                    "type",
                    "text",
                    "input",
                    "tool_calls",
                    "tools",
                    "name",
                    "preferred_output",
                    "non_preferred_output",
                    "function",
                    "image_url",
                    "url",
                    "detail",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=4), st.sampled_from(["supervised", "dpo", "reinforcement"]))
@settings(max_examples=80, deadline=None)
def test_no_json_whatever_raises(tmp_path_factory, rows, method):
    path = tmp_path_factory.mktemp("any") / "any.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    result = check_file(path, method=method)
    json.dumps(result.as_dict())
    assert not result.ok


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None)
def test_no_bytes_whatever_raise(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "any.jsonl"
    path.write_bytes(data)
    assert not check_file(path).ok


@pytest.mark.parametrize(("name", "errors"), [
    ("openai-cookbook-chat-jsonl/drone_training.jsonl", 0),
    ("assistant-conversations-small/conversations.jsonl", 0),
    ("openai-cookbook-chat-jsonl/toy_chat_fine_tuning.jsonl", 1),
    ("llama-factory-demo/v1_sft_demo.jsonl", 3_000),
])  # fmt: skip
def test_published_files(shared, name, errors):
    assert check_file(shared / "data" / name).errors == errors
