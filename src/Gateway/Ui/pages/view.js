// What every page is made with: templates, numbers as people read them, the theme, a question before something that cannot be taken back.
import { h, render } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import htm from "htm";

export const html = htm.bind(h);
export { render, useEffect, useMemo, useRef, useState };

export const bytes = value => value == null ? "–" : value >= 1e9 ? (value / 1e9).toFixed(2) + " GB" : value >= 1e6 ? (value / 1e6).toFixed(1) + " MB" : value >= 1e3 ? (value / 1e3).toFixed(0) + " kB" : value + " B";
export const number = (value, digits = 3) => value == null || Number.isNaN(value) ? "–" : Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : Number(value.toFixed(digits)).toString();
export const percent = value => value == null ? "–" : (100 * value).toFixed(1) + " %";
export const seconds = value => {
  if (value == null) return "unknown";
  const whole = Math.max(0, Math.round(value));
  if (whole < 90) return whole + " s";
  return whole < 5400 ? Math.round(whole / 60) + " min" : (whole / 3600).toFixed(1) + " h";
};
export const time = value => value ? new Date(value).toLocaleString() : "–";
export const words = value => (value ?? "").replaceAll("_", " ");

const themes = ["auto", "light", "dark"];
const applyTheme = theme => theme === "auto" ? document.documentElement.removeAttribute("data-theme") : document.documentElement.setAttribute("data-theme", theme);
applyTheme(localStorage.getItem("theme") ?? "auto");

export function ThemeButton() {
  const [theme, setTheme] = useState(localStorage.getItem("theme") ?? "auto");
  const next = themes[(themes.indexOf(theme) + 1) % themes.length];
  return html`<button type="button" onClick=${() => { localStorage.setItem("theme", next); applyTheme(next); setTheme(next); }}>Theme: ${theme}</button>`;
}

/** A modal question; the promise is true when the answer is yes. Escape is no. */
export function confirmed(question, yes) {
  return new Promise(resolve => {
    const place = document.createElement("div");
    document.body.append(place);
    const end = answer => { render(null, place); place.remove(); resolve(answer); };
    const Question = () => {
      const dialog = useRef();
      // Before the next key can be pressed.
      useLayoutEffect(() => { dialog.current.showModal(); }, []);
      return html`<dialog ref=${dialog} aria-labelledby="question" onCancel=${event => { event.preventDefault(); end(false); }}>
        <p id="question">${question}</p>
        <div class="row"><button type="button" class="primary" onClick=${() => end(true)}>${yes}</button><button type="button" onClick=${() => end(false)}>Leave it</button></div>
      </dialog>`;
    };
    render(html`<${Question} />`, place);
  });
}

/** Runs an action with its button disabled; what went wrong is said under it. */
export function Action({ label, act, question, kind = "", disabled = false }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const run = async () => {
    if (question && !(await confirmed(question, label))) return;
    setBusy(true);
    setProblem(null);
    try { await act(); } catch (error) { setProblem(error.message); }
    setBusy(false);
  };
  return html`<span><button type="button" class=${kind} disabled=${busy || disabled} onClick=${run}>${busy ? label + " …" : label}</button>${problem && html` <span class="bad" role="alert">${problem}</span>`}</span>`;
}
