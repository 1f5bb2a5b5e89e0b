/** The place "Now": what the camera sees, what it is taken for, and whether all is well. */

import { request, startUpper } from "./api.js";
import { colorClass } from "./colors.js";
import { Component, h, rebuild, replace, setText } from "./dom.js";
import { formatDuration, formatPercent } from "./format.js";
import { icon } from "./icons.js";
import { LabelBars } from "./label-bars.js";
import { LivePicture } from "./live-picture.js";
import { reportErrors, showToast } from "./messages.js";
import { describeModel } from "./model-text.js";
import { buildProbation } from "./probation.js";
import { link } from "./router.js";
import { store } from "./store.js";

/** @typedef {import("./types.js").Status} Status */

/** Shows the live picture, the label now, the scores, and what needs attention. */
export class NowView extends Component {
  #picture = new LivePicture();
  #now = h("div", { class: "label-now stale", "aria-live": "polite", "aria-atomic": "true" });
  #since = h("p", { class: "soft" });
  #pause = h("button", { type: "button", id: "pause", onclick: () => this.#setRunning(!store.status?.running) });
  #take = h("button", { type: "button", id: "take-picture", onclick: () => this.#takePicture() }, icon("picture"), "Picture");
  #viewers = h("span", { class: "soft small" });
  #buttons = h("div", { class: "row now-buttons" }, this.#pause, this.#take, this.#viewers);
  #model = h("p", null);
  #attention = h("div", { class: "stack attention" });
  #bars = h("div", { class: "stale" }, new LabelBars());

  build() {
    this.className = "now-view";
    replace(this, h("h1", { class: "hidden-text", tabIndex: -1 }, "Now"),
      h("div", { class: "now-picture" }, this.#picture),
      h("div", { class: "now-labels" }, this.#now, this.#since, this.#bars),
      this.#buttons,
      h("div", { class: "now-more stack" }, this.#model, this.#attention));
    this.listen(store, "labels", () => this.#draw());
    this.listen(store, "status", () => this.#draw());
    this.listen(this, "turn-on", () => this.#setRunning(true));
    this.repeat(1000, () => this.#drawSince());
    this.#draw();
  }

  #draw() {
    const status = store.status;
    if (!status) return;
    this.#drawNow();
    this.#drawSince();
    this.#drawButtons(status);
    rebuild(this.#model, [status.model.sha256, status.update], () =>
      h("a", { href: link("model"), class: "model-line" }, describeModel(status)));
    rebuild(this.#attention, [status.problems, status.update, status.labeling], () => buildAttention(status));
  }

  /** The label of the newest frame; the stream of labels is ahead of the status. */
  get #current() {
    return store.labels ? store.labels.current : store.status?.current ?? null;
  }

  #drawNow() {
    const current = this.#current;
    const known = store.known;
    const percent = known && current ? formatPercent(this.#findScore(current)) : "";
    const text = !known ? "unknown" : current?.label ?? "nothing";
    const color = known && current ? colorClass(current.label) : "label-none";
    rebuild(this.#now, [text, color], () => h("strong", { class: color }, text));
    let score = this.#now.querySelector(".now-score");
    if (!score) this.#now.append((score = h("span", { class: "now-score", "aria-hidden": "true" })));
    if (score.textContent !== percent) score.textContent = percent;
  }

  /** @param {{label: string, score: number}} current */
  #findScore(current) {
    return store.labels?.labels.find((score) => score.label === current.label)?.score ?? current.score;
  }

  #drawSince() {
    const since = this.#current?.since;
    const seconds = since && store.known ? (Date.now() - clockOffset_ms() - Date.parse(since)) / 1000 : NaN;
    const text = seconds >= 0 ? `for ${formatDuration(Math.max(1, Math.floor(seconds)))}` : "\u00a0";
    rebuild(this.#since, text, () => text);
  }

  /** @param {Status} status */
  #drawButtons(status) {
    const { running, viewers } = status;
    rebuild(this.#pause, running, () => [icon(running ? "pause" : "play"), running ? "Pause" : "Turn on"]);
    this.#take.disabled = !store.known;
    setText(this.#viewers, viewers > 1 ? `${viewers} viewers` : "");
  }

  /** @param {boolean} value */
  async #setRunning(value) {
    await reportErrors(request("PUT", "/api/running", { json: { value } }));
    await store.refresh();
    this.#pause.focus();
    if (!value && store.status?.running === false) showToast("Camera closed: it takes no pictures until you turn it on");
  }

  /** Publish the newest frame, and offer it as a file. */
  async #takePicture() {
    const done = await reportErrors(request("POST", "/api/snapshot"));
    if (done === undefined) return;
    const name = `${store.status?.device.id ?? "camera"}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.jpg`;
    const save = h("a", { class: "button", href: "/api/frame.jpg?width=1920", download: name }, "Save it here");
    showToast(store.status?.broker.connected ? "Picture published over MQTT" : "No broker: the picture was not published", save);
  }
}
customElements.define("now-view", NowView);

/** @returns {number} how much the viewer's clock is ahead of the device's, when it is clearly wrong; else 0 */
function clockOffset_ms() {
  if (!store.status) return 0;
  const at = Date.now() - (performance.now() - store.statusAt_ms);
  const offset = at - Date.parse(store.status.device.time);
  return Math.abs(offset) > 1500 ? offset : 0;
}

/** @param {Status} status */
function buildAttention(status) {
  const { labeling } = status;
  const problems = status.problems.filter((problem) => problem.part !== "camera"); // the picture's place has that one
  const notes = [];
  const trial = buildProbation(status);
  if (trial) notes.push(trial);
  const failing = labeling.state !== "ok" && !problems.some((problem) => problem.part === "labeling" || problem.part === "model");
  if (failing) notes.push(buildProblem({ part: "model", message: labeling.reason ?? "the model fails" }, "danger"));
  notes.push(...problems.map((problem) => buildProblem(problem, "warning")));
  return notes;
}

/**
 * Show a problem; its remedy, after the semicolon, opens on a tap.
 * @param {import("./types.js").Problem} problem
 * @param {string} kind
 */
function buildProblem(problem, kind) {
  const [fact, ...remedy] = problem.message.split("; ");
  const title = [icon("warning"), h("span", null, h("span", { class: "hidden-text" }, `${problem.part}: `), startUpper(fact))];
  if (!remedy.length) return h("p", { class: `note ${kind} row` }, title);
  return h("details", { class: `note ${kind}` }, h("summary", null, title), h("p", null, startUpper(remedy.join("; "))));
}
