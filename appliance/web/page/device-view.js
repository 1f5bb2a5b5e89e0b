/** The place "Device": is all well, how it went in the last hours, its log, its settings, the manual. */

import { request } from "./api.js";
import { CheckList } from "./check-list.js";
import { Component, h, rebuild, replace } from "./dom.js";
import { formatDateTime, formatDeviceTime } from "./format.js";
import { LogView } from "./log-view.js";
import { ManualView } from "./manual-view.js";
import { confirmDeletion, reportErrors, showToast } from "./messages.js";
import { SettingsList } from "./settings-list.js";
import { StatsCharts } from "./stats-charts.js";
import { store } from "./store.js";

/** Shows the state of the device, or a topic of the manual. */
export class DeviceView extends Component {
  #about = h("dl", { class: "facts" });
  #overview = h("div", { class: "stack" });
  #manual = new ManualView();
  #scrollY = 0;

  build() {
    this.className = "device-view";
    this.#manual.hidden = true;
    replace(this.#overview,
      h("h1", { tabIndex: -1 }, "Device"),
      h("div", { class: "columns" },
        section("Check", new CheckList()),
        section("About", this.#about, this.#buildButtons())),
      section("The last 24 hours", new StatsCharts()),
      section("Log", new LogView()),
      section("Settings in force", new SettingsList()),
      section("Manual", h("nav", { "aria-label": "Manual" }, this.#manual.list)),
      section("Privacy and sign-in", this.#buildPrivacy()));
    replace(this, this.#overview, this.#manual);
    this.listen(store, "status", () => this.#draw());
    this.#draw();
  }

  /**
   * Show the topic that the address names, or the overview.
   * @param {string[]} parts
   */
  follow([what, topic]) {
    const isManual = what === "manual" && Boolean(topic);
    if (isManual && !this.#overview.hidden) this.#scrollY = window.scrollY;
    this.#overview.hidden = isManual;
    this.#manual.hidden = !isManual;
    if (isManual) this.#manual.show(topic);
    window.scrollTo(0, isManual ? 0 : this.#scrollY);
  }

  #draw() {
    const status = store.status;
    if (!status) return;
    const { device, camera, viewers } = status;
    const now = new Date();
    const there = formatDeviceTime(now, device.timezone);
    /** @type {[string, string | null][]} */
    const facts = [
      ["Name", device.name], ["Id", device.id], ["Host", device.host], ["Program", device.version],
      ["Camera", camera.description && camera.size && !camera.description.includes("×") ? `${camera.description} (${camera.size.join(" × ")})` : camera.description],
      ["Time", formatDateTime(new Date(device.time)) + (there ? ` (${there} on the device)` : "")],
      ["Viewers now", String(viewers)],
    ];
    rebuild(this.#about, facts, () => facts.flatMap(([name, value]) => value ? [h("dt", null, name), h("dd", null, value)] : []));
  }

  #buildButtons() {
    const restart = async () => {
      const done = await reportErrors(request("POST", "/api/restart"));
      if (done !== undefined) showToast("The program restarts; the page comes back by itself");
    };
    return h("div", { class: "row" }, h("button", { type: "button", id: "restart", onclick: restart }, "Restart"));
  }

  #buildPrivacy() {
    const remove = async () => {
      if (!await confirmDeletion("Delete all pictures of the history? The list of events stays.", "Delete all pictures")) return;
      if (await reportErrors(request("DELETE", "/api/events/pictures")) !== undefined) showToast("All pictures of the history are deleted");
    };
    const signOut = (/** @type {string} */ path) => async () => {
      if (await reportErrors(request("DELETE", path)) !== undefined) location.reload();
    };
    return h("div", { class: "row" },
      h("button", { type: "button", id: "sign-out", onclick: signOut("/api/session") }, "Sign out"),
      h("button", { type: "button", onclick: signOut("/api/sessions") }, "Sign out everywhere"),
      h("button", { type: "button", class: "dangerous", onclick: remove }, "Delete all pictures"));
  }
}
customElements.define("device-view", DeviceView);

/**
 * @param {string} title
 * @param {...(Node | null)} content
 */
function section(title, ...content) {
  return h("section", { class: "card stack", ariaLabel: title }, h("h2", null, title), content);
}
