"""Fine-tune and chat with nothing but the official openai package.

Start a server with ``understudy serve``, then paste the address and key that it prints:

    python examples/openai_client.py http://127.0.0.1:8321/v1 KEY train.jsonl

The same lines run against any other API of this shape.
"""

import sys
import time

import openai

base_url, key, path = sys.argv[1:4]
model = sys.argv[4] if len(sys.argv) > 4 else "gpt-4o-mini-2024-07-18"
client = openai.OpenAI(base_url=base_url, api_key=key)

with open(path, "rb") as file:
    training_file = client.files.create(file=file, purpose="fine-tune")
job = client.fine_tuning.jobs.create(model=model, training_file=training_file.id, suffix="example", seed=1)

seen = set()
while True:
    job = client.fine_tuning.jobs.retrieve(job.id)
    events = [
        event for event in client.fine_tuning.jobs.list_events(job.id, limit=100) if event.id not in seen
    ]
    for event in reversed(events):
        seen.add(event.id)
        print(event.message, flush=True)
    if job.status in ("succeeded", "failed", "cancelled"):
        break
    time.sleep(1)
if job.status != "succeeded":
    sys.exit(f"{job.status}: {job.error.message if job.error else 'no reason was given'}")

stream = client.chat.completions.create(
    model=job.fine_tuned_model,
    messages=[{"role": "user", "content": "Good evening! Who are you?"}],
    max_tokens=60,
    stream=True,
)
for chunk in stream:
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()
