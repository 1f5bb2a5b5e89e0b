/** The strip of a day: a bar for each quarter of an hour, colored by label. */

import { request } from "./api.js";
import { colorClass } from "./colors.js";
import { Component, h, replace } from "./dom.js";
import { formatHour, formatTime } from "./format.js";
import { store } from "./store.js";

/** @typedef {{part: number, label: string, count: number}} Count */

const PART_MS = 900_000;
const HEIGHT = 72;
const LEGEND = 6;
const SVG = "http://www.w3.org/2000/svg";

/** Shows a day; emits `choose` with the end of the quarter of an hour that the viewer clicks. */
export class DayStrip extends Component {
  #day = new Date();
  #label = "";
  #changed = false;

  build() {
    this.className = "strip";
    this.listen(store, "event", () => (this.#changed = true));
    this.repeat(3000, () => {
      if (!this.#changed || document.hidden) return;
      this.#changed = false;
      this.#load();
    });
  }

  /**
   * Show a day.
   * @param {Date} day
   * @param {string} label only this label; "" for all
   */
  show(day, label) {
    this.#day = new Date(day.getFullYear(), day.getMonth(), day.getDate());
    this.#label = label;
    this.#load();
  }

  async #load() {
    const [day, label] = [this.#day, this.#label];
    const end = new Date(day.getFullYear(), day.getMonth(), day.getDate() + 1);
    const query = new URLSearchParams({ start: day.toISOString(), end: end.toISOString() });
    try {
      /** @type {Count[]} */
      const counts = await request("GET", `/api/events/strip?${query}`, { signal: this.signal });
      const parts = Math.round((+end - +day) / PART_MS); // not 96 on the days when clocks change
      if (day === this.#day && label === this.#label) this.#draw(parts, counts.filter((count) => !label || count.label === label));
    } catch { /* the list reports it */ }
  }

  /**
   * @param {number} length the number of quarters of an hour
   * @param {Count[]} counts
   */
  #draw(length, counts) {
    /** @type {Map<number, Count[]>} */
    const parts = new Map();
    for (const count of counts) parts.set(count.part, [...(parts.get(count.part) ?? []), count]);
    const sums = [...parts.values()].map((part) => part.reduce((sum, count) => sum + count.count, 0));
    const most = Math.max(4, ...sums);
    const svg = make("svg", { viewBox: `0 0 ${length} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    const total = sums.reduce((sum, count) => sum + count, 0);
    svg.setAttribute("aria-label", `${total} ${total === 1 ? "event" : "events"} in a day, by quarters of an hour`);
    svg.append(make("line", { x1: 0, x2: length, y1: HEIGHT, y2: HEIGHT, class: "base", "vector-effect": "non-scaling-stroke" }));
    for (const [part, of] of parts) svg.append(this.#drawPart(part, of, most));
    replace(this, svg, h("div", { class: "hours", "aria-hidden": "true" },
      [0, 6, 12, 18, 24].map((hour) => h("span", null, formatHour(hour)))), buildLegend(counts));
  }

  /**
   * @param {number} part
   * @param {Count[]} counts
   * @param {number} most the count of a bar of full height
   */
  #drawPart(part, counts, most) {
    const group = make("g", { class: "part" });
    let y = HEIGHT;
    for (const { label, count } of [...counts].sort((a, b) => a.label.localeCompare(b.label))) {
      const height = (count / most) * HEIGHT;
      y -= height;
      group.append(make("rect", { x: part + 0.1, y, width: 0.8, height, class: colorClass(label) }));
    }
    const start = new Date(+this.#day + part * PART_MS);
    const end = new Date(+start + PART_MS);
    const hit = make("rect", { x: part, y: 0, width: 1, height: HEIGHT, class: "hit" });
    const title = make("title", {});
    title.textContent = `${formatTime(start)}: ${counts.map(({ label, count }) => `${count} × ${label}`).join(", ")}`;
    hit.append(title);
    hit.addEventListener("click", () => this.dispatchEvent(new CustomEvent("choose", { detail: end })));
    group.append(hit);
    return group;
  }
}
customElements.define("day-strip", DayStrip);

/** @param {Count[]} counts */
function buildLegend(counts) {
  const labels = [...new Set(counts.map((count) => count.label))].sort();
  if (!labels.length) return null;
  const more = labels.length - LEGEND;
  return h("div", { class: "legend" },
    labels.slice(0, LEGEND).map((label) => h("span", null, h("span", { class: `swatch ${colorClass(label)}` }), label)),
    more > 0 && h("span", null, `and ${more} more`));
}

/**
 * Create an SVG element.
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 */
export function make(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
