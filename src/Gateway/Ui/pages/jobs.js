// Prune jobs: order one, watch it, read how it ended.
import { Action, bytes, html, number, percent, seconds, time, useEffect, useState, words } from "/ui/view.js";
import { admin, adminKey, events, send } from "/ui/api.js";
import { useAdmin } from "/ui/load.js";
import { OrderForm } from "/ui/order.js";
import { Curve, HeatMap, unitsSoFar } from "/ui/pictures.js";

const tone = { passed: "good", refused: "warn", failed: "bad", cancelled: "warn" };

function JobRow({ job }) {
  const budget = job.order.budget;
  const asked = [
    budget.leanest && "the leanest that passes", budget.fraction && `${percent(budget.fraction)} of the bytes${budget.leanest ? " at most" : ""}`, budget.bytes && bytes(budget.bytes), budget.sublayers && `${budget.sublayers} sublayers`,
    budget.kv_fraction && `${percent(budget.kv_fraction)} of the KV cache`, budget.kv_bytes && `${budget.kv_bytes} KV bytes a token`,
    budget.decode_fraction && `${percent(budget.decode_fraction)} of the decode time`, budget.decode_ms && `${budget.decode_ms} ms a token`,
  ].filter(Boolean).join(", ") || "–";
  return html`<tr><th scope="row"><a href=${"#/jobs/" + job.id}>${job.id}</a></th><td>${job.model}</td><td>${asked}</td><td><span class="chip ${tone[job.state] ?? ""}">${words(job.state)}</span></td><td>${time(job.created_at)}</td></tr>`;
}

function Gate({ gate, seen, before }) {
  if (!gate) return null;
  return html`<h3>The gate: ${gate.passed ? html`<span class="good">passed</span>` : html`<span class="bad">refused</span>`}</h3>
    <p class="soft">${gate.conversations} held-out conversations, ${gate.tokens} tokens. The unfavourable end of each interval must keep its limit.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Gate checks"><table><thead><tr><th scope="col">Check</th><th scope="col" class="number">Value</th><th scope="col" class="number">Interval</th><th scope="col" class="number">Limit</th><th scope="col">Verdict</th></tr></thead>
    <tbody>${gate.checks.map(check => html`<tr><th scope="row">${words(check.name)}</th><td class="number">${number(check.value.mean)}</td><td class="number">${number(check.value.low)} to ${number(check.value.high)}</td><td class="number">${number(check.limit)}</td>
      <td class=${check.passed ? "good" : "bad"}>${check.passed ? "kept" : "broken"}</td></tr>`)}</tbody></table></div>
    ${before && html`<p class="soft">The same cut, not healed: mean KL ${number(before.mean)} (${number(before.low)} to ${number(before.high)}).</p>`}
    ${seen && html`<p class="soft">On the calibration set itself, which the search looked at, mean KL ${number(seen.mean)} (${number(seen.low)} to ${number(seen.high)}); what it is more on held-out conversations was chosen for these tokens only.</p>`}`;
}

function Figures({ result }) {
  if (!result?.lean) return null;
  const row = (name, full, lean, show) => html`<tr><th scope="row">${name}</th><td class="number">${show(full)}</td><td class="number">${show(lean)}</td><td class="number">${full && lean ? number(lean / full, 2) : "–"}</td></tr>`;
  return html`<h3>Before and after</h3><div class="scroll" tabindex="0" role="region" aria-label="Figures"><table><thead><tr><td></td><th scope="col" class="number">full</th><th scope="col" class="number">lean</th><th scope="col" class="number">lean/full</th></tr></thead><tbody>
    ${row("File", result.full.file_bytes, result.lean.file_bytes, bytes)}${row("Sublayers", result.full.sublayers, result.lean.sublayers, number)}${row("KV a token", result.full.kv_bytes_per_token, result.lean.kv_bytes_per_token, bytes)}
    ${row("Prefill, tok/s", result.full.prefill_tokens_per_second, result.lean.prefill_tokens_per_second, value => number(value, 0))}${row("Decode, tok/s", result.full.decode_tokens_per_second, result.lean.decode_tokens_per_second, value => number(value, 0))}</tbody></table></div>`;
}

function Examples({ examples }) {
  if (!examples?.length) return null;
  return html`<h3>Full and lean, side by side</h3><div class="scroll" tabindex="0" role="region" aria-label="Examples"><table><thead><tr><th scope="col">Opening</th><th scope="col">Full</th><th scope="col">Lean</th></tr></thead>
    <tbody>${examples.map(example => html`<tr><th scope="row">${example.opening}</th><td class="text">${example.full}</td><td class="text">${example.lean}</td></tr>`)}</tbody></table></div>`;
}

async function saveReport(id) {
  const page = await admin(`/jobs/${encodeURIComponent(id)}/report`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([page], { type: "text/html" }));
  link.download = `${id}.html`;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** The job as its own event stream tells it. */
function useJob(id) {
  const [state, setState] = useState({ job: null, problem: null });
  useEffect(() => {
    const end = new AbortController();
    setState({ job: null, problem: null });
    (async () => {
      while (!end.signal.aborted) {
        try {
          const response = await send(`/admin/jobs/${encodeURIComponent(id)}/events`, { key: adminKey.get(), signal: end.signal });
          let ended = false;
          for await (const { data } of events(response)) {
            const job = JSON.parse(data);
            ended = !["queued", "running"].includes(job.state);
            setState({ job, problem: null });
          }
          if (ended) return;
        } catch (error) {
          if (end.signal.aborted) return;
          setState(current => ({ ...current, problem: error.message }));
          if (error.status === 404) return;
        }
        await new Promise(resolve => setTimeout(resolve, 2000));
      }
    })();
    return () => end.abort();
  }, [id]);
  return state;
}

function pointsOf(job) {
  if (!job.result?.steps?.length) return job.steps.map(step => ({ x: step.bytes_removed, y: step.distance, name: step.removed }));
  let gone = 0;
  return job.result.steps.map(step => ({ x: gone += step.bytes, y: step.distance, name: step.removed }));
}

/** attn:12, ffn:3 (5 of 24). */
function removedWords(units, removed) {
  return units ? units.filter(unit => unit.removed.length > 0).map(unit => unit.removed.length === unit.count ? unit.name : `${unit.name} (${unit.removed.length} of ${unit.count})`) : removed;
}

function Job({ id }) {
  const { job, problem } = useJob(id);
  if (!job) return problem ? html`<p class="bad" role="alert">${problem}</p>` : html`<p class="soft">Asking …</p>`;
  const running = ["queued", "running"].includes(job.state);
  const progress = job.progress;
  const result = job.result;
  const removed = result?.removed ?? job.steps.map(step => step.removed);
  const units = result?.units?.length ? result.units : progress?.units ? unitsSoFar(progress.units, removed) : null;
  return html`<section class="panel"><div class="row"><h2 class="grow">${job.id}: ${job.model} → ${job.version} <span class="chip ${tone[job.state] ?? ""}">${words(job.state)}</span></h2>
      ${running && html`<${Action} label="Cancel" kind="danger" question="Cancel this job? What it found so far is lost." act=${() => admin(`/jobs/${job.id}`, { method: "DELETE" })} />`}</div>
    ${job.error && html`<p class="bad" role="alert">${job.error.message} <code>${job.error.code}</code></p>`}
    ${running && html`<div role="status"><p>${job.phase ? words(job.phase) : "Waits for its turn"}${progress && html`: ${words(progress.phase)}, step ${progress.step} of ${progress.steps}, ${progress.evaluations} masks scored, ${seconds(progress.elapsed_seconds)} so far, ${progress.eta_seconds == null ? "end unknown" : `about ${seconds(progress.eta_seconds)} to go`}`}</p>
      <progress aria-label="Share of the time" max="1" value=${progress?.eta_seconds != null ? progress.elapsed_seconds / (progress.elapsed_seconds + progress.eta_seconds) : null}></progress></div>`}
    ${units && html`<h3>What ${running ? "is gone so far" : "went"}</h3><${HeatMap} units=${units} sensitivity=${result?.sensitivity} healed=${result?.healed} />`}
    <h3>Distance by bytes removed</h3><${Curve} points=${pointsOf(job)} />
    <${Gate} gate=${result?.gate} seen=${result?.calibration_kl} before=${result?.unhealed_kl} /><${Figures} result=${result} />
    ${removed.length > 0 && html`<h3>Removed</h3><p>${removedWords(units, removed).map(name => html`<span class="chip">${name}</span> `)}</p>`}
    <${Examples} examples=${result?.examples} />
    ${result?.gate && html`<p><${Action} label="Save the report" act=${() => saveReport(job.id)} /> <span class="soft">One HTML page, to keep or pass on; no recorded traffic is in it.</span></p>`}
    ${result?.notes?.length > 0 && html`<h3>How it was done</h3><ul>${result.notes.map(note => html`<li>${note}</li>`)}</ul>`}
    ${result && html`<p class="soft">${result.evaluations} masks scored on ${result.calibration_tokens} tokens in ${seconds(result.seconds)}.</p>`}
  </section>`;
}

export function Jobs({ parts, changes }) {
  const jobs = useAdmin("/jobs", changes);
  if (parts[0] && parts[0] !== "new") return html`<p><a href="#/jobs">All jobs</a></p><${Job} id=${parts[0]} />`;
  return html`<${OrderForm} model=${parts[1]} />
    <section class="panel"><h2>Jobs</h2>${jobs.problem && html`<p class="bad" role="alert">${jobs.problem}</p>`}
      ${jobs.data?.jobs.length ? html`<div class="scroll" tabindex="0" role="region" aria-label="Jobs"><table><thead><tr><th scope="col">Job</th><th scope="col">Model</th><th scope="col">Budget</th><th scope="col">State</th><th scope="col">Ordered</th></tr></thead>
        <tbody>${[...jobs.data.jobs].reverse().map(job => html`<${JobRow} job=${job} />`)}</tbody></table></div>` : html`<p class="soft">None yet.</p>`}</section>`;
}
