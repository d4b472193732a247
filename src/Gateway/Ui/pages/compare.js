// One prompt, two versions, side by side, streaming.
import { Action, html, number, useRef, useState } from "/ui/view.js";
import { admin, adminKey, chat } from "/ui/api.js";
import { useAdmin } from "/ui/load.js";

function Answer({ title, answer }) {
  return html`<section class="panel" aria-label=${title} aria-busy=${answer?.busy}><h2>${title}</h2>
    <div class="message text" aria-live="polite">${answer?.text ?? ""}</div>
    ${answer?.figures && html`<p class="soft">${answer.figures.first != null ? `first token ${number(answer.figures.first, 0)} ms` : ""}${answer.figures.perSecond ? `, ${number(answer.figures.perSecond, 1)} tok/s` : ""}${answer.figures.finish ? `, ended: ${answer.figures.finish}` : ""}</p>`}
    ${answer?.problem && html`<p class="bad" role="alert">${answer.problem}</p>`}</section>`;
}

export function Compare({ changes }) {
  const models = useAdmin("/models", changes);
  const [model, setModel] = useState("");
  const [pair, setPair] = useState({});
  const [prompt, setPrompt] = useState("");
  const [answers, setAnswers] = useState({});
  const running = useRef(null);
  const names = models.data?.models.map(item => item.model) ?? [];
  const name = model || names[0] || "";
  const found = models.data?.models.find(item => item.model === name);
  const all = found?.versions.filter(version => !["refused", "failed", "removed"].includes(version.state)) ?? [];
  const loaded = all.filter(version => ["active", "shadowing", "canary", "held"].includes(version.state));
  const idle = all.filter(version => !loaded.includes(version));
  const left = loaded.some(version => version.version === pair.left) ? pair.left : loaded[0]?.version;
  const right = loaded.some(version => version.version === pair.right) ? pair.right : loaded.at(-1)?.version;
  const load = async version => {
    await admin(`/models/${encodeURIComponent(name)}/canary`, { method: "POST", body: { version, weight: 0 } });
    models.again();
  };
  const busy = Object.values(answers).some(answer => answer.busy);

  const ask = async event => {
    event.preventDefault();
    running.current = new AbortController();
    const body = { messages: [{ role: "user", content: prompt }], temperature: 0, max_tokens: 256 };
    const one = async (side, version) => {
      const tell = change => setAnswers(current => ({ ...current, [side]: { ...current[side], ...change } }));
      tell({ busy: true, text: "", figures: null, problem: null });
      try {
        const path = `/admin/models/${encodeURIComponent(name)}/versions/${encodeURIComponent(version)}/chat`;
        await chat(path, body, adminKey.get(), running.current.signal, (text, figures) => tell({ text, figures }));
      } catch (error) {
        if (error.name !== "AbortError") tell({ problem: error.message });
      }
      tell({ busy: false });
    };
    await one("left", left);
    if (!running.current.signal.aborted) await one("right", right);
  };
  const choose = (side, title, value) => html`<label><span>${title}</span><select value=${value} onChange=${event => setPair({ ...pair, [side]: event.target.value })}>${loaded.map(version => html`<option value=${version.version}>${version.version} (${version.state})</option>`)}</select></label>`;

  return html`<form class="panel" onSubmit=${ask}><h2>The same prompt to two versions</h2>
      <p class="soft">Greedy, so that differences are the models' own; one after the other, so that neither slows the other down. Nothing of it is recorded.</p>
      <div class="fields"><label><span>Model</span><select value=${name} onChange=${event => { setModel(event.target.value); setPair({}); }}>${names.map(id => html`<option>${id}</option>`)}</select></label>
        ${choose("left", "Left", left)}${choose("right", "Right", right)}</div>
      ${loaded.length === 1 && (idle.length === 0 ? html`<p class="soft">There is one version only: make the model leaner first.</p>`
        : html`<p class="row"><span class="soft">Only ${loaded[0].version} is loaded. Beside it, without sending it any client:</span> ${idle.map(version => html`<${Action} key=${version.version} label=${"Load " + version.version} act=${() => load(version.version)} />`)}</p>`)}
      <p><label><span>Prompt</span><textarea rows="3" required value=${prompt} onInput=${event => setPrompt(event.target.value)}></textarea></label></p>
      <div class="row"><button class="primary" disabled=${busy || !prompt.trim() || !left}>Ask both</button><button type="button" disabled=${!busy} onClick=${() => running.current?.abort()}>Stop</button></div></form>
    <div class="columns"><${Answer} title=${left ?? "Left"} answer=${answers.left} /><${Answer} title=${right ?? "Right"} answer=${answers.right} /></div>`;
}
