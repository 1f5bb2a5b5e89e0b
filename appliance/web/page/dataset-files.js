/** The dataset as a file: download it, or add the pictures of a zip. */

import { request, startUpper } from "./api.js";
import { Component, h, rebuild, replace } from "./dom.js";
import { formatBytes } from "./format.js";
import { icon } from "./icons.js";
import { describeError, reportErrors, showToast } from "./messages.js";
import { teaching } from "./teaching.js";
import { uploadWithProgress } from "./upload-progress.js";

const SHOWN = 20;
const EXPORT_LIMIT_MS = 600_000; // thousands of pictures on a slow card

/** Pack the dataset on the device, then let the browser save it. */
export async function downloadDataset() {
  showToast("The device packs the pictures…");
  const made = await reportErrors(request("POST", "/api/dataset/export", { limit_ms: EXPORT_LIMIT_MS }));
  if (!made) return;
  const link = h("a", { href: made.url, download: "dataset.zip" });
  document.body.append(link);
  link.click();
  link.remove();
  showToast(`dataset.zip, ${formatBytes(made.bytes)}`);
}

/** Shows the size of the dataset, and takes a zip. */
export class DatasetFiles extends Component {
  #summary = h("summary", null, "Dataset");
  #result = h("div", { role: "status" });
  #file = h("input", { type: "file", accept: ".zip,application/zip", id: "dataset-file", "aria-label": "Upload a zip" });
  #download = h("button", { type: "button", id: "download-dataset", onclick: () => this.#save() }, "Download as zip");

  build() {
    replace(this, h("details", null, this.#summary, h("div", { class: "stack tight" },
      h("p", { class: "soft small" }, "A zip with one folder for each label, and “background” for none of these. The command appliance train takes it, on any computer."),
      h("div", { class: "row" }, this.#download,
        teaching.canChange && h("span", { class: "button file" }, icon("upload"), "Upload a zip", this.#file)),
      this.#result)));
    this.#file.onchange = () => this.#send();
    this.listen(teaching, "dataset", () => this.#draw());
    this.#draw();
  }

  #draw() {
    const { dataset } = teaching;
    const size = dataset?.bytes ? `: ${formatBytes(dataset.bytes)}` : "";
    rebuild(this.#summary, size, () => `Dataset as a file${size}`);
    this.#download.disabled = !dataset?.bytes;
  }

  async #save() {
    this.#download.disabled = true;
    await downloadDataset();
    this.#draw();
  }

  async #send() {
    const file = this.#file.files?.[0];
    if (!file) return;
    try {
      const { added, left_out = [] } = await uploadWithProgress(this.#result, this.#file, file, "/api/dataset/import", "The device adds the pictures…");
      replace(this.#result, h("p", { class: "note good" }, added === 1 ? "1 picture added." : `${added} pictures added.`), buildLeftOut(left_out));
      await teaching.load();
    } catch (error) {
      replace(this.#result, h("p", { class: "note danger", role: "alert" }, describeError(error)));
    }
  }
}
customElements.define("dataset-files", DatasetFiles);

/** @param {string[]} sentences */
function buildLeftOut(sentences) {
  if (!sentences.length) return null;
  const hidden = sentences.length - SHOWN;
  return h("details", null, h("summary", null, `Left out (${sentences.length})`), h("ul", { class: "stack tight" },
    sentences.slice(0, SHOWN).map((sentence) => h("li", { class: "small" }, startUpper(sentence))), hidden > 0 && h("li", { class: "small soft" }, `and ${hidden} more`)));
}
