/** Try a picture of one's own on the model that runs. */

import { request } from "./api.js";
import { Component, h, replace } from "./dom.js";
import { icon } from "./icons.js";
import { describeError } from "./messages.js";
import { buildScores } from "./scores.js";
import { store } from "./store.js";

/** @typedef {import("./types.js").Score} Score */

/** Takes a file, or a picture of the phone's camera, and shows its scores. */
export class TryPicture extends Component {
  #result = h("div", { role: "status" });
  #url = "";

  build() {
    replace(this, h("div", { class: "stack" }, h("h2", null, "Try a picture"),
      h("p", { class: "soft" }, "What does the model that runs take it for? The picture is not kept."),
      h("div", { class: "row" }, this.#buildButton("Choose", "try-file"), this.#buildButton("Take", "try-camera", true)),
      this.#result));
    this.signal.addEventListener("abort", () => this.#forget());
  }

  /**
   * @param {string} text
   * @param {string} id
   * @param {boolean} [camera] whether a phone opens its camera
   */
  #buildButton(text, id, camera = false) {
    const field = h("input", { type: "file", accept: "image/*", id, "aria-label": `${text} a picture` });
    if (camera) field.setAttribute("capture", "environment");
    field.onchange = () => {
      const file = field.files?.[0];
      if (file) this.#try(file);
      field.value = "";
    };
    return h("span", { class: `button file${camera ? " take" : ""}` }, icon(camera ? "picture" : "upload"), `${text} a picture`, field);
  }

  /** @param {File} file */
  async #try(file) {
    this.#forget();
    this.#url = URL.createObjectURL(file);
    const image = h("img", { class: "tried", alt: "The picture to try", src: this.#url });
    image.onerror = () => image.remove();
    replace(this.#result, h("div", { class: "stack" }, image, h("p", { class: "soft" }, "Labeling…")));
    try {
      const answer = await request("POST", "/api/model/try", { body: file, limit_ms: 60_000 });
      const threshold = store.status?.threshold.value ?? 0;
      replace(this.#result, h("div", { class: "stack" }, image, describeResult(answer.labels, threshold),
        buildScores(answer.labels, threshold), buildRanges(answer.ranges)));
    } catch (error) {
      replace(this.#result, h("div", { class: "stack" }, image, h("p", { class: "note danger", role: "alert" }, describeError(error))));
    }
  }

  #forget() {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#url = "";
  }
}
customElements.define("try-picture", TryPicture);

/**
 * @param {Score[]} labels
 * @param {number} threshold
 */
function describeResult(labels, threshold) {
  const passing = labels.filter((label) => label.score >= threshold).map((label) => label.label);
  return h("p", null, passing.length ? ["With the threshold of ", threshold.toFixed(2), ": ", h("strong", null, passing.join(", "))]
    : `Nothing reaches the threshold of ${threshold.toFixed(2)}.`);
}

/** @param {unknown} ranges the answers under each input range, when the model's range is assumed */
function buildRanges(ranges) {
  if (!ranges) return null;
  /** @type {[string, Score[]][]} */
  const entries = Array.isArray(ranges) ? ranges.map((range) => [range.range, range.labels]) : Object.entries(ranges);
  return h("div", { class: "stack" }, h("h3", null, "Under each input range"),
    h("p", { class: "soft" }, "The model does not state its range. Install it again with the range whose answer is right."),
    h("div", { class: "ranges" }, entries.map(([range, labels]) => h("div", null, h("h3", null, range), buildScores(labels.slice(0, 3))))));
}
