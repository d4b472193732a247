// All that happened since the page was opened.
import { html, words } from "/ui/view.js";

const subject = ({ kind, data }) => kind === "job" ? `${data.id} ${words(data.state)}${data.progress ? ": " + words(data.progress.phase) : ""}` : kind === "worker" ? `${data.worker} ${words(data.state)}` : `${data.model ?? ""} ${data.version ?? ""} ${words(data.state ?? "")}`;

export function Events({ log }) {
  return html`<section class="panel"><h2>Events</h2><p class="soft">Since this page was opened, the newest first.</p>
    ${log.length === 0 ? html`<p class="soft">None yet.</p>` : html`<div class="scroll" tabindex="0" role="region" aria-label="Events"><table><thead><tr><th scope="col">Time</th><th scope="col">Kind</th><th scope="col">What</th><th scope="col">Why</th></tr></thead>
      <tbody>${log.map(happened => html`<tr><td>${happened.at.toLocaleTimeString()}</td><td>${happened.kind}</td><td>${subject(happened)}</td><td class="soft">${happened.data.reason ?? ""}</td></tr>`)}</tbody></table></div>`}</section>`;
}
