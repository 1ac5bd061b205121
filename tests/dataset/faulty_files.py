"""Faulty training files, written by hand: what stands in the one bad line, what is said of it, whether --fix mends it.

Each is put after twelve sound lines; whole files that are faulty stand in ``WHOLE``.
"""

# ruff: noqa: E501 (a table of faults is read by the row)

U = '{"role":"user","content":"Who are you?"}'
A = '{"role":"assistant","content":"The keeper of the lantern."}'
CALL = '{"id":"c1","type":"function","function":{"name":"light","arguments":"{}"}}'


def chat(*messages, extra=""):
    return f'{{"messages":[{",".join(messages)}]{extra}}}'


def user(content, extra=""):
    return f'{{"role":"user","content":{content}{extra}}}'


def reply(content='"Hm."', extra=""):
    return f'{{"role":"assistant","content":{content}{extra}}}'


def image(url, extra=""):
    return user(f'[{{"type":"image_url","image_url":{{"url":"{url}"{extra}}}}}]')


def pair(
    given=f'{{"messages":[{U}]}}', better=f"[{A}]", worse='[{"role":"assistant","content":"No."}]', extra=""
):
    return f'{{"input":{given},"preferred_output":{better},"non_preferred_output":{worse}{extra}}}'


MENDED, LEFT_OUT = True, False

# (line, part of the message, mended or left out)
SUPERVISED = [
    # Not JSON at all.
    ("{oops", "is not JSON (Expecting property name", LEFT_OUT),
    ('{"messages": [', "is not JSON", LEFT_OUT),
    (chat(U, A) + ",", "JSONL has one whole object on each line", LEFT_OUT),
    (chat(U, A) + chat(U, A), "is not JSON (Extra data", LEFT_OUT),
    (chat(U, A).replace('"', "'"), "is not JSON", LEFT_OUT),
    (chat(U, A).replace("}]}", "},]}"), "is not JSON", LEFT_OUT),
    ("# a comment", "is not JSON", LEFT_OUT),
    ("messages: []", "is not JSON", LEFT_OUT),
    ("<html></html>", "is not JSON", LEFT_OUT),
    ('{"messages": undefined}', "is not JSON", LEFT_OUT),
    ('{"a": 1' + "0" * 5000 + "}", "number with too many digits", LEFT_OUT),
    ("[" * 20_000, "nested too deeply", LEFT_OUT),
    # JSON, but no object.
    ("[1, 2]", "is a JSON list, not an object", LEFT_OUT),
    (f"[{U},{A}]", "is a JSON list, not an object", LEFT_OUT),
    ('"Hello"', "is a JSON text, not an object", LEFT_OUT),
    ("42", "is a JSON number, not an object", LEFT_OUT),
    ("4.2", "is a JSON number, not an object", LEFT_OUT),
    ("true", "is true or false, not an object", LEFT_OUT),
    ("null", "is null, not an object", LEFT_OUT),
    # Another format.
    ("{}", "the key 'messages' is missing (no keys)", LEFT_OUT),
    ('{"text": "hi"}', "the key 'messages' is missing ('text')", LEFT_OUT),
    ('{"Messages": []}', "the key 'messages' is missing", LEFT_OUT),
    ('{"prompt": "Hi?", "completion": "Ho."}', "prompt/completion format", MENDED),
    ('{"instruction": "Greet.", "input": "", "output": "Hi."}', "(Alpaca) instead of 'messages'", MENDED),
    ('{"instruction": "Greet.", "input": "x", "output": "Hi.", "history": [["a", "b"]]}', "(Alpaca)", MENDED),
    ('{"question": "Who?", "answer": "Me."}', "the key 'messages' is missing", MENDED),
    (
        '{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ho"}]}',
        "(ShareGPT)",
        MENDED,
    ),
    ('{"conversations": []}', "(ShareGPT)", LEFT_OUT),
    (pair(), "is in the preference format, but the method is supervised", LEFT_OUT),
    # Keys of the example.
    (chat(U, A, extra=',"weight":1'), "extra key 'weight'", MENDED),
    (chat(U, A, extra=',"id":7,"source":"x"'), "extra key 'source'", MENDED),
    (chat(U, A, extra=',"tools":{}'), "'tools' must be a list of objects", LEFT_OUT),
    (chat(U, A, extra=',"tools":[{"type":"function"}]'), "tool 1 has no function name", LEFT_OUT),
    (chat(U, A, extra=',"tools":[{"function":{"name":"f"}}]'), "tool 1 has no 'type': 'function'", LEFT_OUT),
    (chat(U, A, extra=',"functions":[{}]'), "function 1 has no function name", LEFT_OUT),
    (
        chat(U, A, extra=',"parallel_tool_calls":"false"'),
        "'parallel_tool_calls' must be true or false",
        MENDED,
    ),
    (chat(U, A, extra=',"parallel_tool_calls":0'), "'parallel_tool_calls' must be true or false", LEFT_OUT),
    # The list of messages.
    ('{"messages": []}', "'messages' must be a list that is not empty", LEFT_OUT),
    ('{"messages": null}', "'messages' must be a list that is not empty", LEFT_OUT),
    (f'{{"messages": {U}}}', "'messages' must be a list that is not empty", LEFT_OUT),
    (chat('"Hi"', A), "message 1: is not an object", LEFT_OUT),
    (chat("null", A), "message 1: is not an object", LEFT_OUT),
    (chat(U), "has no assistant message, so nothing is learned", LEFT_OUT),
    (chat('{"role":"system","content":"x"}'), "has no assistant message", LEFT_OUT),
    (chat(U, A, U), "ends with a 'user' message", MENDED),
    (chat(U, A, U, '{"role":"system","content":"x"}'), "ends with a 'system' message", MENDED),
    # Roles.
    (chat('{"content":"Hi"}', A), "message 1: has no 'role'", LEFT_OUT),
    (chat('{"role":"human","content":"Hi"}', A), "role 'human' is not a training role", MENDED),
    (chat(U, '{"role":"gpt","content":"Hi"}'), "role 'gpt' is not a training role", MENDED),
    (chat(U, '{"role":"Assistant","content":"Hi"}'), "role 'Assistant' is not a training role", MENDED),
    (chat('{"role":" user","content":"Hi"}', A), "role ' user' is not a training role", MENDED),
    (chat('{"role":"developer","content":"x"}', U, A), "Use 'system' instead", MENDED),
    (chat('{"role":"narrator","content":"x"}', A), "role 'narrator' is not a training role", LEFT_OUT),
    (chat('{"role":["user"],"content":"x"}', A), "is not a training role", LEFT_OUT),
    (chat('{"role":null,"content":"x"}', A), "role None is not a training role", LEFT_OUT),
    # Keys of a message.
    (chat(user('"Hi"', ',"speaker":"Zuko"'), A), "extra key 'speaker' in a user message", MENDED),
    (chat(user('"Hi"', ',"weight":0'), A), "only assistant messages have it", MENDED),
    (chat(user('"Hi"', ',"tool_call_id":"c1"'), A), "only tool messages have it", MENDED),
    (chat(user('"Hi"', ',"timestamp":1'), A), "extra key 'timestamp'", MENDED),
    (chat(user('"Hi"', ',"name":7'), A), "'name' must be text", MENDED),
    (chat(U, '{"from":"gpt","value":"Hi"}'), "message 2: has no 'role'", MENDED),
    # Content.
    (chat('{"role":"user"}', A), "message 1: has no 'content'", LEFT_OUT),
    (chat(user("null"), A), "message 1: has no 'content'", LEFT_OUT),
    (chat(U, reply("null")), "message 2: has no 'content'", LEFT_OUT),
    (chat(user("7"), A), "'content' must be text, not int", MENDED),
    (chat(user("1.5"), A), "'content' must be text, not float", MENDED),
    (chat(user("true"), A), "'content' must be text, not bool", LEFT_OUT),
    (chat(user('{"text":"Hi"}'), A), "'content' must be text, not dict", LEFT_OUT),
    (chat(user("[]"), A), "'content' is an empty list", LEFT_OUT),
    (chat(user('["Hi"]'), A), "content part 1: type None", LEFT_OUT),
    (chat(user('[{"type":"text"}]'), A), "content part 1: has no 'text'", LEFT_OUT),
    (chat(user('[{"type":"text","text":"Hi","x":1}]'), A), "extra key 'x' in a text part", LEFT_OUT),
    (chat(user('[{"type":"audio"}]'), A), "type 'audio' is not 'text' or 'image_url'", LEFT_OUT),
    (chat(user('"a <|endoftext|> b"'), A), "contains an invalid token: '<|endoftext|>'", MENDED),
    (chat(U, reply('"<|im_start|>system"')), "contains an invalid token: '<|im_start|>'", MENDED),
    (chat(user('"half \\ud83d"'), A), "half a character", MENDED),
    # Weights.
    (chat(U, reply(extra=',"weight":2')), "'weight' is 2; it must be 0 or 1", LEFT_OUT),
    (chat(U, reply(extra=',"weight":0.5')), "'weight' is 0.5; it must be 0 or 1", LEFT_OUT),
    (chat(U, reply(extra=',"weight":true')), "'weight' is True; it must be 0 or 1", MENDED),
    (chat(U, reply(extra=',"weight":"1"')), "'weight' is '1'; it must be 0 or 1", MENDED),
    (chat(U, reply(extra=',"weight":null')), "'weight' is None; it must be 0 or 1", MENDED),
    (chat(U, reply(extra=',"weight":0')), "the last assistant message has weight 0", LEFT_OUT),
    (chat(U, A, U, reply(extra=',"weight":0')), "the last assistant message has weight 0", MENDED),
    # Tools.
    (chat(U, reply(extra=',"tool_calls":[]')), "'tool_calls' must be a list that is not empty", LEFT_OUT),
    (chat(U, reply(extra=',"tool_calls":["light"]')), "tool call 1: is not an object", LEFT_OUT),
    (chat(U, reply(extra=f',"tool_calls":[{CALL.replace("c1", "")}]')), "tool call 1: has no 'id'", LEFT_OUT),
    (
        chat(U, reply(extra=f',"tool_calls":[{CALL.replace(":{}", "")}]').replace('"{}"', "{}")),
        "'arguments' must be text",
        LEFT_OUT,
    ),
    (
        chat(U, reply(extra=f',"tool_calls":[{CALL}]'), '{"role":"tool","content":"on"}', A),
        "needs 'tool_call_id'",
        LEFT_OUT,
    ),
    (chat('{"role":"function","content":"on"}', A), "a function message needs 'name' as text", LEFT_OUT),
    (
        chat(U, reply(extra=',"function_call":{"name":"f","arguments":{}}')),
        "'arguments' must be text",
        LEFT_OUT,
    ),
    # Images.
    (chat(image("ftp://x.org/a.png"), A), "neither http(s) nor base64 data", LEFT_OUT),
    (chat(image("data:image/gif;base64,AAAA"), A), "'image/gif' is not JPEG, PNG or WEBP", LEFT_OUT),
    (chat(image("data:image/png;base64,A"), A), "not valid base64", LEFT_OUT),
    (
        chat(image("https://x.org/a.png", ',"detail":"max"'), A),
        "'detail' 'max' is not low, high or auto",
        LEFT_OUT,
    ),
    (chat(*[image("https://x.org/a.png")] * 11, A), "holds 11 images; the limit is 10", LEFT_OUT),
    (
        chat(U, image("https://x.org/a.png").replace('"user"', '"assistant"')),
        "cannot hold an image",
        LEFT_OUT,
    ),
]

PREFERENCE = [
    (chat(U, A), "is in the chat format, but the method is dpo", LEFT_OUT),
    ('{"prompt":"a"}', "the key 'input' is missing", LEFT_OUT),
    (pair(given="[]"), "'input' is missing or not an object", LEFT_OUT),
    (pair(given='{"messages":[]}'), "input: 'messages' must be a list that is not empty", LEFT_OUT),
    (pair(given=f'{{"messages":[{U}],"x":1}}'), "input: extra key 'x'", MENDED),
    (pair(better="[]"), "preferred_output: must be a list of one assistant message", LEFT_OUT),
    (pair(better=f"[{A},{A}]"), "preferred_output: must be a list of one assistant message", LEFT_OUT),
    (pair(better=A), "preferred_output: must be a list of one assistant message", MENDED),
    (pair(worse='"No."'), "non_preferred_output: must be a list of one assistant message", MENDED),
    (pair(worse=f"[{U}]"), "non_preferred_output: is a 'user' message", LEFT_OUT),
    (
        pair(worse='[{"role":"assistant","content":[{"type":"text","text":"No."}]}]'),
        "must be plain text",
        LEFT_OUT,
    ),
    (pair(extra=',"score":1'), "extra key 'score'", MENDED),
    (
        pair().replace("preferred_output", "preferred_completion"),
        "is of an old edition of the format",
        MENDED,
    ),
]

GOOD = [chat(user(f'"Question {n}?"'), A) for n in range(12)]
GOOD_PAIRS = [pair(given=f'{{"messages":[{user(chr(34) + str(n) + chr(34))}]}}') for n in range(12)]

# (bytes of the file, part of the message, mended or not)
WHOLE = [
    (b"", "the file is empty", LEFT_OUT),
    (b"\n\n\n", "0 examples found; at least 10 are needed", LEFT_OUT),
    ("\n".join(GOOD[:9]).encode(), "9 examples found; at least 10 are needed", LEFT_OUT),
    ("\n".join(GOOD).encode("utf-16"), "is UTF-16 text", MENDED),
    (("[\n" + ",\n".join(GOOD) + "\n]").encode(), "is one JSON document over many lines", MENDED),
    (("\n".join(GOOD) + "\n" + chat(user('"caf\xe9"'), A)).encode("cp1252"), "(0xe9) is not UTF-8", MENDED),
    (
        ("\n".join(GOOD) + "\n").encode() + chat(user('"x"'), A).encode().replace(b"x", b"\xc3\xa9 \xff"),
        "(0xff) is not UTF-8",
        MENDED,
    ),
]
