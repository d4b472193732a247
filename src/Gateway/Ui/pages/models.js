// Models and their versions: state, traffic, promote, roll back, history.
import { Action, bytes, html, time, useState, words } from "/ui/view.js";
import { admin } from "/ui/api.js";
import { useAdmin } from "/ui/load.js";

const tone = { active: "good", staged: "good", canary: "good", failed: "bad", refused: "bad", rolled_back: "warn", draining: "warn", rolling_back: "warn" };

function Version({ model, version, workers, act }) {
  const worker = workers.find(found => found.model === model.model && found.version === version.version);
  const active = version.version === model.active;
  return html`<tr>
    <th scope="row">${version.version}</th>
    <td><span class="chip ${tone[version.state] ?? ""}">${words(version.state)}</span></td>
    <td class="number">${bytes(version.bytes)}</td>
    <td>${worker ? html`${words(worker.state)}${worker.reason && html`<br /><span class="soft">${worker.reason}</span>`}` : "–"}</td>
    <td class="number">${worker?.in_flight ?? "–"}</td>
    <td>${version.job ? html`<a href=${"#/jobs/" + version.job}>${version.job}</a>` : "settings"}</td>
    <td>${time(version.since)}</td>
    <td>${!active && html`<${Action} label="Promote" question=${`Serve all of ${model.model} from ${version.version}? Streams under way finish on the version on which they began.`}
      act=${() => act("promote", { version: version.version })} />`}</td></tr>`;
}

function Model({ model, workers, again }) {
  const [whole, setWhole] = useState(false);
  const act = async (verb, body) => { await admin(`/models/${encodeURIComponent(model.model)}/${verb}`, { method: "POST", body }); again(); };
  const active = model.versions.find(version => version.version === model.active);
  const history = [...model.history].reverse();
  return html`<section class="panel" aria-labelledby=${"model-" + model.model}>
    <div class="row"><h2 id=${"model-" + model.model} class="grow">${model.model}</h2>
      ${active?.replaced && html`<${Action} label="Roll back" kind="danger" question=${`Roll ${model.model} back from ${model.active} to ${active.replaced}?`} act=${() => act("rollback", {})} />`}
      <a href=${"#/jobs/new/" + model.model}>Make it leaner</a></div>
    <div class="scroll" tabindex="0" role="region" aria-label=${"Versions of " + model.model}><table>
      <thead><tr><th scope="col">Version</th><th scope="col">State</th><th scope="col" class="number">File</th><th scope="col">Worker</th><th scope="col" class="number">In flight</th><th scope="col">Made by</th><th scope="col">Since</th><th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${model.versions.map(version => html`<${Version} model=${model} version=${version} workers=${workers} act=${act} />`)}</tbody></table></div>
    <h3>History</h3>
    <ol reversed>${history.slice(0, whole ? 500 : 5).map(row => html`<li>${time(row.at)}: <b>${row.version}</b> ${row.was ? words(row.was) + " → " : ""}${words(row.state)} <span class="soft">${row.reason ?? words(row.event)}</span></li>`)}</ol>
    ${history.length > 5 && html`<button type="button" onClick=${() => setWhole(!whole)}>${whole ? "Show less" : `Show all ${history.length}`}</button>`}
  </section>`;
}

export function Models({ changes }) {
  const models = useAdmin("/models", changes);
  const workers = useAdmin("/workers", changes);
  if (models.problem) return html`<p class="bad" role="alert">${models.problem}</p>`;
  if (!models.data) return html`<p class="soft">Asking …</p>`;
  return models.data.models.map(model => html`<${Model} key=${model.model} model=${model} workers=${workers.data?.workers ?? []} again=${() => { models.again(); workers.again(); }} />`);
}
