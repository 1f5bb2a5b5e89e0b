/** The place "Teach": record things, label pictures, train, and use the model; the second half is the model that runs. */

import { Component, h, rebuild, replace } from "./dom.js";
import { DatasetFiles } from "./dataset-files.js";
import { RecordPanel } from "./record-panel.js";
import { link } from "./router.js";
import { store } from "./store.js";
import { TeachPictures } from "./teach-pictures.js";
import { teaching } from "./teaching.js";
import { TrainPanel } from "./train-panel.js";

/** Load the style sheet of this place, which the others do not need. */
export const styles = new Promise((resolve) => {
  const sheet = h("link", { rel: "stylesheet", href: "/page/teach.css" });
  sheet.onload = sheet.onerror = resolve;
  document.head.append(sheet);
});

/** Shows the pictures and the training, or the model. */
export class TeachView extends Component {
  #tabs = h("nav", { class: "tabs", "aria-label": "Teach" }, h("a", { href: link("teach") }, "Pictures"), h("a", { href: link("model") }, "Model"));
  #notes = h("div", { class: "attention stack tight" });
  #pictures = new TeachPictures();
  #train = new TrainPanel();
  #half = h("div", { class: "teach-half" });
  #model = h("div");

  build() {
    this.className = "teach-view";
    replace(this.#half, h("h1", { class: "hidden-text", tabIndex: -1 }, "Teach"), this.#notes,
      h("div", { class: "teach-grid" },
        h("section", { class: "teach-record", ariaLabel: "Record" }, new RecordPanel()),
        h("section", { class: "card teach-train", ariaLabel: "Train" }, this.#train, new DatasetFiles()),
        h("section", { class: "teach-pictures-place", ariaLabel: "Pictures" }, this.#pictures)));
    replace(this, this.#tabs, this.#half, this.#model);
    this.listen(store, "connection", () => store.connection === "live" && teaching.load());
    this.listen(teaching, "problem", () => this.#drawNotes());
    this.listen(teaching, "dataset", () => this.#drawNotes());
    this.listen(this, "state", () => this.#half.toggleAttribute("data-result", this.#train.hasResult));
    this.#drawNotes();
    teaching.load();
  }

  /**
   * Show the half that the address names.
   * @param {string[]} parts
   */
  async follow([part]) {
    const isModel = part === "model";
    this.#half.hidden = isModel;
    this.#model.hidden = !isModel;
    const [pictures, model] = this.#tabs.children;
    (isModel ? model : pictures).setAttribute("aria-current", "page");
    (isModel ? pictures : model).removeAttribute("aria-current");
    if (!isModel || this.#model.childElementCount) return;
    const { ModelView } = await import("./model-view.js");
    if (!this.signal.aborted && !this.#model.childElementCount) replace(this.#model, new ModelView());
  }

  #drawNotes() {
    const { problem, canChange } = teaching;
    rebuild(this.#notes, [problem, canChange], () => [
      problem && h("div", { class: "note danger", role: "alert" }, problem, h("div", { class: "row" },
        h("button", { type: "button", onclick: () => teaching.load() }, "Try again"))),
      !canChange && h("p", { class: "note" }, "This sign-in may only look: it cannot record, label, or train."),
    ]);
  }
}
customElements.define("teach-view", TeachView);
