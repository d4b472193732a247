// LangChain JS with its OpenAI package.
import assert from "node:assert/strict";
import { AIMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { base, city, embeddings, isCity, model, question, run } from "./ask.mjs";

const options = { model, apiKey: "none", temperature: 0, maxRetries: 0, configuration: { baseURL: base } };
const weather = tool(async () => "Fair, 21 degrees.", { name: "get_weather", description: "The weather of a city.", schema: city });

await run({
  async chat() {
    const answer = await new ChatOpenAI({ ...options, maxTokens: 12 }).invoke(question);
    assert.ok(answer.content.length > 0);
    assert.ok(answer.usage_metadata.output_tokens <= 12);
  },
  async stream() {
    let text = "";
    for await (const chunk of await new ChatOpenAI({ ...options, maxTokens: 12 }).stream(question)) text += chunk.content;
    assert.ok(text.length > 0);
  },
  async structuredOutput() {
    for (const method of ["jsonSchema", "functionCalling"])
      isCity(await new ChatOpenAI({ ...options, maxTokens: 120 }).withStructuredOutput(city, { name: "city", method }).invoke(question));
  },
  async tools() {
    const chat = new ChatOpenAI({ ...options, maxTokens: 120 });
    const asked = await chat.bindTools([weather], { tool_choice: "required" }).invoke(question);
    assert.ok(asked instanceof AIMessage && asked.tool_calls.length > 0);
    isCity(asked.tool_calls[0].args);
    const results = await Promise.all(asked.tool_calls.map(async (call) => new ToolMessage({ tool_call_id: call.id, content: await weather.invoke(call.args) })));
    const after = await chat.invoke([new HumanMessage(question), asked, ...results]);
    assert.ok(after.content.length > 0);
  },
  async streamedTools() {
    let all;
    const chat = new ChatOpenAI({ ...options, maxTokens: 120 }).bindTools([weather], { tool_choice: "get_weather", parallel_tool_calls: false });
    for await (const chunk of await chat.stream(question)) all = all ? all.concat(chunk) : chunk;
    isCity(all.tool_calls[0].args);
  },
  async embeddings() {
    const embedder = new OpenAIEmbeddings({ model, apiKey: "none", maxRetries: 0, configuration: { baseURL: embeddings } });
    const [first, second] = await embedder.embedDocuments(["a cat", "a cat"]);
    assert.deepEqual(first, second);
  },
  async abort() {
    const controller = new AbortController();
    let chunks = 0;
    await assert.rejects(async () => {
      for await (const _ of await new ChatOpenAI({ ...options, maxTokens: 2000 }).stream(question, { signal: controller.signal })) if (++chunks === 3) controller.abort();
    });
    assert.ok(chunks < 50, `${chunks} chunks came after the abort`);
  },
});
