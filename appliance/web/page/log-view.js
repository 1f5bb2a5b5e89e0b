/** The last lines of the log, newest last, filterable. */

import { request } from "./api.js";
import { Component, h, replace } from "./dom.js";
import { formatExactTime } from "./format.js";
import { describeError, isAbort } from "./messages.js";
import { store } from "./store.js";

/** @typedef {import("./types.js").LogLine} LogLine */

const KEPT = 200;
const LEVELS = ["debug", "info", "warning", "error"];

/** Shows 200 lines, and those that come. */
export class LogView extends Component {
  /** @type {LogLine[]} */
  #lines = [];
  #field = h("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the log", oninput: () => this.#draw() });
  #level = h("select", { "aria-label": "Level", onchange: () => this.#draw() },
    h("option", { value: "debug" }, "All levels"), h("option", { value: "warning" }, "Warnings and errors"));
  #list = h("ol", { class: "log", tabIndex: 0, role: "log", ariaLabel: "Log", "aria-live": "off" });

  build() {
    replace(this, h("div", { class: "stack" }, h("div", { class: "row" }, this.#field, this.#level), this.#list));
    this.listen(store, "log", (event) => {
      this.#lines = [...this.#lines, event.detail].slice(-KEPT);
      this.#draw();
    });
    this.#load();
  }

  async #load() {
    try {
      const answer = await request("GET", `/api/device/log?limit=${KEPT}`, { signal: this.signal });
      this.#lines = answer.lines ?? answer;
      this.#draw();
    } catch (error) {
      if (!isAbort(error)) replace(this.#list, h("li", { class: "error-text" }, describeError(error)));
    }
  }

  #draw() {
    const words = this.#field.value.toLowerCase();
    const least = LEVELS.indexOf(this.#level.value);
    const shown = this.#lines.filter((line) => rankLevel(line.level) >= least && line.text.toLowerCase().includes(words));
    const atEnd = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 24;
    replace(this.#list, shown.length ? shown.map(buildLine) : h("li", { class: "soft" }, this.#lines.length ? "No line matches." : "The log is empty."));
    if (atEnd) this.#list.scrollTop = this.#list.scrollHeight;
  }
}
customElements.define("log-view", LogView);

/** @param {string} level */
function rankLevel(level) {
  const rank = LEVELS.indexOf(level.toLowerCase());
  return rank < 0 ? LEVELS.length : rank; // critical
}

/** @param {LogLine} line */
function buildLine({ time, level, text }) {
  return h("li", { class: rankLevel(level) >= 2 ? "trouble" : "" },
    h("time", { dateTime: time, title: time }, formatExactTime(new Date(time))), " ",
    rankLevel(level) >= 2 && h("strong", null, `${level.toLowerCase()}: `), text);
}
