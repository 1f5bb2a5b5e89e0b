/** "That was wrong": file the picture of an event for teaching under another label, of the model or new. */

import { request } from "./api.js";
import { Component, h, replace } from "./dom.js";
import { describeError } from "./messages.js";
import { store } from "./store.js";

// The label of pictures that show none of the labels, as in training.
const NONE = "background";
/** The value of the choice that asks for a new label; no label is empty. */
const NEW = "";

/** Asks for the right label of an event. */
export class WrongLabel extends Component {
  #choice = h("select", { name: "label", onchange: () => this.#follow() });
  #name = h("input", { type: "text", name: "new-label", maxLength: 64, autocomplete: "off", autocapitalize: "off" });
  #field = h("label", { class: "field", hidden: true }, h("span", null, "New label"), this.#name);
  #button = h("button", null, "File the picture");
  #problem = h("p", { class: "error-text", role: "alert" });

  /** @param {import("./types.js").EventRecord} event */
  constructor(event) {
    super();
    this.event = event;
  }

  build() {
    if (!this.event.picture) return;
    this.#drawChoice([]);
    const open = () => this.#loadLabels();
    replace(this, h("details", { ontoggle: open }, h("summary", null, "That was wrong"),
      h("form", { class: "stack", onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
        h("p", { class: "soft" }, "The picture is filed for teaching under the label that you choose."),
        h("div", { class: "row ends" }, h("label", { class: "field" }, h("span", null, "It is"), this.#choice), this.#field, this.#button),
        this.#problem)));
  }

  /** @param {string[]} more labels that the model does not have */
  #drawChoice(more) {
    const labels = [...(store.status?.model.labels ?? []), ...more].filter((label) => label !== this.event.label && label !== NONE);
    const chosen = this.#choice.selectedIndex > 0 ? this.#choice.value : null;
    replace(this.#choice, [...new Set(labels), NONE].map((label) => h("option", { value: label }, nameLabel(label))),
      h("option", { value: NEW }, "a new label…"));
    if (chosen !== null) this.#choice.value = chosen;
  }

  /** Offer the labels of the dataset too, which may be more than those of the model. */
  async #loadLabels() {
    try {
      const { labels } = await request("GET", "/api/dataset/labels", { signal: this.signal });
      this.#drawChoice(labels.map((/** @type {{name: string}} */ label) => label.name));
    } catch { /* those of the model are enough */ }
  }

  /** Ask for the name of a new label if one is chosen. */
  #follow() {
    const isNew = this.#choice.value === NEW;
    this.#field.hidden = !isNew;
    this.#name.required = isNew;
    if (isNew) this.#name.focus();
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    const label = this.#choice.value || this.#name.value.trim();
    this.#button.disabled = true;
    replace(this.#problem);
    try {
      const filed = await request("POST", `/api/events/${encodeURIComponent(this.event.id)}/wrong`, { json: { label } });
      replace(this, h("p", { class: "note good", role: "status" }, `Filed for teaching under “${nameLabel(filed?.label ?? label)}”.`));
    } catch (error) {
      replace(this.#problem, describeError(error));
    } finally {
      this.#button.disabled = false;
    }
  }
}
customElements.define("wrong-label", WrongLabel);

/** @param {string} label */
function nameLabel(label) {
  return label === NONE ? "none of these" : label;
}
