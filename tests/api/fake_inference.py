"""An inference process that repeats what it is told but speaks the protocol, for tests of the server."""

import json
import os
import sys
import threading
import time

lock = threading.Lock()
cancelled = set()


def send(**event):
    with lock:
        print(json.dumps(event), flush=True)


def words_of(request):
    said = request["messages"][-1]["content"]
    prefix = "tuned" if request["adapter"] else "base"
    return [prefix, *(" " + word for word in said.split())]


def chat(request):
    identity, words = request["id"], words_of(request)
    said = request["messages"][-1]["content"]
    if "FAKE_TOO_LONG" in said:
        send(id=identity, event="error", code="context_length_exceeded", param="messages",
             message="This model's maximum context length is 512 tokens.")  # fmt: skip
        return
    send(id=identity, event="start", prompt_tokens=7)
    if "FAKE_BREAK" in said:
        send(id=identity, event="delta", index=0, text="half a")
        send(id=identity, event="error", code="server_error", message="The device went away.", param=None)
        return
    limit = request["max_tokens"] or 1000
    for number, word in enumerate(words[:limit]):
        for index in range(request["n"]):
            event = {"id": identity, "event": "delta", "index": index, "text": word}
            if request["logprobs"]:
                event["logprobs"] = [
                    {"token": word, "logprob": -0.5, "bytes": list(word.encode()), "top_logprobs": []}
                ]
            send(**event)
        if "FAKE_CRASH" in said and number == 1:
            os._exit(3)
        if "FAKE_SLOW" in said:
            time.sleep(0.1)
        if identity in cancelled:
            with open(os.environ["FAKE_CANCELLED"], "a") as file:
                file.write(identity + "\n")
            return
    reason = "length" if len(words) > limit else "stop"
    for index in range(request["n"]):
        send(id=identity, event="finish", index=index, finish_reason=reason,
             completion_tokens=min(len(words), limit))  # fmt: skip
    send(id=identity, event="done")


def score(request):
    rows = [
        {"index": i, "logprob": -1.5 * len(m["content"].split()), "tokens": len(m["content"].split()),
         "bytes": len(m["content"].encode())}
        for i, m in enumerate(request["messages"])
        if m["role"] == "assistant"
    ]  # fmt: skip
    send(id=request["id"], event="scored", messages=rows)


for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "shutdown":
        sys.exit(0)
    elif request["op"] == "cancel":
        cancelled.add(request["id"])
    else:
        work = {"chat": chat, "score": score}[request["op"]]
        threading.Thread(target=work, args=[request], daemon=True).start()
