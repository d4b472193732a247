// What is recorded of each model's traffic, the switch, the purge.
import { Action, bytes, html, number, time, words } from "/ui/view.js";
import { admin } from "/ui/api.js";
import { useAdmin } from "/ui/load.js";

function Recorder({ model, changes }) {
  const path = `/models/${encodeURIComponent(model)}/recording`;
  const { data, problem, again } = useAdmin(path, changes);
  if (!data) return problem ? html`<p class="bad" role="alert">${problem}</p>` : null;
  return html`<section class="panel"><div class="row"><h2 class="grow">${model} <span class="chip ${data.enabled ? "good" : ""}">${data.enabled ? "recording" : "off"}</span></h2>
      <${Action} label=${data.enabled ? "Stop recording" : "Record"} act=${async () => { await admin(path, { method: "PUT", body: { enabled: !data.enabled } }); again(); }} />
      <${Action} label="Purge" kind="danger" question=${`Delete all recorded conversations of ${model}? They cannot be brought back.`} act=${async () => { await admin(path, { method: "DELETE" }); again(); }} /></div>
    <div class="tiles spaced">${Object.entries(data.counts).map(([name, value]) => html`<div class="tile"><span class="soft">${words(name)}</span><b>${name === "bytes" ? bytes(value) : name === "oldest" ? time(value) : number(value)}</b></div>`)}
      <div class="tile"><span class="soft">needed for a job</span><b>${data.needed}</b></div><div class="tile"><span class="soft">not kept</span><b>${data.dropped}</b></div></div></section>`;
}

export function Recording({ changes }) {
  const { data, problem } = useAdmin("/models");
  if (!data) return problem ? html`<p class="bad" role="alert">${problem}</p>` : html`<p class="soft">Asking …</p>`;
  return data.models.map(model => html`<${Recorder} key=${model.model} model=${model.model} changes=${changes} />`);
}
