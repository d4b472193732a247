// Client keys: made here, shown once; limits, use, expiry.
import { Action, html, number, time, useState } from "/ui/view.js";
import { admin } from "/ui/api.js";
import { useAdmin } from "/ui/load.js";

const limits = { requests_per_minute: "Requests a minute", tokens_per_minute: "Tokens a minute", concurrency: "At the same time", tokens_per_day: "Tokens a day" };

function NewKey({ again }) {
  const [name, setName] = useState("");
  const [given, setGiven] = useState({});
  const [models, setModels] = useState("*");
  const [expires, setExpires] = useState("");
  const [made, setMade] = useState(null);
  const [problem, setProblem] = useState(null);
  const submit = async event => {
    event.preventDefault();
    setProblem(null);
    try {
      const body = { name: name.trim(), models: models.split(",").map(model => model.trim()).filter(Boolean) };
      const set = Object.entries(given).filter(([, value]) => value !== "");
      if (set.length) body.limits = Object.fromEntries(set.map(([limit, value]) => [limit, Number(value)]));
      if (expires) body.expires_at = new Date(expires).toISOString();
      setMade(await admin("/keys", { method: "POST", body }));
      setName("");
      again();
    } catch (error) {
      setProblem(error.message);
    }
  };
  return html`<form class="panel" onSubmit=${submit}><h2>New key</h2><div class="fields">
      <label><span>Name</span><input required maxlength="100" value=${name} onInput=${event => setName(event.target.value)} /></label>
      <label><span>Models, by comma; * is any</span><input required value=${models} onInput=${event => setModels(event.target.value)} /></label>
      ${Object.entries(limits).map(([limit, title]) => html`<label><span>${title}</span><input type="number" min="0" placeholder="no limit" value=${given[limit] ?? ""} onInput=${event => setGiven({ ...given, [limit]: event.target.value })} /></label>`)}
      <label><span>Expires</span><input type="datetime-local" value=${expires} onInput=${event => setExpires(event.target.value)} /></label></div>
    <p><button class="primary">Make the key</button></p>
    ${problem && html`<p class="bad" role="alert">${problem}</p>`}
    ${made && html`<p role="status">Key of <b>${made.name}</b>, shown this once: <code>${made.key}</code></p>`}</form>`;
}

function Usage({ id }) {
  const usage = useAdmin("/keys/" + id).data?.usage;
  return usage ? html`${number(usage.requests_this_minute)} requests and ${number(usage.tokens_this_minute)} tokens this minute, ${number(usage.tokens_today)} tokens today, ${usage.running} running` : "–";
}

function Key({ item, again }) {
  const change = async body => { await admin("/keys/" + item.id, { method: "PATCH", body }); again(); };
  const set = Object.entries(limits).filter(([limit]) => item.limits[limit] != null);
  return html`<tr><th scope="row">${item.name}<br /><code class="soft">${item.id}</code></th><td data-label="May use">${item.scopes.join(", ")}<br /><span class="soft">models: ${item.models.join(", ")}</span></td>
    <td data-label="Limits">${set.length ? set.map(([limit, title]) => html`${title}: ${number(item.limits[limit])}<br />`) : "none"}</td><td data-label="Used"><${Usage} id=${item.id} /></td><td data-label="Expires">${item.expires_at ? time(item.expires_at) : "never"}</td>
    <td><div class="row"><${Action} label=${item.disabled ? "Enable" : "Disable"} question=${item.disabled ? null : `Disable the key ${item.name}? Its clients are refused until it is enabled again.`} act=${() => change({ disabled: !item.disabled })} />
      <${Action} label="Delete" kind="danger" question=${`Delete the key ${item.name}? Its clients are refused from then on.`} act=${async () => { await admin("/keys/" + item.id, { method: "DELETE" }); again(); }} /></div></td></tr>`;
}

export function Keys() {
  const { data, problem, again } = useAdmin("/keys");
  return html`<${NewKey} again=${again} /><section class="panel"><h2>Keys</h2>${problem && html`<p class="bad" role="alert">${problem}</p>`}
    ${data?.keys.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="Keys"><table class="stack"><thead><tr><th scope="col">Name</th><th scope="col">May use</th><th scope="col">Limits</th><th scope="col">Used</th><th scope="col">Expires</th><th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${data.keys.map(item => html`<${Key} key=${item.id} item=${item} again=${again} />`)}</tbody></table></div>` : html`<p class="soft">None.</p>`}</section>`;
}
