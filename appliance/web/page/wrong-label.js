/** "That was wrong": file the picture of an event for teaching under another label. */

import { request } from "./api.js";
import { Component, h, replace } from "./dom.js";
import { describeError } from "./messages.js";
import { store } from "./store.js";

// The label of pictures that show none of the labels, as in training.
const NONE = "background";

/** Asks for the right label of an event. */
export class WrongLabel extends Component {
  /** @param {import("./types.js").EventRecord} event */
  constructor(event) {
    super();
    this.event = event;
  }

  build() {
    if (!this.event.picture) return;
    replace(this, h("details", null, h("summary", null, "That was wrong"), this.#buildForm()));
  }

  #buildForm() {
    const labels = (store.status?.model.labels ?? []).filter((label) => label !== this.event.label && label !== NONE);
    const choice = h("select", { name: "label" },
      labels.map((label) => h("option", { value: label }, label)),
      h("option", { value: NONE }, "none of these"));
    const problem = h("p", { class: "error-text", role: "alert" });
    const button = h("button", null, "File the picture");
    const submit = async (/** @type {Event} */ event) => {
      event.preventDefault();
      const label = choice.value;
      button.disabled = true;
      replace(problem);
      try {
        await request("POST", `/api/events/${encodeURIComponent(this.event.id)}/wrong`, { json: { label } });
        const shown = label === NONE ? "none of these" : label;
        replace(this, h("p", { class: "note good", role: "status" }, `Filed for teaching under “${shown}”.`));
      } catch (error) {
        replace(problem, describeError(error));
        button.disabled = false;
      }
    };
    return h("form", { class: "stack", onsubmit: submit },
      h("p", { class: "soft" }, "The picture is filed for teaching under the label that you choose."),
      h("div", { class: "row ends" }, h("label", { class: "field" }, h("span", null, "It is"), choice), button),
      problem);
  }
}
customElements.define("wrong-label", WrongLabel);
