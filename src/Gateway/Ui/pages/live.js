// Charts of what the gateway measures, from its Prometheus text, every two seconds while the view is open.
import { html, number, useEffect, useRef, useState } from "/ui/view.js";
import { admin } from "/ui/api.js";

const every = 2000;
const kept = 300;

/** Prometheus text to [{ name, labels, value }]. */
export function parse(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    const labels = Object.fromEntries([...(found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value]));
    samples.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return samples;
}

const sum = (samples, name, labels = {}) => samples
  .filter(sample => sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value)).reduce((all, sample) => all + sample.value, 0);

/** Quantile of a histogram's growth between two readings; null without growth. */
export function quantile(before, after, name, share) {
  const counts = new Map();
  const add = (samples, sign) => samples.filter(sample => sample.name === name + "_bucket").forEach(sample => counts.set(sample.labels.le, (counts.get(sample.labels.le) ?? 0) + sign * sample.value));
  add(after, 1);
  add(before, -1);
  const rows = [...counts].map(([bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), count]).sort((one, other) => one[0] - other[0]);
  const all = rows.at(-1)?.[1] ?? 0;
  if (all <= 0) return null;
  let [low, below] = [0, 0];
  for (const [bound, count] of rows) {
    if (count >= share * all) return bound === Infinity ? low : low + (bound - low) * (share * all - below) / Math.max(count - below, 1e-9);
    [low, below] = [bound, count];
  }
  return low;
}

const rate = (name, labels) => ({ name, lines: [["a second", (before, after, passed) => Math.max(0, sum(after, name, labels) - sum(before, name, labels)) / passed]] });
const level = name => ({ name, lines: [["now", (_, after) => sum(after, name)]] });
const times = name => ({ name: name + "_bucket", lines: [["median, ms", (before, after) => 1000 * (quantile(before, after, name, 0.5) ?? NaN)], ["95 %, ms", (before, after) => 1000 * (quantile(before, after, name, 0.95) ?? NaN)]] });

const charts = [
  ["Requests", rate("finercut_requests_total")],
  ["In flight", level("finercut_requests_in_flight")],
  ["Time to the whole answer", times("finercut_request_seconds")],
  ["Time to first token", times("gen_ai_server_time_to_first_token")],
  ["Time per output token", times("gen_ai_server_time_per_output_token")],
  ["Output tokens", rate("finercut_tokens_total", { type: "output" })],
  ["Waiting in the queue", times("finercut_queue_seconds")],
  ["Failed attempts", rate("finercut_attempts_failed_total")],
  ["Memory ledger", { name: "ledger_held", lines: [["held, MB", (_, after) => sum(after, "ledger_held") / 1e6], ["limit, MB", (_, after) => sum(after, "ledger_limit") / 1e6]] }],
];

const colours = ["#2e7fb8", "#d1495b"];

function Chart({ title, times, lines }) {
  const place = useRef();
  const plot = useRef();
  useEffect(() => {
    const node = place.current;
    const ink = () => getComputedStyle(document.documentElement).getPropertyValue("--soft");
    const grid = () => getComputedStyle(document.documentElement).getPropertyValue("--line");
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
    plot.current = new globalThis.uPlot({
      width: node.clientWidth, height: 180, legend: { show: false }, cursor: { show: false },
      series: [{}, ...lines.map(([label], index) => ({ label, stroke: colours[index], width: 2, value: (_, value) => number(value, 2) }))],
      axes: [axis, { ...axis, size: 56 }], scales: { x: { range: (_, low, high) => [Math.min(low, high - 60), high] }, y: { range: (_, low, high) => [0, Math.max(high ?? 0, 1) * 1.1] } },
    }, [times, ...lines.map(([, values]) => values)], node);
    const watch = new ResizeObserver(() => plot.current.setSize({ width: node.clientWidth, height: 180 }));
    watch.observe(node);
    return () => { watch.disconnect(); plot.current.destroy(); };
  }, []);
  useEffect(() => { plot.current?.setData([times, ...lines.map(([, values]) => values)]); });
  return html`<section class="panel chart" aria-label=${title}><h2>${title}</h2><p class="legend">${lines.map(([label, values], index) => html`<span><svg class="swatch" width="12" height="12" aria-hidden="true"><rect width="12" height="12" fill=${colours[index]} /></svg> ${label} <b>${number(values.at(-1), 2)}</b></span>`)}</p>
    <div ref=${place} aria-hidden="true"></div></section>`;
}

export function Live() {
  const [state, setState] = useState({ problem: null, present: new Set(), times: [], values: new Map() });
  useEffect(() => {
    const end = new AbortController();
    const rows = { times: [], values: new Map(), present: new Set() };
    let before = null;
    let at = 0;
    const read = async () => {
      try {
        const [metrics, memory] = await Promise.all([admin("/metrics", { signal: end.signal }), admin("/memory", { signal: end.signal })]);
        const samples = [...parse(metrics), { name: "ledger_held", labels: {}, value: memory.held }, { name: "ledger_limit", labels: {}, value: memory.limit }];
        const now = performance.now();
        samples.forEach(sample => rows.present.add(sample.name));
        if (before) {
          rows.times = [...rows.times, Date.now() / 1000].slice(-kept);
          for (const [title, { lines }] of charts) {
            for (const [label, value] of lines) {
              const key = title + label;
              const next = value(before, samples, (now - at) / 1000);
              rows.values.set(key, [...(rows.values.get(key) ?? []), Number.isNaN(next) ? null : next].slice(-kept));
            }
          }
        }
        [before, at] = [samples, now];
        setState({ problem: null, ...rows });
      } catch (error) {
        if (!end.signal.aborted) setState(current => ({ ...current, problem: error.message }));
      }
    };
    read();
    const timer = setInterval(read, every);
    return () => { clearInterval(timer); end.abort(); };
  }, []);
  const shown = charts.filter(([, { name }]) => state.present.has(name));
  return html`${state.problem && html`<p class="bad" role="alert">${state.problem}</p>`}
    <p class="soft">Since this view was opened, every two seconds. What was not measured yet has no chart.</p>
    <div class="charts">${state.times.length > 0 && shown.map(([title, { lines }]) => html`<${Chart} key=${title} title=${title} times=${state.times} lines=${lines.map(([label]) => [label, state.values.get(title + label) ?? []])} />`)}</div>`;
}
