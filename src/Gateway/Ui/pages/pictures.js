// Pictures of a prune job: what is left of each block, and how the distance grew with what went.
import { html, number } from "/ui/view.js";

const cell = 18;

/** Parts of sublayers that are gone, by "attn:3": 1 where the whole sublayer is. While a job runs, only names are known: a unit counts as a quarter. */
export function goneShares(removed, shares) {
  if (shares?.length) return new Map(shares.map(({ name, share }) => [name, share]));
  const gone = new Map();
  for (const name of removed ?? []) {
    const [sublayer, unit] = name.split("/");
    gone.set(sublayer, unit ? Math.min(0.95, (gone.get(sublayer) ?? 0) + 0.25) : 1);
  }
  return gone;
}

/** Two rows over the blocks. Filled height: what is kept. Colour: how much the output suffers without the whole sublayer, where it was measured. */
export function HeatMap({ blocks, removed, sensitivity, healed, shares }) {
  if (!blocks) return null;
  const gone = goneShares(removed, shares);
  const measured = new Map((sensitivity ?? []).map(item => [item.name, item.distance]));
  const values = [...measured.values()].filter(value => value > 0).map(Math.log);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const heat = name => measured.has(name) && high > low ? (Math.log(Math.max(measured.get(name), 1e-12)) - low) / (high - low) : null;
  const mended = new Set((healed ?? []).map(item => item.split(" ")[0]));
  const width = 70 + blocks * cell;
  const row = (kind, y) => Array.from({ length: blocks }, (_, block) => {
    const name = `${kind}:${block}`;
    const share = gone.get(name) ?? 0;
    const warmth = heat(name);
    const fill = warmth === null ? "var(--kept)" : `color-mix(in srgb, #d1495b ${Math.round(100 * warmth)}%, #2e7fb8)`;
    const title = `${name}: ${share === 1 ? "removed" : share > 0 ? `${Math.round(100 * share)} % removed` : "kept"}${mended.has(name) ? ", healed" : ""}${measured.has(name) ? `; distance without it ${number(measured.get(name), 4)}` : ""}`;
    const x = 70 + block * cell;
    return html`<g><title>${title}</title>
      <rect x=${x} y=${y} width=${cell - 2} height="26" fill="var(--gone)" /><rect x=${x} y=${y + 26 * share} width=${cell - 2} height=${26 * (1 - share)} fill=${fill} />
      ${mended.has(name) && html`<circle cx=${x + (cell - 2) / 2} cy=${y + 13} r="3.5" fill="var(--good)" stroke="var(--panel)" />`}</g>`;
  });
  const count = [...gone.values()];
  const spoken = `${blocks} blocks; ${count.filter(share => share === 1).length} sublayers removed, ${count.filter(share => share < 1).length} in part: ${[...gone.keys()].join(", ") || "none"}`;
  return html`<figure style="margin:0"><div class="scroll" tabindex="0" role="region" aria-label="Sublayers by block"><svg width=${width} height="86" viewBox=${`0 0 ${width} 86`} style="max-width:none" role="img" aria-label=${spoken}>
      <text x="0" y="30">attention</text><text x="0" y="60">FFN</text>${row("attn", 12)}${row("ffn", 42)}
      ${Array.from({ length: Math.ceil(blocks / 5) }, (_, index) => html`<text x=${70 + index * 5 * cell} y="82">${index * 5}</text>`)}</svg></div>
    <figcaption class="soft">Filled: kept. Grey: removed.${measured.size > 0 ? " From blue to red: how much the output suffers without the sublayer." : ""}${mended.size > 0 ? " Dot: healed." : ""}</figcaption></figure>`;
}

/** points: [{ x: bytes gone, y: distance, name }]. */
export function Curve({ points }) {
  if (points.length === 0) return html`<p class="soft">No step yet.</p>`;
  const [width, height, left, bottom] = [560, 220, 52, 30];
  const most = { x: Math.max(...points.map(point => point.x)) || 1, y: Math.max(...points.map(point => point.y)) || 1 };
  const x = value => left + (width - left - 10) * value / most.x;
  const y = value => height - bottom - (height - bottom - 10) * value / most.y;
  const line = [{ x: 0, y: 0 }, ...points].map((point, index) => `${index ? "L" : "M"}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`).join("");
  return html`<svg width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${`Distance by megabytes removed: ${points.map(point => `${(point.x / 1e6).toFixed(1)} MB ${number(point.y, 4)}`).join(", ")}`}>
    ${[0, 0.5, 1].map(share => html`<line x1=${left} x2=${width - 10} y1=${y(share * most.y)} y2=${y(share * most.y)} stroke="var(--line)" /><text x=${left - 6} y=${y(share * most.y) + 4} text-anchor="end">${number(share * most.y, 3)}</text>
      <text x=${x(share * most.x)} y=${height - 10} text-anchor=${share === 1 ? "end" : "middle"}>${(share * most.x / 1e6).toFixed(1)} MB</text>`)}
    <path d=${line} fill="none" stroke="var(--accent)" stroke-width="2" />
    ${points.map(point => html`<circle cx=${x(point.x)} cy=${y(point.y)} r="4" fill="var(--accent)"><title>${point.name}: ${number(point.y, 4)} at ${(point.x / 1e6).toFixed(2)} MB</title></circle>`)}</svg>`;
}
