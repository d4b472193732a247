// Pictures of a prune job: what is left of each block, and how the distance grew with what went.
import { html, number } from "/ui/view.js";

const cell = 18;
const left = 70;
const rows = { attn: { top: 4, tall: 48 }, ffn: { top: 70, tall: 96 } };
const height = 206;
const cold = "#2e7fb8";
const hot = "#d1495b";

const kindOf = name => name.split(":")[0];
const blockOf = name => Number(name.split(":")[1]);

/** What a running job has told so far, in the shape of a result's units. counts: units of each sublayer, attention and FFN of block 0, then of block 1 …; removed: names as steps have them, such as "attn:3/kv0 ffn:7/slice2-5 block:4". */
export function unitsSoFar(counts, removed) {
  const units = counts.map((count, order) => ({ name: `${order % 2 ? "ffn" : "attn"}:${order >> 1}`, count, removed: new Set() }));
  for (const name of removed.join(" ").split(" ").filter(Boolean)) {
    const [, kind, block, first, last] = /^(attn|ffn|block):(\d+)(?:\/\D+(\d+)(?:-(\d+))?)?$/.exec(name) ?? [];
    for (const sublayer of units.filter(unit => blockOf(unit.name) === Number(block) && (kind === "block" || kindOf(unit.name) === kind))) {
      const [from, to] = first === undefined ? [0, sublayer.count - 1] : [Number(first), Number(last ?? first)];
      for (let unit = from; unit <= to; unit++) sublayer.removed.add(unit);
    }
  }
  return units.filter(unit => unit.count > 0).map(unit => ({ ...unit, removed: [...unit.removed], distances: [] }));
}

/** Share of the logarithmic range that the job saw, or null. A sublayer that was only asked as a whole gives each of its units an equal part. */
function scaleOf(units, sensitivity) {
  const whole = new Map((sensitivity ?? []).map(item => [item.name, item.distance]));
  const distance = (sublayer, unit) => sublayer.distances[unit] ?? (whole.has(sublayer.name) ? whole.get(sublayer.name) / sublayer.count : null);
  const seen = units.flatMap(sublayer => Array.from({ length: sublayer.count }, (_, unit) => distance(sublayer, unit))).filter(value => value > 0).map(Math.log);
  const [low, high] = [Math.min(...seen), Math.max(...seen)];
  return (sublayer, unit) => {
    const value = distance(sublayer, unit);
    return { value, measured: sublayer.distances[unit] != null, warmth: value == null || !(high > low) ? null : value <= 0 ? 0 : Math.min(1, Math.max(0, (Math.log(value) - low) / (high - low))) };
  };
}

const colour = warmth => `color-mix(in srgb, ${hot} ${Math.round(100 * warmth)}%, ${cold})`;
const unitName = (sublayer, unit) => sublayer.count === 1 ? sublayer.name : `${sublayer.name}, ${kindOf(sublayer.name) === "attn" ? "KV group" : "slice"} ${unit + 1} of ${sublayer.count}`;

function Column({ sublayer, heat, mended }) {
  const { top, tall } = rows[kindOf(sublayer.name)];
  const x = left + blockOf(sublayer.name) * cell;
  const each = tall / sublayer.count;
  const gone = new Set(sublayer.removed);
  return html`<g>${Array.from({ length: sublayer.count }, (_, unit) => {
    const { value, measured, warmth } = heat(sublayer, unit);
    const title = `${unitName(sublayer, unit)}: ${gone.has(unit) ? "removed" : "kept"}${value == null ? "" : `; ${measured ? "distance without it" : "its part of the distance without the sublayer"} ${number(value, 5)}`}`;
    return html`<rect x=${x} y=${top + unit * each} width=${cell - 2} height=${each - (each > 4 ? 1 : 0)} fill=${gone.has(unit) ? "var(--gone)" : warmth === null ? "var(--kept)" : colour(warmth)}><title>${title}</title></rect>`;
  })}${mended && html`<circle cx=${x + cell / 2 - 1} cy=${top + tall + 7} r="3.5" fill="var(--good)"><title>${sublayer.name}: healed (${mended})</title></circle>`}</g>`;
}

function Legend({ heat, mended }) {
  const swatch = fill => html`<svg class="swatch" width="12" height="12" aria-hidden="true"><rect width="12" height="12" fill=${fill} /></svg>`;
  return html`<figcaption class="soft legend">
    <span>Columns are blocks; above the KV-head groups of the attention, below the slices of the FFN, the least important first.</span>
    <span>${swatch("var(--gone)")} removed</span>
    ${heat ? html`<span>kept, and how much the output suffers without it: ${swatch(cold)} least <svg class="swatch" width="60" height="12" aria-hidden="true">${Array.from({ length: 12 }, (_, step) => html`<rect x=${step * 5} width="5" height="12" fill=${colour(step / 11)} />`)}</svg> ${swatch(hot)} most</span><span>${swatch("var(--kept)")} kept, not asked</span>` : html`<span>${swatch("var(--kept)")} kept</span>`}
    ${mended && html`<span><svg class="swatch" width="12" height="12" aria-hidden="true"><circle cx="6" cy="6" r="3.5" fill="var(--good)" /></svg> healed</span>`}</figcaption>`;
}

/** Blocks from left to right, their KV-head groups above, their FFN's slices below. units: a result's, or unitsSoFar. */
export function HeatMap({ units, sensitivity, healed }) {
  if (!units?.length) return null;
  const blocks = 1 + Math.max(...units.map(sublayer => blockOf(sublayer.name)));
  const heat = scaleOf(units, sensitivity);
  const mended = new Map((healed ?? []).map(item => [item.split(" ")[0], item.split(" ").slice(1).join(" ") || "yes"]));
  const width = left + blocks * cell;
  const whole = units.filter(sublayer => sublayer.removed.length === sublayer.count).map(sublayer => sublayer.name);
  const part = units.filter(sublayer => sublayer.removed.length > 0 && sublayer.removed.length < sublayer.count).map(sublayer => `${sublayer.name} (${sublayer.removed.length} of ${sublayer.count})`);
  const spoken = `${blocks} blocks; ${whole.length} sublayers removed: ${whole.join(", ") || "none"}; ${part.length} in part: ${part.join(", ") || "none"}; ${mended.size} healed`;
  return html`<figure class="map"><div class="scroll" tabindex="0" role="region" aria-label="Parts of the model by block"><svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} class="full" role="img" aria-label=${spoken}>
      <text x="0" y=${rows.attn.top + rows.attn.tall / 2 + 4}>attention</text><text x="0" y=${rows.ffn.top + rows.ffn.tall / 2 + 4}>FFN</text>
      ${units.map(sublayer => html`<${Column} sublayer=${sublayer} heat=${heat} mended=${mended.get(sublayer.name)} />`)}
      ${Array.from({ length: Math.ceil(blocks / 5) }, (_, index) => html`<text x=${left + index * 5 * cell} y=${height - 8}>${index * 5}</text>`)}<text x="0" y=${height - 8}>block</text></svg></div>
    <${Legend} heat=${units.some(sublayer => heat(sublayer, 0).warmth !== null)} mended=${mended.size > 0} /></figure>`;
}

/** points: [{ x: bytes gone, y: distance, name }]. */
export function Curve({ points }) {
  if (points.length === 0) return html`<p class="soft">No step yet.</p>`;
  const [width, tall, margin, bottom] = [560, 220, 52, 30];
  const most = { x: Math.max(...points.map(point => point.x)) || 1, y: Math.max(...points.map(point => point.y)) || 1 };
  const x = value => margin + (width - margin - 10) * value / most.x;
  const y = value => tall - bottom - (tall - bottom - 10) * value / most.y;
  const line = [{ x: 0, y: 0 }, ...points].map((point, index) => `${index ? "L" : "M"}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`).join("");
  return html`<svg width=${width} height=${tall} viewBox=${`0 0 ${width} ${tall}`} role="img" aria-label=${`Distance by megabytes removed: ${points.map(point => `${(point.x / 1e6).toFixed(1)} MB ${number(point.y, 4)}`).join(", ")}`}>
    ${[0, 0.5, 1].map(share => html`<line x1=${margin} x2=${width - 10} y1=${y(share * most.y)} y2=${y(share * most.y)} stroke="var(--line)" /><text x=${margin - 6} y=${y(share * most.y) + 4} text-anchor="end">${number(share * most.y, 3)}</text>
      <text x=${x(share * most.x)} y=${tall - 10} text-anchor=${share === 1 ? "end" : "middle"}>${(share * most.x / 1e6).toFixed(1)} MB</text>`)}
    <path d=${line} fill="none" stroke="var(--accent)" stroke-width="2" />
    ${points.map(point => html`<circle cx=${x(point.x)} cy=${y(point.y)} r="4" fill="var(--accent)"><title>${point.name}: ${number(point.y, 4)} at ${(point.x / 1e6).toFixed(2)} MB</title></circle>`)}</svg>`;
}
