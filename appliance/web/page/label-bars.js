/** The scores as bars, with the threshold as a line that can be dragged or moved with the keys. */

import { request } from "./api.js";
import { colorClass } from "./colors.js";
import { Component, h, rebuild, replace, setText } from "./dom.js";
import { formatFraction } from "./format.js";
import { reportErrors } from "./messages.js";
import { store } from "./store.js";

/** @typedef {import("./types.js").Score} Score */

const SHOWN = 5;
const SEND_MS = 200;
// A threshold is in force, and in the status, from the next frame on.
const CONFIRM_MS = 3000;
const SOURCES = { mqtt: "set here or over MQTT", settings: "from the settings", model: "the model's", default: "the default" };
/** @type {Record<string, number>} */
const STEPS = { ArrowLeft: -0.01, ArrowDown: -0.01, ArrowRight: 0.01, ArrowUp: 0.01, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 };

/** Shows up to 5 labels and the threshold in force. */
export class LabelBars extends Component {
  #rows = h("div", { class: "scores" });
  #handle = h("div", {
    class: "threshold-handle", role: "slider", tabIndex: 0, "aria-label": "Threshold", "aria-valuemin": 0, "aria-valuemax": 1,
  });
  #area = h("div", { class: "threshold-area" }, this.#handle);
  #note = h("p", { class: "soft small threshold-note" });
  #value = 0.5;
  /** The value that was set here and that the device has not confirmed yet. */
  #pending = /** @type {number | null} */ (null);
  #timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);

  build() {
    this.className = "label-bars";
    replace(this, h("div", { class: "bars" }, this.#rows, this.#area), this.#note);
    this.listen(store, "labels", () => this.#draw());
    this.listen(store, "status", () => this.#draw());
    this.listen(this.#handle, "keydown", (event) => this.#followKey(event));
    this.listen(this.#handle, "pointerdown", (event) => this.#startDrag(event));
    this.#draw();
  }

  /** @param {KeyboardEvent} event */
  #followKey(event) {
    const step = STEPS[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.#set(this.#value + step);
  }

  /** @param {PointerEvent} event */
  #startDrag(event) {
    this.#handle.setPointerCapture(event.pointerId);
    event.preventDefault();
    this.#handle.focus({ preventScroll: true });
    const move = (/** @type {PointerEvent} */ at) => {
      const area = this.#area.getBoundingClientRect();
      this.#set((at.clientX - area.left) / area.width);
    };
    const drag = new AbortController();
    const options = { signal: drag.signal };
    this.#handle.addEventListener("pointermove", move, options);
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      this.#handle.addEventListener(end, () => drag.abort(), options);
    }
  }

  /** @param {number} value */
  #set(value) {
    this.#value = this.#pending = Math.min(1, Math.max(0, Math.round(value * 100) / 100));
    this.#draw();
    this.#timer ??= setTimeout(() => this.#send(), SEND_MS);
  }

  async #send() {
    const value = this.#pending;
    const done = await this.#put(value);
    this.#timer = undefined;
    if (!done) this.#pending = null;
    else if (this.#pending !== value) this.#timer = setTimeout(() => this.#send(), SEND_MS);
    else setTimeout(() => this.#forget(value), CONFIRM_MS);
    this.#draw();
  }

  /**
   * Show the device's value again, when it has not confirmed the one that was set.
   * @param {number | null} value
   */
  #forget(value) {
    if (this.#pending !== value || this.#timer !== undefined) return;
    this.#pending = null;
    this.#draw();
  }

  /**
   * @param {number | null} value null for the default
   * @returns {Promise<boolean>} whether the device took it
   */
  async #put(value) {
    const done = await reportErrors(request("PUT", "/api/threshold", { json: { value } }));
    await store.refresh();
    return done !== undefined;
  }

  #draw() {
    const status = store.status;
    if (!status) return;
    const confirmed = this.#pending !== null && Math.abs(status.threshold.value - this.#pending) < 0.005;
    if (confirmed && this.#timer === undefined) this.#pending = null;
    if (this.#pending === null) this.#value = status.threshold.value;
    this.#drawRows(status);
    this.style.setProperty("--threshold", String(this.#value));
    this.#handle.setAttribute("aria-valuenow", String(this.#value));
    this.#handle.setAttribute("aria-valuetext", `${Math.round(this.#value * 100)} %`);
    this.#drawNote(status);
  }

  /** @param {import("./types.js").Status} status */
  #drawRows(status) {
    const known = store.known;
    const scores = this.#choose(status);
    rebuild(this.#rows, [scores.map((score) => score.label), status.thresholds, status.model.sha256],
      () => scores.map((score) => buildRow(score.label, status.thresholds?.[score.label])));
    scores.forEach((score, index) => {
      const row = /** @type {HTMLElement} */ (this.#rows.children[index]);
      const least = status.thresholds?.[score.label] ?? this.#value;
      row.classList.toggle("below", !known || score.score < least);
      row.style.setProperty("--score", known ? String(score.score) : "0");
      setText(/** @type {Element} */ (row.lastElementChild), known ? formatFraction(score.score) : "–");
    });
  }

  /**
   * Choose the labels to show: the best, but in the order of a small model, so that its rows keep their places.
   * @param {import("./types.js").Status} status
   * @returns {Score[]}
   */
  #choose(status) {
    const scores = store.labels?.labels ?? status.labels ?? [];
    const labels = status.model.labels ?? [];
    const best = [...scores].sort((a, b) => b.score - a.score).slice(0, SHOWN);
    if (!best.length) return labels.slice(0, SHOWN).map((label) => ({ label, score: 0 }));
    if (labels.length > SHOWN + 1) return best; // one label may be the background, which is never reported
    return best.sort((a, b) => labels.indexOf(a.label) - labels.indexOf(b.label));
  }

  /** @param {import("./types.js").Status} status */
  #drawNote(status) {
    const { source } = status.threshold;
    const text = this.#pending === null ? SOURCES[/** @type {keyof typeof SOURCES} */ (source)] ?? source : "set here";
    const canReset = this.#pending === null && source === "mqtt";
    const own = Object.keys(status.thresholds ?? {}).length;
    rebuild(this.#note, [this.#value, text, status.threshold.default, canReset, own], () => [
      h("span", null, `Threshold ${formatFraction(this.#value)} · ${text}`),
      canReset && h("button", { type: "button", class: "plain", onclick: () => this.#put(null) },
        `Reset to ${formatFraction(status.threshold.default)}`),
      own > 0 && h("span", null, ` · ${own === 1 ? "one label has" : `${own} labels have`} a threshold of their own`),
    ]);
  }
}
customElements.define("label-bars", LabelBars);

/**
 * Build a row: name, bar, score.
 * @param {string} label
 * @param {number} [own] the label's own threshold
 */
export function buildRow(label, own) {
  return h("div", { class: `score ${colorClass(label)}` },
    h("span", { class: "name", title: label }, label),
    h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "fill" }),
      own !== undefined && h("span", { class: "own", "--own": own, title: `own threshold ${own}` })),
    h("span", { class: "value" }));
}
