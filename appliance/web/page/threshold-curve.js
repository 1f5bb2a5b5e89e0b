/** Choose the threshold of a new model: what is right and what is found at each, with the intervals. */

import { Component, h, replace } from "./dom.js";
import { formatPercent } from "./format.js";

/** @typedef {import("./teaching.js").CurvePoint} CurvePoint */
/** @typedef {import("./teaching.js").Share} Share */

const SVG = "http://www.w3.org/2000/svg";
const SHARES = /** @type {const} */ (["precision", "recall"]);

/** A slider over the measured thresholds. */
export class ThresholdCurve extends Component {
  /** Whether the viewer chose another threshold than the training did. */
  isMoved = false;
  #points;
  #index;
  #range = h("input", { type: "range", step: 1, id: "new-threshold", oninput: () => this.#move() });
  #text = h("dl", { class: "facts" });
  #title = h("span");
  #line = document.createElementNS(SVG, "line");

  /**
   * @param {CurvePoint[]} points
   * @param {number} threshold
   */
  constructor(points, threshold) {
    super();
    this.#points = [...points].sort((a, b) => a.threshold - b.threshold);
    this.#index = findNearest(this.#points, threshold);
    this.threshold = threshold;
  }

  /** The threshold that is chosen. */
  get value() {
    return this.isMoved ? this.#points[this.#index].threshold : this.threshold;
  }

  build() {
    if (!this.#points.length) return;
    this.#range.max = String(this.#points.length - 1);
    this.#range.value = String(this.#index);
    replace(this, h("h3", null, "Threshold"), this.#buildChart(),
      h("label", { class: "field" }, this.#title, this.#range), this.#text);
    this.#draw();
  }

  #move() {
    this.#index = Number(this.#range.value);
    this.isMoved = Math.abs(this.#points[this.#index].threshold - this.threshold) > 1e-6;
    this.#draw();
    this.dispatchEvent(new Event("move", { bubbles: true }));
  }

  #draw() {
    const { precision, recall } = this.#points[this.#index];
    const threshold = this.value;
    const right = precision ? `${describeInterval(precision)} of its labels` : "it labels nothing";
    const found = recall ? `${describeInterval(recall)} of your things` : "–";
    replace(this.#title, `Label at a score of ${threshold.toFixed(2)} and more${this.isMoved ? "" : " (chosen by the training)"}`);
    replace(this.#text, h("dt", { class: "label-0" }, "Right"), h("dd", null, right), h("dt", { class: "label-1" }, "Found"), h("dd", null, found));
    this.#range.setAttribute("aria-valuetext", `${threshold.toFixed(2)}: right in ${right}, finds ${found}`);
    const x = String(this.#toX(this.#points[this.#index].threshold));
    this.#line.setAttribute("x1", x);
    this.#line.setAttribute("x2", x);
  }

  /** @param {number} threshold */
  #toX(threshold) {
    const first = this.#points[0].threshold;
    const last = this.#points[this.#points.length - 1].threshold;
    return last > first ? (300 * (threshold - first)) / (last - first) : 150;
  }

  #buildChart() {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 300 80");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("class", "curve");
    svg.setAttribute("aria-hidden", "true");
    for (const name of SHARES) svg.append(this.#buildLine(this.#points.filter((point) => point[name]), name));
    this.#line.setAttribute("y1", "0");
    this.#line.setAttribute("y2", "80");
    svg.append(this.#line);
    return svg;
  }

  /**
   * @param {CurvePoint[]} points
   * @param {"precision" | "recall"} name
   */
  #buildLine(points, name) {
    const line = document.createElementNS(SVG, "polyline");
    line.setAttribute("class", name);
    line.setAttribute("points", points.map((point) => this.#toPoint(point.threshold, /** @type {Share} */ (point[name]).value)).join(" "));
    return line;
  }

  /**
   * @param {number} threshold
   * @param {number} value 0–1
   */
  #toPoint(threshold, value) {
    return `${this.#toX(threshold).toFixed(1)},${(78 - 76 * value).toFixed(1)}`;
  }
}
customElements.define("threshold-curve", ThresholdCurve);

/**
 * @param {CurvePoint[]} points
 * @param {number} threshold
 */
function findNearest(points, threshold) {
  const distances = points.map((point) => Math.abs(point.threshold - threshold));
  return Math.max(0, distances.indexOf(Math.min(...distances)));
}

/**
 * Describe a share with its interval; a dash if the sample cannot give one.
 * @param {Share} share
 */
export function describeInterval({ value, low, high }) {
  const interval = low === null || high === null ? "–" : `${Math.round(low * 100)}–${Math.round(high * 100)}`;
  return `${formatPercent(value)} (${interval})`;
}
