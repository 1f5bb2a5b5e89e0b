/** Record pictures of one thing: the live picture, the label, and a button that records while it is held. */

import { request } from "./api.js";
import { colorClass } from "./colors.js";
import { Component, h, rebuild, replace, setText } from "./dom.js";
import { formatPercent } from "./format.js";
import { LivePicture } from "./live-picture.js";
import { describeError, reportErrors } from "./messages.js";
import { NewLabel } from "./new-label.js";
import { store } from "./store.js";
import { buildTargets, NONE_OF_THESE, parseTarget, teaching } from "./teaching.js";

/** @typedef {{label: string | null, kept: number, dropped: number, last: string | null}} RecordingMessage */

// The device stops a recording that is not continued for 3 s.
const CONTINUE_MS = 1000;
const MARKS = 80;
/** @type {Record<string, {text: string, remedy: string}>} */
const DROPPED = {
  blurred: { text: "blurred", remedy: "hold the thing still for a moment" },
  similar: { text: "like the one before", remedy: "turn the thing, or move it a little" },
};

/** Shows the camera and records; a tick for each kept picture, a dot for each dropped one. */
export class RecordPanel extends Component {
  #choice = h("select", { id: "record-label", onchange: () => this.#followChoice() });
  #newLabel = new NewLabel((name) => this.#select(`=${name}`), () => this.#showNewLabel(false));
  #hold = h("button", { type: "button", id: "record", class: "hold", "aria-describedby": "record-help" });
  #help = h("p", { id: "record-help", class: "soft small" });
  #count = h("output", { class: "count", "aria-label": "Pictures kept in this recording" }, "0");
  #field = h("label", { class: "field grow" }, h("span", null, "What do you hold?"), this.#choice);
  #row = h("div", { class: "row record-row" }, this.#field, this.#hold, this.#count);
  #marks = h("div", { class: "marks", "aria-hidden": "true" });
  #told = h("p", { class: "small told", role: "status" });
  #problem = h("p", { class: "error-text small", role: "alert" });
  #now = h("p", { class: "teach-now", "aria-hidden": "true" });
  #chosen = "";
  #isNew = false;
  #isRecording = false;
  #kept = 0;
  /** @type {Record<string, number>} */
  #drops = {};
  #sending = Promise.resolve();
  #timer = /** @type {ReturnType<typeof setInterval> | undefined} */ (undefined);

  build() {
    this.className = "record-panel";
    replace(this, h("div", { class: "stack tight" }, new LivePicture(), this.#now,
      this.#newLabel, this.#row, this.#marks, this.#told, this.#problem, this.#help));
    this.#followButton();
    this.listen(teaching, "dataset", () => this.#draw());
    this.listen(store, "status", () => this.#draw());
    this.listen(store, "labels", () => this.#drawNow());
    this.listen(store, "connection", () => {
      if (store.connection !== "live") this.#stop();
      this.#draw();
    });
    this.listen(store, "recording", (event) => this.#receive(event.detail));
    this.listen(window, "blur", () => this.#stop());
    this.listen(document, "visibilitychange", () => document.hidden && this.#stop());
    this.listen(this, "turn-on", async () => {
      await reportErrors(request("PUT", "/api/running", { json: { value: true } }));
      await store.refresh();
    });
    this.signal.addEventListener("abort", () => this.#stop());
    this.#draw();
  }

  /**
   * Choose what is recorded next.
   * @param {string} value of an option of `buildTargets`
   */
  #select(value) {
    this.#chosen = value;
    this.#showNewLabel(false);
    this.#draw();
    this.#hold.focus();
  }

  #followChoice() {
    if (this.#choice.value === "new") return this.#showNewLabel(true);
    this.#chosen = this.#choice.value;
    this.#showNewLabel(false);
    return this.#draw();
  }

  /** @param {boolean} isNew */
  #showNewLabel(isNew) {
    this.#isNew = isNew;
    this.#draw();
    if (isNew) this.#newLabel.focus();
    else this.#choice.value = this.#chosen;
  }

  /** Start and stop with the pointer, the keyboard, and the clicks of a screen reader. */
  #followButton() {
    const { signal } = this;
    const button = this.#hold;
    const on = (/** @type {string} */ type, /** @type {(event: any) => void} */ handler) => button.addEventListener(type, handler, { signal });
    let isHeld = false;
    on("pointerdown", (event) => {
      if (event.button !== 0) return;
      isHeld = true;
      button.setPointerCapture(event.pointerId);
      this.#start();
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) on(end, () => this.#stop());
    on("pointercancel", () => (isHeld = false)); // no click follows
    on("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault(); // no click follows
      if (!event.repeat) this.#start();
    });
    on("keyup", (event) => (event.key === " " || event.key === "Enter") && this.#stop());
    on("blur", () => this.#stop());
    on("contextmenu", (event) => event.preventDefault());
    on("click", () => {
      if (!isHeld) this.#isRecording ? this.#stop() : this.#start(); // a screen reader cannot hold a button
      isHeld = false;
    });
  }

  #start() {
    const target = parseTarget(this.#chosen);
    if (this.#isRecording || !target || this.#hold.disabled) return;
    this.#isRecording = true;
    this.#kept = 0;
    this.#drops = {};
    replace(this.#marks);
    setText(this.#told, "");
    replace(this.#problem);
    const send = () => {
      this.#sending = this.#sending.then(() => (this.#isRecording ? this.#continue(target) : undefined));
    };
    send();
    this.#timer = setInterval(send, CONTINUE_MS);
    this.#draw();
  }

  /** @param {import("./teaching.js").Target} target */
  async #continue(target) {
    const json = target.background ? { background: true } : { label: target.label };
    try {
      this.#setCount(await request("PUT", "/api/dataset/recording", { json }));
    } catch (error) {
      replace(this.#problem, describeError(error));
      this.#stop();
    }
  }

  #stop() {
    if (!this.#isRecording) return;
    this.#isRecording = false;
    clearInterval(this.#timer);
    this.#sending = this.#sending.then(async () => {
      try {
        const counts = await request("DELETE", "/api/dataset/recording");
        this.#setCount(counts);
        const known = Object.values(this.#drops).reduce((sum, count) => sum + count, 0);
        // Only the whole recording shows which of its pictures are blurred.
        if (counts?.dropped > known) this.#drops.blurred = (this.#drops.blurred ?? 0) + counts.dropped - known;
        setText(this.#told, this.#describe());
      } catch { /* the device stops by itself */ }
    });
    this.#draw();
  }

  /** @param {{kept: number, dropped: number} | null} counts */
  #setCount(counts) {
    if (!counts) return;
    this.#kept = counts.kept;
    this.#draw();
  }

  /** @param {RecordingMessage} message */
  #receive({ kept, last }) {
    this.#kept = kept;
    if (last) {
      if (last !== "kept") this.#drops[last] = (this.#drops[last] ?? 0) + 1;
      const isKept = last === "kept";
      const title = isKept ? "kept" : `dropped: ${DROPPED[last]?.text ?? last}`;
      this.#marks.append(h("span", { class: isKept ? "tick" : "drop", title }));
      while (this.#marks.childElementCount > MARKS) this.#marks.firstElementChild?.remove();
      if (!isKept && this.#isRecording) setText(this.#told, this.#describe());
    }
    this.#draw();
  }

  /** @returns {string} what was kept and dropped, and what to do about it */
  #describe() {
    const reasons = Object.entries(this.#drops).sort((a, b) => b[1] - a[1]);
    const dropped = reasons.reduce((sum, [, count]) => sum + count, 0);
    if (!dropped) return `${this.#kept} kept`;
    const list = reasons.map(([reason, count]) => `${count} ${DROPPED[reason]?.text ?? reason}`).join(", ");
    return `${this.#kept} kept, ${dropped} dropped (${list}): ${DROPPED[reasons[0][0]]?.remedy ?? "go on"}`;
  }

  #draw() {
    const { names, canChange } = teaching;
    const isFirst = Boolean(teaching.dataset) && !names.length;
    rebuild(this.#choice, names, () => [
      h("option", { value: "", hidden: true, disabled: true }, "choose…"),
      ...buildTargets(names, { more: true })]);
    if (!this.#chosen && names.length) this.#chosen = `=${names[names.length - 1]}`;
    if (this.#chosen.startsWith("=") && !names.includes(this.#chosen.slice(1))) this.#chosen = names.length ? `=${names[0]}` : "";
    if (!this.#isNew) this.#choice.value = this.#chosen;
    const streams = store.connection === "live" && store.status?.running && store.status.camera.state === "streaming";
    this.#field.hidden = isFirst;
    this.#row.hidden = !canChange;
    this.#choice.disabled = this.#isRecording || !canChange;
    this.#hold.disabled = !canChange || !streams || !parseTarget(this.#chosen) || this.#isNew;
    this.#hold.classList.toggle("recording", this.#isRecording);
    rebuild(this.#hold, this.#isRecording, () => [h("span", { class: "record-dot", "aria-hidden": "true" }), this.#isRecording ? "Recording" : "Hold to record"]);
    setText(this.#count, String(this.#kept));
    this.#newLabel.hidden = !(this.#isNew || isFirst) || !canChange;
    this.#newLabel.canCancel = !isFirst;
    setText(this.#help, this.#describeHelp(isFirst));
    this.#drawNow();
  }

  /** @param {boolean} isFirst */
  #describeHelp(isFirst) {
    if (!teaching.canChange) return "";
    if (isFirst) return "Name the first thing, hold it before the camera, and hold the button.";
    const what = this.#chosen === "none" ? `“${NONE_OF_THESE}” is what the camera sees otherwise: the empty table, your hands, other things.` : "";
    return what || "2 pictures a second while you hold the button or the space key. Turn the thing, and move it nearer and farther.";
  }

  #drawNow() {
    const current = store.labels ? store.labels.current : store.status?.current;
    const score = current && (store.labels?.labels.find((found) => found.label === current.label)?.score ?? current.score);
    const text = !store.known ? "" : current ? `${current.label} ${formatPercent(score ?? 0)}` : "nothing";
    rebuild(this.#now, [text, current?.label], () => ["The running model: ", h("strong", { class: current ? colorClass(current.label) : "label-none" }, text || "unknown")]);
  }
}
customElements.define("record-panel", RecordPanel);
