/** The strip of a day: a bar for each quarter of an hour, colored by label; also for the keyboard and screen readers. */

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

  /** Load the counts again, after a change. */
  refresh() {
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
    const svg = make("svg", { viewBox: `0 0 ${length} ${HEIGHT}`, preserveAspectRatio: "none", role: "group" });
    const total = sums.reduce((sum, count) => sum + count, 0);
    svg.setAttribute("aria-label", `${total} ${total === 1 ? "event" : "events"} in a day, by quarters of an hour`);
    svg.append(make("line", { x1: 0, x2: length, y1: HEIGHT, y2: HEIGHT, class: "base", "vector-effect": "non-scaling-stroke" }));
    for (const [part, of] of [...parts].sort(([a], [b]) => a - b)) svg.append(this.#drawPart(part, of, most));
    svg.addEventListener("click", (event) => chooseNearest(svg, /** @type {MouseEvent} */ (event)));
    const focused = this.querySelector(".hit:focus")?.getAttribute("data-part");
    const hits = [...svg.querySelectorAll(".hit")];
    (hits.find((hit) => hit.getAttribute("data-part") === focused) ?? hits.at(-1))?.setAttribute("tabindex", "0");
    replace(this, svg, h("div", { class: "hours", "aria-hidden": "true" },
      [0, 6, 12, 18, 24].map((hour) => h("span", null, formatHour(hour)))), buildLegend(counts));
    if (focused) /** @type {SVGElement | null} */ (svg.querySelector(".hit[tabindex='0']"))?.focus({ preventScroll: true });
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
    const text = `${formatTime(start)} – ${formatTime(end)}: ${counts.map(({ label, count }) => `${count} × ${label}`).join(", ")}`;
    const hit = make("rect", { x: part, y: 0, width: 1, height: HEIGHT, class: "hit", role: "button", tabindex: -1, "data-part": part, "aria-label": text });
    const title = make("title", {});
    title.textContent = text;
    hit.append(title);
    hit.addEventListener("click", () => this.dispatchEvent(new CustomEvent("choose", { detail: end })));
    hit.addEventListener("keydown", (event) => this.#followKey(/** @type {KeyboardEvent} */ (event)));
    group.append(hit);
    return group;
  }

  /**
   * Choose the bar with Enter or Space; move to its neighbors with the arrow keys, and to the ends with Home and End.
   * @param {KeyboardEvent} event
   */
  #followKey(event) {
    const hits = /** @type {SVGElement[]} */ ([...this.querySelectorAll(".hit")]);
    const at = hits.indexOf(/** @type {SVGElement} */ (event.currentTarget));
    /** @type {Record<string, number>} */
    const targets = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: hits.length - 1 };
    if (event.key === "Enter" || event.key === " ") hits[at].dispatchEvent(new MouseEvent("click"));
    else if (hits[targets[event.key]]) {
      hits[at].setAttribute("tabindex", "-1"); // only one of the bars is reached with Tab
      hits[targets[event.key]].setAttribute("tabindex", "0");
      hits[targets[event.key]].focus();
    } else return;
    event.preventDefault();
  }
}
customElements.define("day-strip", DayStrip);

/**
 * Choose the bar that is nearest to a tap beside the bars, which are narrow on a phone.
 * @param {Element} svg
 * @param {MouseEvent} event
 */
function chooseNearest(svg, event) {
  if (event.target instanceof Element && event.target.matches(".hit")) return;
  const distance = (/** @type {Element} */ hit) => {
    const { left, width } = hit.getBoundingClientRect();
    return Math.abs(left + width / 2 - event.clientX);
  };
  const [nearest] = [...svg.querySelectorAll(".hit")].sort((a, b) => distance(a) - distance(b));
  nearest?.dispatchEvent(new MouseEvent("click"));
}

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
