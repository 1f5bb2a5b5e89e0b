/** Train: what it would take, its progress, and its result; or why this device cannot train, and what to do. */

import { request, startUpper } from "./api.js";
import { Component, h, rebuild, replace } from "./dom.js";
import { downloadDataset } from "./dataset-files.js";
import { formatDuration } from "./format.js";
import { reportErrors, showToast } from "./messages.js";
import { buildProbation } from "./probation.js";
import { link } from "./router.js";
import { store } from "./store.js";
import { teaching } from "./teaching.js";
import { TrainResult } from "./train-result.js";

/** @typedef {import("./teaching.js").Training} Training */

const FOLLOW_MS = 1500;

/** Starts, cancels, and shows the training. */
export class TrainPanel extends Component {
  #content = h("div", { class: "stack" });
  #trial = h("div", { class: "attention" });
  #told = h("p", { class: "hidden-text", role: "status" });
  #state = "";
  #received_ms = 0;
  #timer = /** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined);

  build() {
    this.className = "train-panel";
    replace(this, h("h2", { tabIndex: -1 }, "Train"), this.#trial, this.#content, this.#told);
    this.listen(teaching, "training", () => {
      this.#received_ms = performance.now();
      this.#draw();
    });
    this.listen(teaching, "dataset", () => this.#followPictures());
    this.listen(store, "status", () => this.#drawTrial());
    this.listen(this, "decided", () => teaching.loadTraining());
    this.listen(this, "again", () => this.#start());
    this.repeat(1000, () => teaching.training?.state === "running" && this.#drawLeft());
    this.#draw();
    this.#drawTrial();
  }

  /** Whether there is a result to decide about. */
  get hasResult() {
    return teaching.training?.state === "done" && Boolean(teaching.training.result);
  }

  /** The expected time and the reason depend on the pictures. */
  #followPictures() {
    const { training } = teaching;
    if (!training || training.state === "running" || training.state === "done") return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      teaching.loadTraining();
    }, FOLLOW_MS);
  }

  #drawTrial() {
    const { status } = store;
    if (!status) return;
    rebuild(this.#trial, [status.update, status.model.version], () => buildProbation(status));
  }

  #draw() {
    const { training } = teaching;
    if (!training) return;
    this.toggleAttribute("data-result", this.hasResult);
    this.dispatchEvent(new Event("state", { bubbles: true }));
    const { step, done, total, left_s, ...rest } = training;
    const key = training.state === "running" ? "running" : [rest, teaching.canChange];
    rebuild(this.#content, key, () => (training.state === "running" ? this.#buildProgress() : this.#buildIdle(training)));
    if (training.state === "running") this.#drawProgress(training);
    this.#announce(training);
  }

  /** @param {Training} training */
  #announce({ state, error }) {
    if (state === this.#state) return;
    const before = this.#state;
    this.#state = state;
    if (before !== "running") return;
    const texts = { done: "Trained: the result is shown", canceled: "The training is canceled", failed: `The training failed: ${error ?? ""}` };
    replace(this.#told, texts[/** @type {keyof typeof texts} */ (state)] ?? "");
    if (state !== "done") return;
    const title = this.querySelector("h2");
    title?.scrollIntoView({ block: "start" });
    title?.focus({ preventScroll: true });
  }

  /** @param {Training} training */
  #buildIdle(training) {
    if (training.state === "done" && training.result) return [new TrainResult(training.result), buildLeftOut(training)];
    const { possible, reason, command, state, error } = training;
    const failed = state === "failed" && h("p", { class: "note danger", role: "alert" }, startUpper(error ?? "the training failed; see the log of the device"));
    const canceled = state === "canceled" && h("p", { class: "soft" }, "The last training was canceled.");
    if (!possible) return [failed, buildImpossible(reason, command ?? null)];
    if (!teaching.canChange) return [failed, h("p", { class: "soft" }, describeCost(training))];
    return [failed, canceled, buildLeftOut(training), h("div", { class: "row" },
      h("button", { type: "button", id: "train", class: "primary", onclick: () => this.#start() }, "Train"),
      h("span", { class: "soft" }, describeCost(training)))];
  }

  async #start() {
    const started = await reportErrors(request("POST", "/api/training", { json: {} }));
    if (started) teaching.setTraining(started);
    else teaching.loadTraining();
    /** @type {HTMLElement | null} */ (this.querySelector("#cancel-training"))?.focus();
  }

  async #cancel() {
    const button = this.querySelector("#cancel-training");
    if (button instanceof HTMLButtonElement) button.disabled = true;
    if (await reportErrors(request("DELETE", "/api/training")) !== undefined) showToast("The training is canceled");
    await teaching.loadTraining();
  }

  #buildProgress() {
    const bar = h("div", { class: "progress unknown", role: "progressbar", "aria-label": "Training", "aria-valuemin": 0, "aria-valuemax": 100 }, h("span"));
    return h("div", { class: "stack tight training" },
      h("p", null, h("span", { class: "step" }), " ", h("span", { class: "soft left" })), bar,
      h("div", { class: "row" }, teaching.canChange && h("button", { type: "button", id: "cancel-training", onclick: () => this.#cancel() }, "Cancel"),
        h("span", { class: "soft small" }, "It goes on if you close the page; the camera keeps labeling.")));
  }

  /** @param {Training} training */
  #drawProgress({ step, done, total }) {
    const text = startUpper(step ?? "starting");
    const count = total && done !== null && done !== undefined ? `, ${done} of ${total}` : "";
    rebuild(/** @type {Element} */ (this.querySelector(".step")), [text, count], () => text + count);
    const bar = /** @type {HTMLElement} */ (this.querySelector(".progress"));
    const part = total && done ? Math.min(1, done / total) : null;
    bar.classList.toggle("unknown", part === null);
    bar.style.setProperty("--part", String(part ?? 0));
    if (part === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", String(Math.round(part * 100)));
    this.#drawLeft();
  }

  /** The time left counts down between the messages of the device. */
  #drawLeft() {
    const left_s = teaching.training?.left_s;
    const place = this.querySelector(".left");
    if (!place) return;
    const now_s = typeof left_s === "number" ? left_s - (performance.now() - this.#received_ms) / 1000 : 0;
    rebuild(place, Math.max(0, Math.round(now_s)), () => (now_s >= 1 ? `· ${formatDuration(Math.round(now_s))} left` : ""));
  }
}
customElements.define("train-panel", TrainPanel);

/** @param {Training} training */
function describeCost({ pictures, expected_s }) {
  return `${pictures} pictures${expected_s ? `, about ${formatDuration(expected_s)}` : ""}`;
}

/** @param {Training} training */
function buildLeftOut({ left_out_labels }) {
  if (!left_out_labels?.length) return null;
  const names = left_out_labels.map(({ label, count }) => `“${label}” (${count})`).join(", ");
  const [has, are] = left_out_labels.length === 1 ? ["has", "is"] : ["have", "are"];
  return h("p", { class: "note" }, `${names} ${has} fewer than 10 pictures and ${are} left out.`);
}

/**
 * State why this device cannot train, with the command that changes it, and another way.
 * @param {string | null} reason
 * @param {string | null} command
 */
function buildImpossible(reason, command) {
  const ready = (teaching.dataset?.labels ?? []).filter((label) => !label.missing).length;
  const isDevice = Boolean(command) || ready > 1; // else only pictures are missing
  const copy = async (/** @type {Event} */ event) => {
    try {
      await navigator.clipboard.writeText(command ?? "");
      showToast("Copied");
    } catch { // only on pages with TLS
      const code = /** @type {Element} */ (event.target).parentElement?.querySelector("code");
      if (code) getSelection()?.selectAllChildren(code);
    }
  };
  return h("div", { class: isDevice ? "note warning" : "note" }, h("p", null, startUpper(reason ?? "this device cannot train now")),
    command && h("div", { class: "row command" }, h("code", null, command), h("button", { type: "button", onclick: copy }, "Copy")),
    isDevice && ready > 0 && h("div", { class: "row" }, h("button", { type: "button", onclick: downloadDataset }, "Download the dataset"),
      h("a", { href: link("device", "manual", "train") }, "How to train on a computer")));
}
