// The page at /admin: sign-in, and one view a noun. The views ask again when an event says that something changed.
import { html, render, useEffect, useState, ThemeButton } from "/ui/view.js";
import { admin, adminKey, events, send } from "/ui/api.js";
import { Models } from "/ui/models.js";
import { Jobs } from "/ui/jobs.js";
import { Compare } from "/ui/compare.js";
import { Live } from "/ui/live.js";
import { Keys } from "/ui/keys.js";
import { Recording } from "/ui/recording.js";
import { Events } from "/ui/events.js";
import { Cluster } from "/ui/cluster.js";

const views = { models: ["Models", Models], jobs: ["Prune", Jobs], compare: ["Compare", Compare], live: ["Live", Live], keys: ["Keys", Keys], recording: ["Recording", Recording], events: ["Events", Events] };
const severalMachines = { cluster: ["Cluster", Cluster] };

function SignIn({ done }) {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState(null);
  const submit = async event => {
    event.preventDefault();
    adminKey.set(key.trim());
    try { await admin("/models"); done(); } catch (error) { adminKey.set(""); setProblem(error.message); }
  };
  return html`<main><form class="panel" onSubmit=${submit}><h2>Sign in</h2>
    <p class="soft">With the admin key: it lies in admin.key of the state folder, or is Admin:Key of the settings.</p>
    <div class="row"><label class="grow"><span>Admin key</span><input type="password" autocomplete="current-password" autofocus value=${key} onInput=${event => setKey(event.target.value)} /></label><button class="primary">Sign in</button></div>
    ${problem && html`<p class="bad" role="alert">${problem}</p>`}</form></main>`;
}

/** Everything that happens, as it happens; connects again when the line breaks. */
function useEvents(told) {
  useEffect(() => {
    const end = new AbortController();
    (async () => {
      while (!end.signal.aborted) {
        try {
          const response = await send("/admin/events", { key: adminKey.get(), signal: end.signal });
          for await (const { event, data } of events(response)) told({ kind: event, data: JSON.parse(data), at: new Date() });
        } catch (error) {
          if (end.signal.aborted) return;
        }
        await new Promise(resolve => setTimeout(resolve, 2000));
      }
    })();
    return () => end.abort();
  }, []);
}

function Signed({ leave }) {
  const [path, setPath] = useState(location.hash.slice(2) || "models");
  const [log, setLog] = useState([]);
  const [changes, setChanges] = useState(0);
  const [shown, setShown] = useState(views);
  // A machine that stands alone has no such endpoint.
  useEffect(() => { admin("/cluster").then(() => setShown({ ...views, ...severalMachines }), () => {}); }, []);
  useEffect(() => {
    const moved = () => setPath(location.hash.slice(2) || "models");
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  useEvents(happened => {
    setLog(current => [happened, ...current].slice(0, 500));
    setChanges(current => current + 1);
  });
  const [name, ...rest] = path.split("/");
  const View = (shown[name] ?? shown.models)[1];
  return html`<header class="top"><h1>FinerCut.Gateway</h1>
      <nav aria-label="Views">${Object.entries(shown).map(([id, [title]]) => html`<a href=${"#/" + id} aria-current=${id === name ? "page" : null}>${title}</a>`)}</nav>
      <span class="grow"></span><a href="/">Chat</a><${ThemeButton} /><button type="button" onClick=${leave}>Sign out</button></header>
    <main><${View} parts=${rest} changes=${changes} log=${log} /></main>`;
}

function AdminPage() {
  const [signed, setSigned] = useState(adminKey.get() !== "");
  const leave = () => { adminKey.set(""); setSigned(false); };
  return signed ? html`<${Signed} leave=${leave} />` : html`<header class="top"><h1>FinerCut.Gateway</h1><span class="grow"></span><${ThemeButton} /></header><${SignIn} done=${() => setSigned(true)} />`;
}

render(html`<${AdminPage} />`, document.getElementById("page"));
