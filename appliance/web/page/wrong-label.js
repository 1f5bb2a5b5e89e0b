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
  #name = h("input", {
    type: "text", name: "new-label", maxLength: 32, pattern: "[A-Za-z0-9_]+", autocomplete: "off", autocapitalize: "off",
    title: "A–Z, a–z, 0–9, and _",
  });
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
    const labels = (store.status?.model.labels ?? []).filter((label) => label !== this.event.label && label !== NONE);
    replace(this.#choice, [...labels, NONE].map((label) => h("option", { value: label }, nameLabel(label))),
      h("option", { value: NEW }, "a new label…"));
    replace(this, h("details", null, h("summary", null, "That was wrong"),
      h("form", { class: "stack", onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
        h("p", { class: "soft" }, "The picture is filed for teaching under the label that you choose."),
        h("div", { class: "row ends" }, h("label", { class: "field" }, h("span", null, "It is"), this.#choice), this.#field, this.#button),
        this.#problem)));
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
      await request("POST", `/api/events/${encodeURIComponent(this.event.id)}/wrong`, { json: { label } });
      replace(this, h("p", { class: "note good", role: "status" }, `Filed for teaching under “${nameLabel(label)}”.`));
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
