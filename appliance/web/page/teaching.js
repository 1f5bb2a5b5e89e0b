/** What the device was taught: its labels with their counts, the training, and the changes that a viewer makes. */

import { request } from "./api.js";
import { describeError, isAbort, reportErrors, showToast } from "./messages.js";
import { h } from "./dom.js";
import { store } from "./store.js";

/**
 * @typedef {{name: string, count: number, enough: boolean, missing: number, recordings?: number}} TaughtLabel
 * @typedef {{labels: TaughtLabel[], background: number, unlabeled: number, undo: number, bytes: number,
 *   limit_bytes?: number, folder: string, notes?: string[], name?: string}} Dataset
 * @typedef {{label: string | null, background?: boolean}} Target where pictures belong: a label, none of the labels
 *   (`background`), or not decided yet (null)
 * @typedef {{id: string, label: string | null, background: boolean, guess: {label: string | null, score: number} | null,
 *   time: string, origin: string, burst: string | null}} Picture
 * @typedef {{value: number, low: number | null, high: number | null}} Share
 * @typedef {Share & {right: number, pictures: number}} Accuracy
 * @typedef {{threshold: number, precision: Share | null, recall: Share | null}} CurvePoint
 * @typedef {{picture_id: string, label: string | null, guess: string | null, score: number}} Mistake
 * @typedef {{accuracy: Accuracy | null, running_accuracy: Accuracy | null, comparison: string | null, sentence: string | null,
 *   rejection: string | null, curve: CurvePoint[], threshold: number, mistakes: Mistake[],
 *   per_label: {label: string, recall: Share | null, pictures: number}[], name: string, version: string | null,
 *   warnings: string[]}} TrainingResult
 * @typedef {{state: string, possible: boolean, reason: string | null, command?: string | null, pictures: number,
 *   expected_s: number | null, step?: string | null, done?: number | null, total?: number | null, left_s?: number | null,
 *   error?: string | null, left_out_labels?: {label: string, count: number}[], result?: TrainingResult | null}} Training
 * @typedef {{ids: string[], target: Target | null}} Change the target is null for deleted pictures
 */

export const NONE_OF_THESE = "none of these";
const REQUEST_LIMIT_MS = 60_000; // thousands of pictures on a slow card

/** Emits `dataset`, `training`, `problem`, `changed` (a `Change`), and `undone`. */
class Teaching extends EventTarget {
  /** @type {Dataset | null} */
  dataset = null;
  /** @type {Training | null} */
  training = null;
  /** Why the dataset cannot be shown; "" if it can. */
  problem = "";
  /** Counts requests and answers: an answer that was overtaken by a newer state is dropped. */
  #asked = { dataset: 0, training: 0 };

  /** Whether this sign-in may change the device. */
  get canChange() {
    return store.scope === "admin";
  }

  /** @returns {string[]} the labels, in the order of the keys 1 to 9 */
  get names() {
    return (this.dataset?.labels ?? []).map((label) => label.name);
  }

  /** Load everything, when the place opens and after a lost connection. */
  async load() {
    try {
      await Promise.all([this.#loadDataset(), this.#loadTraining()]);
      this.problem = "";
      this.#emit("problem");
    } catch (error) {
      if (isAbort(error)) return;
      this.problem = describeError(error);
      this.#emit("problem");
    }
  }

  /** Load the state of the training, with its result. */
  async loadTraining() {
    try {
      await this.#loadTraining();
    } catch { /* the stream brings the next state */ }
  }

  async #loadTraining() {
    const asked = ++this.#asked.training;
    const training = await request("GET", "/api/training");
    if (asked === this.#asked.training) this.setTraining(training);
  }

  async #loadDataset() {
    const asked = ++this.#asked.dataset;
    const dataset = await request("GET", "/api/dataset/labels");
    if (asked === this.#asked.dataset) this.setDataset(dataset);
  }

  /** @param {Dataset} dataset */
  setDataset(dataset) {
    this.#asked.dataset += 1;
    this.dataset = dataset;
    this.#emit("dataset");
  }

  /** @param {Training} training */
  setTraining(training) {
    this.#asked.training += 1;
    this.training = training;
    this.#emit("training");
  }

  /**
   * Change the labels: `{add}`, `{rename: {from, to}}`, or `{remove}`.
   * @param {{add: string} | {rename: {from: string, to: string}} | {remove: string}} change
   * @returns {Promise<string>} the name in force, when one was added or changed
   * @throws {import("./api.js").ApiError}
   */
  async changeLabels(change) {
    const answer = await request("PUT", "/api/dataset/labels", { json: change, limit_ms: REQUEST_LIMIT_MS });
    this.setDataset(answer);
    if (!("add" in change)) this.#emit("undone"); // many pictures have another label now
    return answer.name ?? "";
  }

  /**
   * Put pictures where they belong; null deletes them.
   * @param {string[]} ids
   * @param {Target | null} target
   */
  async move(ids, target) {
    if (!ids.length || !this.canChange) return;
    const json = !target ? { ids } : target.background ? { ids, background: true } : { ids, label: target.label };
    const options = { json, limit_ms: REQUEST_LIMIT_MS };
    const done = await reportErrors(request(target ? "PATCH" : "DELETE", "/api/dataset/pictures", options));
    if (done === undefined) return void this.#emit("undone");
    this.#emit("changed", { ids, target });
    this.#setUndo(done.undo);
    const count = ids.length === 1 ? "Picture" : `${ids.length} pictures`;
    const verb = !target ? "deleted" : `: ${nameTarget(target)}`;
    showToast(`${count}${target ? "" : " "}${verb}`, h("button", { type: "button", onclick: () => this.undo() }, "Undo"));
    await this.#refresh();
  }

  /** Take back the last change. */
  async undo() {
    const done = await reportErrors(request("POST", "/api/dataset/undo", { limit_ms: REQUEST_LIMIT_MS }));
    if (done === undefined) return;
    showToast(done.undone ? `Undone: ${done.undone}` : "There is nothing to undo");
    this.#setUndo(done.undo);
    this.#emit("undone");
    await this.#refresh();
  }

  /** @param {number} steps */
  #setUndo(steps) {
    if (this.dataset) this.setDataset({ ...this.dataset, undo: steps });
  }

  async #refresh() {
    try {
      await this.#loadDataset();
    } catch { /* the stream brings it */ }
  }

  /**
   * @param {string} type
   * @param {unknown} [detail]
   */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

export const teaching = new Teaching();

store.addEventListener("dataset", (event) => teaching.setDataset(/** @type {CustomEvent} */ (event).detail));
store.addEventListener("training", (event) => {
  const { detail } = /** @type {CustomEvent} */ (event);
  // The message has only the progress; whether a training is possible, and its result, are in the answer.
  if (detail.state === "running" && teaching.training) teaching.setTraining({ ...teaching.training, ...detail });
  else teaching.loadTraining();
});

/** @param {Target} target */
export function nameTarget(target) {
  return target.background ? NONE_OF_THESE : target.label ?? "unlabeled";
}

/**
 * Return the address of a picture.
 * @param {string} id
 * @param {number} size its longest side in pixels
 */
export function addressOf(id, size) {
  return `/api/dataset/pictures/${encodeURIComponent(id)}.jpg?size=${size}`;
}

/**
 * Build the options of a choice of targets; their values are read by `parseTarget`.
 * @param {string[]} names
 * @param {{unlabeled?: boolean, more?: boolean}} [also] further choices: "not decided yet", and a new label
 */
export function buildTargets(names, also = {}) {
  return [
    ...names.map((name) => h("option", { value: `=${name}` }, name)),
    h("option", { value: "none" }, NONE_OF_THESE),
    also.unlabeled && h("option", { value: "unlabeled" }, "unlabeled"),
    also.more && h("option", { value: "new" }, "new label…"),
  ];
}

/**
 * @param {string} value of an option of `buildTargets`
 * @returns {Target | null} null if the value is none
 */
export function parseTarget(value) {
  if (value.startsWith("=")) return { label: value.slice(1) };
  if (value === "none") return { label: null, background: true };
  return value === "unlabeled" ? { label: null } : null;
}
