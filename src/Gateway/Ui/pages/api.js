// The gateway's API. The key is kept for this tab only; nothing is kept of what was asked or answered.
const slot = name => ({
  get: () => sessionStorage.getItem(name) ?? "",
  set: value => value ? sessionStorage.setItem(name, value) : sessionStorage.removeItem(name),
});
export const adminKey = slot("admin-key");
export const clientKey = slot("client-key");

export class ApiProblem extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function problemOf(response) {
  try {
    const { error } = await response.json();
    return new ApiProblem(response.status, error.code, error.message);
  } catch {
    return new ApiProblem(response.status, null, `The gateway answered ${response.status}.`);
  }
}

export async function send(path, { method = "GET", body, key, signal } = {}) {
  const headers = {};
  if (key) headers.Authorization = "Bearer " + key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiProblem(0, "unreachable", "The gateway cannot be reached.");
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

export async function admin(path, options = {}) {
  const response = await send("/admin" + path, { key: adminKey.get(), ...options });
  const text = await response.text();
  return text === "" ? null : response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
}

/** Server-sent events of a response: yields { event, data } until it ends. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      const parts = rest.split(/\r?\n\r?\n/);
      rest = parts.pop();
      for (const part of parts) {
        let event = "message";
        const data = [];
        for (const line of part.split(/\r?\n/)) {
          if (line.startsWith("event:")) event = line.slice(6).trim();
          else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
        }
        if (data.length > 0) yield { event, data: data.join("\n") };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** One streamed chat answer: told(text so far, figures) as it grows. Figures: version, first (ms to the first token), perSecond. */
export async function chat(path, body, key, signal, told) {
  const began = performance.now();
  const response = await send(path, { method: "POST", body: { ...body, stream: true, stream_options: { include_usage: true } }, key, signal });
  const figures = { version: response.headers.get("x-finercut-version"), first: null, perSecond: null, tokens: 0, finish: null };
  let text = "";
  let firstAt = 0;
  for await (const { data } of events(response)) {
    if (data === "[DONE]") break;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiProblem(200, chunk.error.code, chunk.error.message);
    const choice = chunk.choices?.[0];
    const piece = choice?.delta?.content ?? "";
    if (piece) {
      figures.tokens++;
      if (figures.first === null) { firstAt = performance.now(); figures.first = firstAt - began; }
      else figures.perSecond = 1000 * (figures.tokens - 1) / (performance.now() - firstAt);
      text += piece;
    }
    if (choice?.finish_reason) figures.finish = choice.finish_reason;
    told(text, { ...figures });
  }
  return { text, figures };
}
