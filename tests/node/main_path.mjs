// The main path with nothing but the official openai package for Node: node main_path.mjs URL KEY FILE.
// Prints one JSON object of what came back.
import fs from "node:fs";
import OpenAI, { toFile } from "openai";

const [baseURL, apiKey, path] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const told = {};

const file = await client.files.create({ file: fs.createReadStream(path), purpose: "fine-tune" });
told.file = file;
told.content = await (await client.files.content(file.id)).text();
let job = await client.fineTuning.jobs.create({
  model: "gpt-4o-mini-2024-07-18",
  training_file: file.id,
  suffix: "node",
  seed: 1,
  metadata: { from: "node" },
  method: { type: "supervised", supervised: { hyperparameters: { n_epochs: 2, batch_size: 4 } } },
});
told.created = job;
while (!["succeeded", "failed", "cancelled"].includes(job.status)) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  job = await client.fineTuning.jobs.retrieve(job.id);
}
told.job = job;
told.events = [];
for await (const event of client.fineTuning.jobs.listEvents(job.id, { limit: 3 })) told.events.push(event.message);
told.checkpoints = [];
for await (const checkpoint of client.fineTuning.jobs.checkpoints.list(job.id)) told.checkpoints.push(checkpoint);
told.result = await (await client.files.content(job.result_files[0])).text();
told.model = await client.models.retrieve(job.fine_tuned_model);

const messages = [{ role: "user", content: "hello there" }];
told.reply = await client.chat.completions.create({ model: job.fine_tuned_model, messages, logprobs: true });
told.streamed = "";
const stream = await client.chat.completions.create({
  model: job.fine_tuned_model,
  messages,
  stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  told.streamed += chunk.choices[0]?.delta?.content ?? "";
  told.usage = chunk.usage ?? told.usage;
}
const line = {
  custom_id: "one",
  method: "POST",
  url: "/v1/chat/completions",
  body: { model: job.fine_tuned_model, messages },
};
const lines = await toFile(Buffer.from(JSON.stringify(line) + "\n"), "requests.jsonl");
const input = await client.files.create({ file: lines, purpose: "batch" });
let batch = await client.batches.create({
  input_file_id: input.id,
  endpoint: "/v1/chat/completions",
  completion_window: "24h",
});
while (!["completed", "failed", "expired", "cancelled"].includes(batch.status)) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  batch = await client.batches.retrieve(batch.id);
}
told.batch = JSON.parse(await (await client.files.content(batch.output_file_id)).text());
try {
  await client.chat.completions.create({ model: "gpt-99", messages });
} catch (error) {
  told.error = {
    kind: error.constructor.name, status: error.status, code: error.code, param: error.param,
    request: error.requestID,
  };
}
told.deleted = [await client.models.delete(job.fine_tuned_model), await client.files.delete(file.id)];
console.log(JSON.stringify(told));
