/** The settings in force, read-only, each with its description and its source. */

import { request } from "./api.js";
import { Component, h, replace } from "./dom.js";
import { describeError, isAbort } from "./messages.js";

/** @typedef {{key: string, value: unknown, default: unknown, source: string, description: string}} Setting */

/** Shows the settings that differ from their defaults, or those that match the search. */
export class SettingsList extends Component {
  /** @type {Setting[]} */
  #settings = [];
  #field = h("input", { type: "search", placeholder: "Search", "aria-label": "Search the settings", oninput: () => this.#draw() });
  #all = h("input", { type: "checkbox", onchange: () => this.#draw() });
  #list = h("dl", { class: "settings" });

  build() {
    replace(this, h("div", { class: "stack" }, h("div", { class: "row" }, this.#field,
      h("label", { class: "row check-field" }, this.#all, "also those with their default")), this.#list));
    this.#load();
  }

  async #load() {
    try {
      this.#settings = await request("GET", "/api/device/settings", { signal: this.signal });
      this.#draw();
    } catch (error) {
      if (!isAbort(error)) replace(this.#list, h("dd", { class: "error-text" }, describeError(error)));
    }
  }

  #draw() {
    const words = this.#field.value.toLowerCase().trim();
    const shown = this.#settings.filter((setting) => words
      ? `${setting.key} ${setting.description}`.toLowerCase().includes(words)
      : this.#all.checked || setting.source !== "default");
    const none = words ? "No setting matches." : "All settings have their defaults.";
    replace(this.#list, shown.length ? shown.flatMap(buildSetting) : h("dd", { class: "soft" }, none));
  }
}
customElements.define("settings-list", SettingsList);

/** @param {Setting} setting */
function buildSetting({ key, value, default: preset, source, description }) {
  const from = source === "default" ? "the default" : `from ${source}${formatValue(preset) === formatValue(value) ? "" : ` · default ${formatValue(preset)}`}`;
  return [
    h("dt", null, h("code", null, key), " ", h("code", { class: "value" }, formatValue(value))),
    h("dd", null, description, h("div", { class: "soft small" }, from)),
  ];
}

/** @param {unknown} value */
function formatValue(value) {
  if (value === null || value === undefined || value === "") return "not set";
  return typeof value === "string" ? value : JSON.stringify(value);
}
