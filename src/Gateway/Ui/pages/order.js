// The form that orders a prune job, with what its budget means for this model.
import { bytes, html, number, percent, useMemo, useState } from "/ui/view.js";
import { admin } from "/ui/api.js";
import { parse } from "/ui/live.js";
import { useAdmin } from "/ui/load.js";

const budgets = {
  fraction: ["Share of the blocks' bytes", "%", 5, value => ({ fraction: value / 100 })],
  bytes: ["Megabytes", "MB", 5, value => ({ bytes: Math.round(value * 1e6) })],
  kv: ["Share of the KV cache", "%", 25, value => ({ kv_fraction: value / 100 })],
  decode: ["Share of a decode step's time", "%", 5, value => ({ decode_fraction: value / 100 })],
  leanest: ["The leanest that passes the gate", "% of the blocks' bytes at most", 20, value => ({ leanest: true, fraction: value / 100 })],
  sublayers: ["Number of sublayers", "sublayers", 3, value => ({ sublayers: Math.round(value) })],
};

/** Tokens a second of one stream, on the average since the gateway began; null where nothing was measured. */
const paceOf = samples => {
  const all = name => samples.filter(sample => sample.name === name).reduce((sum, sample) => sum + sample.value, 0);
  const [seconds, tokens] = [all("gen_ai_server_time_per_output_token_sum"), all("gen_ai_server_time_per_output_token_count")];
  return seconds > 0 ? tokens / seconds : null;
};

function Meaning({ version, kind, value, pace }) {
  if (!version || !(value > 0)) return null;
  if (kind === "sublayers") return html`<p class="soft">An attention sublayer is a fraction of an FFN sublayer's size: by count, the file's size can only be known afterwards. FinerCut's paper counts this way.</p>`;
  if (kind === "kv") return html`<p class="soft">Keys and values of earlier tokens: what each conversation takes of the memory while it runs. Only attention has them.</p>`;
  if (kind === "decode") return html`<p class="soft">What one token takes in the blocks, measured on this machine before the search. Attention takes the more of it the longer a conversation is.</p>`;
  // The blocks are most of a file; embeddings and output stay. Decoding one token reads every weight once, so its speed goes with one over the bytes.
  const gone = kind === "bytes" ? value * 1e6 : version.bytes * value / 100;
  const left = Math.max(version.bytes - gone, 1);
  return html`<p class="soft">The file is ${bytes(version.bytes)} now; ${kind === "bytes" ? "about" : "at most"} ${bytes(gone)} go, ${percent(gone / version.bytes)} of it. Decoding one token reads every weight once, so expect up to ${number(version.bytes / left, 2)} times the tokens a second${pace ? `: ${number(pace, 0)} tok/s a stream so far, up to ${number(pace * version.bytes / left, 0)} then` : ""}. If the lean model is not close enough on held-out traffic, the gate refuses it and nothing changes.</p>`;
}

export function OrderForm({ model: chosen }) {
  const models = useAdmin("/models");
  const [model, setModel] = useState(chosen ?? "");
  const [kind, setKind] = useState("fraction");
  const [value, setValue] = useState(budgets.fraction[2]);
  const [search, setSearch] = useState("");
  const [grain, setGrain] = useState("");
  const [promote, setPromote] = useState(true);
  const [gate, setGate] = useState({});
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const names = models.data?.models.map(item => item.model) ?? [];
  const name = model || names[0] || "";
  const recording = useAdmin(name ? `/models/${encodeURIComponent(name)}/recording` : "/models");
  const metrics = useAdmin("/metrics");
  const pace = useMemo(() => metrics.data ? paceOf(parse(metrics.data)) : null, [metrics.data]);
  const found = models.data?.models.find(item => item.model === name);
  const version = found?.versions.find(item => item.version === found.active);
  const counts = recording.data?.counts;

  const submit = async event => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const order = { budget: budgets[kind][3](Number(value)), promote };
      if (search) order.search = search;
      if (grain) order.grains = [grain];
      const limits = Object.fromEntries(Object.entries(gate).filter(([, limit]) => limit !== "").map(([limit, text]) => [limit, Number(text)]));
      if (Object.keys(limits).length) order.gate = limits;
      const job = await admin(`/models/${encodeURIComponent(name)}/prune`, { method: "POST", body: order });
      location.hash = "#/jobs/" + job.id;
    } catch (error) {
      setProblem(error.message);
    }
    setBusy(false);
  };
  const limit = (key, label, usual) => html`<label><span>${label}</span><input type="number" step="0.01" min="0" placeholder=${usual} value=${gate[key] ?? ""} onInput=${event => setGate({ ...gate, [key]: event.target.value })} /></label>`;

  return html`<form class="panel" onSubmit=${submit}><h2>Make a model leaner</h2>
    <div class="fields">
      <label><span>Model</span><select value=${name} onChange=${event => setModel(event.target.value)}>${names.map(id => html`<option>${id}</option>`)}</select></label>
      <label><span>Budget in</span><select value=${kind} onChange=${event => { setKind(event.target.value); setValue(budgets[event.target.value][2]); }}>${Object.entries(budgets).map(([id, [title]]) => html`<option value=${id}>${title}</option>`)}</select></label>
      <label><span>Remove (${budgets[kind][1]})</span><input type="number" required min=${kind === "sublayers" ? 1 : 0.1} max=${{ fraction: 95, leanest: 95, decode: 90, kv: 100 }[kind] ?? null} step=${kind === "sublayers" ? 1 : 0.1} value=${value} onInput=${event => setValue(event.target.value)} /></label>
      <label><span>Search</span><select value=${search} onChange=${event => setSearch(event.target.value)}><option value="">the default</option><option value="racing_greedy">races, per byte</option><option value="lazy_greedy">lazy greedy, per byte</option><option value="paper">paper (FinerCut as published)</option></select></label>
      <label><span>What may go</span><select value=${grain} onChange=${event => setGrain(event.target.value)}><option value="">parts of every size</option><option value="block">whole blocks only (quickest)</option><option value="sublayer">whole sublayers only</option></select></label>
    </div>
    <${Meaning} version=${version} kind=${kind} value=${Number(value)} pace=${pace} />
    ${counts && html`<p class=${counts.distinct >= recording.data.needed ? "soft" : "warn"}>Recorded for this model: ${number(counts.distinct)} distinct conversations; ${recording.data.needed} are needed.</p>`}
    <details><summary>Limits of the gate</summary><p class="soft">Empty: the default. On held-out traffic, lean against full.</p>
      <div class="fields">${limit("max_mean_kl", "Mean KL at most (nats a token)", "0.25")}${limit("min_top1_agreement", "Same next token at least", "0.70")}${limit("max_answer_nll_increase", "Growth of the answers' NLL at most", "0.25")}</div></details>
    <p><label class="row"><input type="checkbox" checked=${promote} onChange=${event => setPromote(event.target.checked)} /> Serve the lean version at once when it passes</label></p>
    <button class="primary" disabled=${busy || !name}>Start the job</button>
    ${problem && html`<p class="bad" role="alert">${problem}</p>`}</form>`;
}
