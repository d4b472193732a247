// Models and their versions: state, traffic, promote, roll back, history.
import { Action, bytes, html, percent, time, useState, words } from "/ui/view.js";
import { admin } from "/ui/api.js";
import { useAdmin } from "/ui/load.js";

const gone = ["refused", "failed", "removed"];
const trials = ["shadowing", "canary", "held"];
const tone = { active: "good", staged: "good", shadowing: "good", canary: "good", held: "warn", failed: "bad", refused: "bad", rolled_back: "warn", draining: "warn", rolling_back: "warn" };

function Version({ model, version, workers, act }) {
  const worker = workers.find(found => found.model === model.model && found.version === version.version);
  const active = version.version === model.active;
  const onTrial = trials.includes(version.state);
  const servable = !active && !gone.includes(version.state);
  return html`<tr>
    <th scope="row">${version.version}</th>
    <td data-label="State"><span class="chip ${tone[version.state] ?? ""}">${words(version.state)}</span></td>
    <td class="number" data-label="File">${bytes(version.bytes)}</td>
    <td data-label="Worker">${worker ? html`${words(worker.state)}${worker.reason && html`<br /><span class="soft">${worker.reason}</span>`}` : "–"}</td>
    <td class="number" data-label="In flight">${worker?.in_flight ?? "–"}</td>
    <td data-label="Made by">${version.job ? html`<a href=${"#/jobs/" + version.job}>${version.job}</a>` : "settings"}</td>
    <td data-label="Since">${time(version.since)}</td>
    <td><div class="row">${servable && !onTrial && html`<${Action} label="Try" question=${`Load ${version.version} beside ${model.active} and send it a tenth of the conversations? It is promoted or rolled back by what it does.`} act=${() => act("canary", { version: version.version })} />`}
      ${servable && html`<${Action} label="Promote" question=${`Serve all of ${model.model} from ${version.version}? Streams under way finish on the version on which they began.`}
      act=${() => act("promote", { version: version.version })} />`}</div></td></tr>`;
}

function Rate({ name, active, canary }) {
  const show = rate => rate.count === 0 ? "–" : html`${percent(rate.mean)} <span class="soft">${percent(rate.low)} to ${percent(rate.high)}, ${rate.count} answers</span>`;
  return html`<tr><th scope="row">${name}</th><td>${active ? show(active) : "–"}</td><td>${show(canary)}</td></tr>`;
}

/** The version on trial: its share by a slider, what is known of it, and what one can do. */
function Trial({ model, version, changes, act }) {
  const { data } = useAdmin(`/models/${encodeURIComponent(model.model)}/trial`, changes);
  const [share, setShare] = useState(null);
  const weight = share ?? Math.round(100 * (data?.weight ?? 0));
  return html`<h3>${version.version} is on trial (${words(version.state)})</h3>
    <div class="row"><label class="grow"><span>Share of the conversations that go to ${version.version}: ${weight} %</span>
        <input type="range" min="0" max="100" value=${weight} onInput=${event => setShare(Number(event.target.value))} /></label>
      <${Action} label="Set the share" disabled=${share === null} act=${async () => { await act("canary", { version: version.version, weight: weight / 100 }); setShare(null); }} />
      ${version.state === "held" ? html`<${Action} label="Resume" act=${() => act("resume", {})} />` : html`<${Action} label="Hold" question=${`Hold the trial of ${version.version}? It keeps its share and is not promoted until you resume it; it is still rolled back when it fails.`} act=${() => act("hold", {})} />`}
      <${Action} label="End the trial" kind="danger" question=${`End the trial of ${version.version}? All requests go to ${model.active}.`} act=${() => act("rollback", {})} /></div>
    ${data && html`<div class="scroll" tabindex="0" role="region" aria-label="Evidence"><table><thead><tr><td></td><th scope="col">${model.active}</th><th scope="col">${version.version}</th></tr></thead><tbody>
      <${Rate} name="Failures" active=${data.active_failures} canary=${data.canary_failures} /><${Rate} name=${`Slow first bytes${data.slow_limit_ms ? ` (over ${Math.round(data.slow_limit_ms)} ms)` : ""}`} active=${data.active_slow} canary=${data.canary_slow} />
      <${Rate} name="Agreement with the active version's answers" canary=${data.agreement} /></tbody></table></div>`}`;
}

function Model({ model, workers, changes, again }) {
  const [whole, setWhole] = useState(false);
  const act = async (verb, body) => { await admin(`/models/${encodeURIComponent(model.model)}/${verb}`, { method: "POST", body }); again(); };
  const active = model.versions.find(version => version.version === model.active);
  const tried = model.versions.find(version => trials.includes(version.state));
  const history = [...model.history].reverse();
  return html`<section class="panel" aria-labelledby=${"model-" + model.model}>
    <div class="row"><h2 id=${"model-" + model.model} class="grow">${model.model}</h2>
      ${active?.replaced && !tried && html`<${Action} label="Roll back" kind="danger" question=${`Roll ${model.model} back from ${model.active} to ${active.replaced}?`} act=${() => act("rollback", {})} />`}
      <a href=${"#/jobs/new/" + model.model}>Make it leaner</a></div>
    <div class="scroll" tabindex="0" role="region" aria-label=${"Versions of " + model.model}><table class="stack">
      <thead><tr><th scope="col">Version</th><th scope="col">State</th><th scope="col" class="number">File</th><th scope="col">Worker</th><th scope="col" class="number">In flight</th><th scope="col">Made by</th><th scope="col">Since</th><th scope="col"><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${model.versions.map(version => html`<${Version} model=${model} version=${version} workers=${workers} act=${act} />`)}</tbody></table></div>
    ${tried && html`<${Trial} key=${tried.version} model=${model} version=${tried} changes=${changes} act=${act} />`}
    <h3>History</h3>
    <ol reversed start=${history.length}>${history.slice(0, whole ? 500 : 5).map(row => html`<li>${time(row.at)}: <b>${row.version}</b> ${row.was ? words(row.was) + " → " : ""}${words(row.state)} <span class="soft">${row.reason ?? words(row.event)}</span></li>`)}</ol>
    ${history.length > 5 && html`<button type="button" onClick=${() => setWhole(!whole)}>${whole ? "Show less" : `Show all ${history.length}`}</button>`}
  </section>`;
}

export function Models({ changes }) {
  const models = useAdmin("/models", changes);
  const workers = useAdmin("/workers", changes);
  if (models.problem) return html`<p class="bad" role="alert">${models.problem}</p>`;
  if (!models.data) return html`<p class="soft">Asking …</p>`;
  return models.data.models.map(model => html`<${Model} key=${model.model} model=${model} workers=${workers.data?.workers ?? []} changes=${changes} again=${() => { models.again(); workers.again(); }} />`);
}
