// The machines of a cluster: memory, what runs on them, who owns what, and the jobs on all of them.
import { Action, bytes, html, words } from "/ui/view.js";
import { admin } from "/ui/api.js";
import { useAdmin } from "/ui/load.js";

/** Orleans' own page takes a cookie instead of a key: a link cannot send one. */
const openDashboard = async path => {
  await admin("/cluster/dashboard", { method: "POST", body: {} });
  open(path, "_blank", "noopener");
};

function Machine({ machine, models, jobs }) {
  const here = models.flatMap(model => model.workers.filter(worker => worker.host === machine.name).map(worker => ({ ...worker, model: model.model })));
  const owned = models.filter(model => model.owner === machine.name).map(model => model.model);
  const working = jobs.filter(job => job.host === machine.name && job.state === "running");
  return html`<tr><th scope="row">${machine.name}</th>
    <td><span class="chip ${machine.status === "Active" ? "good" : "warn"}">${words(machine.status)}</span></td>
    <td>${(machine.roles ?? []).join(", ") || "–"}</td>
    <td class="number">${machine.memory ? `${bytes(machine.memory.held)} of ${bytes(machine.memory.limit)}` : "–"}</td>
    <td>${here.length ? here.map(worker => html`<div>${worker.model}/${worker.version}: ${words(worker.state)}${worker.reason && html` <span class="soft">${worker.reason}</span>`}</div>`) : "–"}</td>
    <td>${owned.join(", ") || "–"}</td>
    <td>${working.length ? working.map(job => html`<div><a href=${"#/jobs/" + job.id}>${job.id}</a></div>`) : "–"}</td></tr>`;
}

export function Cluster({ changes }) {
  const cluster = useAdmin("/cluster", changes);
  const jobs = useAdmin("/jobs", changes);
  if (cluster.problem) return html`<p class="bad" role="alert">${cluster.problem}</p>`;
  if (!cluster.data) return html`<p class="soft">Asking …</p>`;
  const { machines, models, dashboard } = cluster.data;
  return html`<section class="panel" aria-labelledby="machines">
    <div class="row"><h2 id="machines" class="grow">Machines</h2>${dashboard && html`<${Action} label="Orleans dashboard" act=${() => openDashboard(dashboard)} />`}</div>
    <div class="scroll" tabindex="0" role="region" aria-label="Machines"><table>
      <thead><tr><th scope="col">Machine</th><th scope="col">State</th><th scope="col">Roles</th><th scope="col" class="number">Memory</th><th scope="col">Workers</th><th scope="col">Owns</th><th scope="col">Job</th></tr></thead>
      <tbody>${machines.map(machine => html`<${Machine} key=${machine.name} machine=${machine} models=${models} jobs=${jobs.data?.jobs ?? []} />`)}</tbody></table></div>
    <p class="soft">${models.map(model => `${model.model}: owned by ${model.owner}, ${model.edges.length} edges`).join(" · ")}</p></section>`;
}
