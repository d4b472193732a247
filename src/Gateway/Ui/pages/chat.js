// The page at /: try a model at once.
import { html, render, useEffect, useRef, useState, ThemeButton, number } from "/ui/view.js";
import { chat, clientKey, send } from "/ui/api.js";

function Message({ message }) {
  const figures = message.figures;
  const told = figures && [figures.version, figures.first && `first token ${number(figures.first, 0)} ms`, figures.perSecond && `${number(figures.perSecond, 1)} tok/s`].filter(Boolean).join(" · ");
  return html`<article class="message ${message.role}"><b>${message.role === "user" ? "You" : "Model"}</b><div class="text">${message.content}</div>${told && html`<div class="soft">${told}</div>`}</article>`;
}

function ChatPage() {
  const [models, setModels] = useState([]);
  const [model, setModel] = useState("");
  const [key, setKey] = useState(clientKey.get());
  const [asksKey, setAsksKey] = useState(false);
  const [messages, setMessages] = useState([]);
  const [draft, setDraft] = useState("");
  const [problem, setProblem] = useState(null);
  const running = useRef(null);
  const [busy, setBusy] = useState(false);

  const load = async () => {
    try {
      const { data } = await (await send("/v1/models", { key: clientKey.get() })).json();
      setModels(data.map(item => item.id));
      setModel(current => current || data[0]?.id || "");
      setAsksKey(false);
      setProblem(null);
    } catch (error) {
      setAsksKey(error.status === 401);
      setProblem(error.message);
    }
  };
  useEffect(() => { load(); }, []);

  const ask = async event => {
    event.preventDefault();
    const content = draft.trim();
    if (!content || busy) return;
    const asked = [...messages, { role: "user", content }];
    setMessages([...asked, { role: "assistant", content: "" }]);
    setDraft("");
    setProblem(null);
    setBusy(true);
    running.current = new AbortController();
    try {
      const body = { model, messages: asked.map(({ role, content }) => ({ role, content })), max_tokens: 512 };
      await chat("/v1/chat/completions", body, clientKey.get(), running.current.signal, (text, figures) => setMessages([...asked, { role: "assistant", content: text, figures }]));
    } catch (error) {
      if (error.name !== "AbortError") setProblem(error.message);
      // An answer of which nothing came is no turn of the conversation.
      setMessages(current => current.at(-1)?.content === "" ? current.slice(0, -1) : current);
    }
    setBusy(false);
  };

  return html`
    <header class="top"><h1>FinerCut.Gateway</h1><span class="grow"></span>
      <label class="row"><span class="visually-hidden">Model</span><select value=${model} onChange=${event => setModel(event.target.value)}>${models.map(id => html`<option>${id}</option>`)}</select></label>
      <${ThemeButton} /><a href="/admin">Admin</a></header>
    <main>
      ${asksKey && html`<form class="panel" onSubmit=${event => { event.preventDefault(); clientKey.set(key.trim()); load(); }}>
        <div class="row"><label class="grow"><span>This gateway asks for a key</span><input type="password" autocomplete="off" value=${key} onInput=${event => setKey(event.target.value)} /></label><button class="primary">Use it</button></div></form>`}
      <section class="panel" aria-label="Conversation" aria-live="polite" aria-busy=${busy}>
        ${messages.length === 0 && html`<p class="soft">Ask something. The conversation stays in this tab.</p>`}
        ${messages.map(message => html`<${Message} message=${message} />`)}
        ${problem && html`<p class="bad" role="alert">${problem}</p>`}
      </section>
      <form class="panel" onSubmit=${ask}>
        <label><span>Your message</span><textarea rows="3" value=${draft} autofocus onInput=${event => setDraft(event.target.value)}
          onKeyDown=${event => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) ask(event); }}></textarea></label>
        <div class="row" style="margin-top:.6rem">
          <button class="primary" disabled=${busy || !draft.trim() || !model}>Send</button>
          <button type="button" disabled=${!busy} onClick=${() => running.current?.abort()}>Stop</button>
          <button type="button" disabled=${busy || messages.length === 0} onClick=${() => setMessages([])}>New conversation</button>
          <span class="soft">Enter sends, Shift+Enter breaks the line.</span>
        </div>
      </form>
    </main>`;
}

render(html`<${ChatPage} />`, document.getElementById("page"));
