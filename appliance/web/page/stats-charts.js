/** Small charts of the last 24 hours. */

import { request } from "./api.js";
import { make } from "./day-strip.js";
import { Component, h, replace } from "./dom.js";
import { formatTime } from "./format.js";
import { describeError, isAbort } from "./messages.js";
import { store } from "./store.js";

/** @typedef {Record<string, any>} Point */
/** @typedef {{title: string, unit: string, digits: number, zero?: boolean, read: (point: Point, before?: Point) => number | null | undefined}} Chart */

const KEPT = 24 * 60;
const WIDTH = 240;
const HEIGHT = 56;
const GAP_MS = 3 * 60_000;

/** @type {Chart[]} */
const CHARTS = [
  { title: "Frames a second", unit: "/s", digits: 1, zero: true, read: (point) => point.fps },
  { title: "Inference", unit: "ms", digits: 1, zero: true, read: (point) => point.inference_ms?.p50 ?? point.inference_ms },
  { title: "Dropped frames", unit: "/min", digits: 0, zero: true, read: (point, before) => before && point.dropped - before.dropped },
  { title: "Damaged frames", unit: "/min", digits: 0, zero: true, read: (point, before) => before && point.damaged - before.damaged },
  { title: "Temperature", unit: "°C", digits: 0, read: (point) => point.temperature_c ?? point.cpu_temp_c },
  { title: "Memory", unit: "MB", digits: 0, read: (point) => point.rss_mb },
  { title: "Free disk", unit: "GB", digits: 2, read: (point) => point.disk_free_mb && point.disk_free_mb / 1000 },
  { title: "Events that wait", unit: "", digits: 0, zero: true, read: (point) => point.outbox_waiting ?? point.outbox?.waiting },
];

/** Shows the statistics, and adds a point a minute. */
export class StatsCharts extends Component {
  /** @type {Point[]} */
  #points = [];

  build() {
    this.listen(store, "stats", (event) => {
      this.#points = [...this.#points, event.detail].slice(-KEPT);
      this.#draw();
    });
    this.#load();
  }

  async #load() {
    try {
      this.#points = await request("GET", "/api/device/stats", { signal: this.signal });
      this.#draw();
    } catch (error) {
      if (!isAbort(error)) replace(this, h("p", { class: "error-text" }, describeError(error)));
    }
  }

  #draw() {
    if (!this.#points.length) return replace(this, h("p", { class: "soft" }, "Nothing yet: the first values come after a minute."));
    const last = this.#points[this.#points.length - 1];
    const lost = `${last.dropped ?? 0} frames dropped and ${last.damaged ?? 0} damaged since the start`;
    return replace(this, h("div", { class: "charts" }, CHARTS.map((chart) => buildChart(chart, this.#points))), h("p", { class: "soft small" }, lost));
  }
}
customElements.define("stats-charts", StatsCharts);

/**
 * @param {Chart} chart
 * @param {Point[]} points
 */
function buildChart({ title, unit, digits, zero, read }, points) {
  const known = points.map((point, index) => ({ at: Date.parse(point.time), value: read(point, points[index - 1]) }))
    .filter((/** @type {any} */ point) => typeof point.value === "number" && Number.isFinite(point.value));
  const values = /** @type {{at: number, value: number}[]} */ (known);
  const text = (/** @type {number} */ value) => `${value.toFixed(digits)}${unit ? ` ${unit}` : ""}`.replace(" /", "/");
  if (!values.length) return h("figure", null, h("figcaption", null, title), h("p", { class: "soft" }, "no value yet, or not measured here"));
  const all = values.map((point) => point.value);
  const [least, most, last] = [Math.min(...all), Math.max(...all), all[all.length - 1]];
  const range = least === most ? `always ${text(least)}` : `${text(least)} to ${text(most)}`;
  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `${title}: ${text(last)} now, ${range} since ${formatTime(new Date(values[0].at))}` });
  svg.append(make("path", { d: drawLine(values, zero ? 0 : least, most), class: "line", "vector-effect": "non-scaling-stroke" }));
  return h("figure", null,
    h("figcaption", null, title, h("strong", null, text(last))),
    svg,
    h("div", { class: "axis", "aria-hidden": "true" }, h("span", null, formatTime(new Date(values[0].at))), h("span", null, range), h("span", null, "now")));
}

/**
 * Return the path of the points; a gap in time is a gap in the line.
 * @param {{at: number, value: number}[]} points
 * @param {number} least
 * @param {number} most
 */
function drawLine(points, least, most) {
  const start = points[0].at;
  const span = Math.max(1, points[points.length - 1].at - start);
  const height = most - least || 1;
  const middle = most === least && least !== 0 ? HEIGHT / 2 : 0;
  let path = "";
  points.forEach(({ at, value }, index) => {
    const x = ((at - start) / span) * WIDTH;
    const y = middle || HEIGHT - 3 - ((value - least) / height) * (HEIGHT - 6);
    path += `${index && at - points[index - 1].at < GAP_MS ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
  });
  return points.length === 1 ? `${path}h${WIDTH}` : path;
}
