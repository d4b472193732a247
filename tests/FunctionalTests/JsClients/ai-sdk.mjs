// Vercel's "ai" with its OpenAI-compatible provider.
import assert from "node:assert/strict";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { base, city, embeddings, isCity, model, question, run } from "./ask.mjs";

const provider = createOpenAICompatible({ name: "finercut", baseURL: base, includeUsage: true, supportsStructuredOutputs: true });
const common = { model: provider(model), temperature: 0, maxRetries: 0 };

await run({
  async chat() {
    const answer = await generateText({ ...common, prompt: question, maxOutputTokens: 12 });
    assert.ok(answer.text.length > 0);
    assert.ok(answer.usage.outputTokens <= 12);
  },
  async stream() {
    const result = streamText({ ...common, prompt: question, maxOutputTokens: 12 });
    let text = "";
    for await (const delta of result.textStream) text += delta;
    assert.equal(text, await result.text);
    assert.ok((await result.usage).outputTokens > 0);
  },
  async structuredOutput() {
    isCity((await generateObject({ ...common, prompt: question, schema: city, maxOutputTokens: 120 })).object);
  },
  async tools() {
    let asked;
    const weather = tool({ description: "The weather of a city.", inputSchema: city, execute: async (input) => ((asked = input), "Fair, 21 degrees.") });
    const answer = await generateText({
      ...common, prompt: question, maxOutputTokens: 120, tools: { weather }, providerOptions: { finercut: { parallel_tool_calls: false } }, stopWhen: stepCountIs(2),
      prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }),
    });
    isCity(asked);
    assert.equal(answer.steps.length, 2);
    assert.equal(answer.steps[0].finishReason, "tool-calls");
    assert.equal(answer.steps[0].toolResults[0].output, "Fair, 21 degrees.");
  },
  async streamedTools() {
    const weather = tool({ description: "The weather of a city.", inputSchema: city });
    const result = streamText({ ...common, prompt: question, maxOutputTokens: 120, tools: { weather }, toolChoice: { type: "tool", toolName: "weather" } });
    isCity((await result.toolCalls)[0].input);
  },
  async embeddings() {
    const other = createOpenAICompatible({ name: "finercut", baseURL: embeddings });
    const answer = await embedMany({ model: other.embeddingModel(model), values: ["a cat", "a cat", "the moon"], maxRetries: 0 });
    assert.deepEqual(answer.embeddings[0], answer.embeddings[1]);
  },
  async abort() {
    const controller = new AbortController();
    const result = streamText({ ...common, prompt: question, maxOutputTokens: 2000, abortSignal: controller.signal });
    let parts = 0;
    let aborted = false;
    for await (const part of result.fullStream) {
      if (part.type === "text-delta" && ++parts === 3) controller.abort();
      aborted ||= part.type === "abort";
    }
    assert.ok(aborted && parts < 50, `${parts} parts`);
  },
});
