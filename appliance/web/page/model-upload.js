/** Upload a bundle: it is tried on the device, and replaces the model only if it works. */

import { ApiError } from "./api.js";
import { Component, h, replace } from "./dom.js";
import { icon } from "./icons.js";
import { describeError, showToast } from "./messages.js";
import { nameModel } from "./model-text.js";
import { store } from "./store.js";
import { uploadWithProgress } from "./upload-progress.js";

const RANGES = [["", "as the model states"], ["0..255", "0 to 255"], ["0..1", "0 to 1"], ["-1..1", "−1 to 1"]];
const FITS = [["", "as the model states"], ["stretch", "stretch"], ["crop", "crop to the center"], ["letterbox", "letterbox"]];

/** Takes a .zip or a .tflite file. */
export class ModelUpload extends Component {
  #result = h("div", { role: "status" });
  #range = buildSelect("Input range", RANGES);
  #fit = buildSelect("Fit", FITS);
  #file = h("input", { type: "file", accept: ".zip,.tflite", id: "model-file", "aria-label": "Upload a model" });

  build() {
    replace(this, h("div", { class: "stack" },
      h("p", { class: "soft" }, "A bundle as .zip, or a .tflite file with its labels inside. It is tried first; if it fails, nothing changes."),
      h("div", { class: "row" }, h("span", { class: "button file" }, icon("upload"), "Upload a model", this.#file)),
      h("details", null, h("summary", null, "For models that state no input"), h("div", { class: "row" }, this.#range, this.#fit)),
      this.#result));
    this.#file.onchange = () => this.#send();
  }

  async #send() {
    const file = this.#file.files?.[0];
    if (!file) return;
    try {
      const answer = await uploadWithProgress(this.#result, this.#file, file, `/api/model?${this.#makeQuery(file)}`, "Trying the model on the device…");
      await store.refresh();
      showToast(`${nameModel(answer?.name ? answer : store.status?.model ?? { name: "The model" })} runs now`);
      replace(this.#result, answer?.assumed && h("p", { class: "note warning" },
        "The model does not state its input range, so it was assumed. Try a picture: the right range gives the sensible answer."));
    } catch (error) {
      const size = error instanceof ApiError && error.status === 0 ? " The model on the device is unchanged." : "";
      replace(this.#result, h("p", { class: "note danger", role: "alert" }, describeError(error) + size));
    }
  }

  /** @param {File} file */
  #makeQuery(file) {
    const query = new URLSearchParams({ name: file.name });
    const [range, fit] = [this.#range, this.#fit].map((field) => /** @type {HTMLSelectElement} */ (field.querySelector("select")).value);
    if (range) query.set("input_range", range);
    if (fit) query.set("resize", fit);
    return query;
  }
}
customElements.define("model-upload", ModelUpload);

/**
 * @param {string} name
 * @param {string[][]} options value and text
 */
function buildSelect(name, options) {
  return h("label", { class: "field" }, h("span", null, name), h("select", null, options.map(([value, text]) => h("option", { value }, text))));
}
