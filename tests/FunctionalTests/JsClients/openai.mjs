// The npm client "openai".
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat, zodFunction } from "openai/helpers/zod";
import { base, city, embeddings, isCity, model, question, run } from "./ask.mjs";

const client = new OpenAI({ baseURL: base, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: question }];
const tool = zodFunction({ name: "get_weather", description: "The weather of a city.", parameters: city });

await run({
  async models() {
    const ids = [];
    for await (const entry of client.models.list()) ids.push(entry.id);
    assert.ok(ids.includes(model), ids.join());
  },
  async chat() {
    const answer = await client.chat.completions.create({ model, messages, max_completion_tokens: 12, temperature: 0, seed: 1 });
    assert.ok(answer.choices[0].message.content.length > 0);
    assert.ok(answer.usage.completion_tokens <= 12);
  },
  async stream() {
    const stream = client.chat.completions.stream({ model, messages, max_completion_tokens: 12, temperature: 0, stream_options: { include_usage: true } });
    let text = "";
    stream.on("content", (delta) => (text += delta));
    const answer = await stream.finalChatCompletion();
    assert.equal(answer.choices[0].message.content, text);
    assert.ok(answer.usage.total_tokens > 0);
  },
  async structuredOutput() {
    const answer = await client.chat.completions.parse({ model, messages, max_completion_tokens: 120, temperature: 0, response_format: zodResponseFormat(city, "city") });
    isCity(answer.choices[0].message.parsed);
  },
  async tools() {
    const answer = await client.chat.completions.parse({ model, messages, max_completion_tokens: 120, temperature: 0, tools: [tool], tool_choice: "required", parallel_tool_calls: false });
    assert.equal(answer.choices[0].finish_reason, "tool_calls");
    const call = answer.choices[0].message.tool_calls[0];
    isCity(call.function.parsed_arguments);
    const after = await client.chat.completions.create({
      model, max_completion_tokens: 40, temperature: 0,
      messages: [...messages, answer.choices[0].message, { role: "tool", tool_call_id: call.id, content: "Fair, 21 degrees." }],
    });
    assert.ok(after.choices[0].message.content.length > 0);
  },
  async streamedTools() {
    const stream = client.chat.completions.stream({ model, messages, max_completion_tokens: 120, temperature: 0, tools: [tool], tool_choice: "required", parallel_tool_calls: false });
    const message = await stream.finalMessage();
    isCity(JSON.parse(message.tool_calls[0].function.arguments));
  },
  async responses() {
    const answer = await client.responses.create({ model, input: question, max_output_tokens: 12, temperature: 0 });
    assert.ok(answer.output_text.length > 0);
    const stream = client.responses.stream({ model, input: question, max_output_tokens: 12, temperature: 0 });
    let text = "";
    for await (const event of stream) if (event.type === "response.output_text.delta") text += event.delta;
    assert.equal((await stream.finalResponse()).output_text, text);
  },
  async completions() {
    const answer = await client.completions.create({ model, prompt: "One, two,", max_tokens: 4, temperature: 0 });
    assert.ok(answer.choices[0].text.length > 0);
  },
  async embeddings() {
    const other = new OpenAI({ baseURL: embeddings, apiKey: "none", maxRetries: 0 });
    // The client asks for base64 by itself.
    const answer = await other.embeddings.create({ model, input: ["a cat", "a cat", "the moon"] });
    assert.equal(answer.data.length, 3);
    assert.deepEqual(answer.data[0].embedding, answer.data[1].embedding);
    assert.ok(Math.abs(answer.data[2].embedding.reduce((sum, value) => sum + value * value, 0) - 1) < 1e-3);
  },
  async abort() {
    const controller = new AbortController();
    const stream = await client.chat.completions.create({ model, messages, max_completion_tokens: 2000, stream: true }, { signal: controller.signal });
    let chunks = 0;
    for await (const _ of stream) if (++chunks === 3) controller.abort();
    assert.ok(chunks < 50, `${chunks} chunks came after the abort`);
  },
  async refusal() {
    await assert.rejects(client.chat.completions.create({ model, messages, temperature: -1 }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.equal(error.param, "temperature");
      return true;
    });
  },
});
