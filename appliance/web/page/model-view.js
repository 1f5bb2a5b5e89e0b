/** The place "Model": what runs, its update, an upload, and a picture of one's own to try. */

import { request, startUpper } from "./api.js";
import { Component, h, rebuild, replace } from "./dom.js";
import { formatDateTime, formatFraction } from "./format.js";
import { describeError, isAbort, reportErrors, showToast } from "./messages.js";
import { ModelUpload } from "./model-upload.js";
import { BUSY, describeUpdate, nameModel } from "./model-text.js";
import { renderHtml } from "./safe-html.js";
import { store } from "./store.js";
import { TryPicture } from "./try-picture.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {{roles?: string[], name: string, version: string | null, sha256: string, origin?: string | null, delivered?: string | null}} StoredModel */

const NO_SOURCE = "Models do not come by themselves: the setting update.source names no source.";

/** Shows the model that runs, and how to change it. */
export class ModelView extends Component {
  #about = h("section", { class: "card stack", "aria-label": "The model that runs" });
  #more = h("div", { class: "stack" });
  #update = h("section", { class: "card stack", "aria-label": "Update" });
  #upload = h("section", { class: "card stack", "aria-label": "Another model" });
  #previous = /** @type {StoredModel | undefined} */ (undefined);
  #shownModel = "";
  /** Offered versions that the viewer put aside. */
  #putAside = "";

  build() {
    this.className = "model-view";
    replace(this, h("div", { class: "head" }, h("h1", { tabIndex: -1 }, "Model")),
      h("div", { class: "columns" },
        h("div", { class: "stack" }, this.#about, this.#update),
        h("div", { class: "stack" }, this.#upload, h("section", { class: "card stack", "aria-label": "Try a picture" }, new TryPicture()))));
    this.listen(store, "status", () => this.#draw());
    this.#draw();
  }

  #draw() {
    const status = store.status;
    if (!status) return;
    const { model, threshold } = status;
    rebuild(this.#about, [model, threshold.default], () => [
      h("h2", null, nameModel(model)), model.description && h("p", null, model.description), buildFacts(status), this.#more, buildLabels(model.labels ?? [])]);
    rebuild(this.#update, [status.update, model.sha256, this.#putAside, this.#previous], () => this.#buildUpdate(status));
    rebuild(this.#upload, [status.upload, model.sha256], () => [h("h2", null, "Another model"), status.upload
      ? new ModelUpload()
      : h("p", { class: "soft" }, "Uploads are off. Set web.upload to true in the settings to allow them, also past the signatures of an update source.")]);
    if (model.sha256 === this.#shownModel) return;
    this.#shownModel = model.sha256;
    this.#loadMore(model.sha256);
  }

  /** @param {string} sha256 */
  async #loadMore(sha256) {
    try {
      const more = await request("GET", "/api/model", { signal: this.signal });
      if (sha256 !== this.#shownModel) return;
      replace(this.#more, buildCard(more.card), buildTraining(more.training_facts), buildHistory(more.history ?? []), buildReport(more.report));
      this.#previous = findPrevious(more.history ?? []);
      this.#draw();
    } catch (error) {
      if (!isAbort(error)) replace(this.#more, h("p", { class: "error-text", role: "alert" }, describeError(error)));
    }
  }

  /** @param {Status} status */
  #buildUpdate(status) {
    const { update } = status;
    const offered = update.available && update.available !== this.#putAside ? update.available : null;
    const busy = Boolean(update.state && BUSY.includes(update.state));
    return [
      h("h2", null, "Update"),
      h("p", { role: "status" }, offered ? `${offered} is offered` : startUpper(describeUpdate(update)) || NO_SOURCE),
      update.reason && h("p", { class: "soft" }, startUpper(update.reason)),
      busy && buildProgress(update.percentage),
      h("div", { class: "row" },
        offered && !busy && h("button", { type: "button", class: "primary", onclick: () => this.#send("install", { version: offered }) }, "Install"),
        offered && !busy && h("button", { type: "button", onclick: () => this.#setAside(offered) }, "Not now"),
        !busy && update.source !== "none" && h("button", { type: "button", onclick: () => this.#send("check") }, "Check now"),
        this.#previous && h("button", { type: "button", onclick: () => this.#send("rollback") }, `Go back to ${nameModel(this.#previous)}`)),
    ];
  }

  /** @param {string} version */
  #setAside(version) {
    this.#putAside = version;
    this.#draw();
  }

  /**
   * Send a command about models.
   * @param {"check" | "install" | "rollback"} command
   * @param {unknown} [json]
   */
  async #send(command, json) {
    const limit_ms = 120_000; // a check of the source, or a swap of models
    const done = await reportErrors(request("POST", `/api/model/${command}`, { json, limit_ms }));
    await store.refresh();
    if (done !== undefined && command === "check" && !store.status?.update.available) showToast("There is no newer model");
    if (done !== undefined && command === "rollback") showToast(`${nameModel(store.status?.model ?? { name: "" })} runs again`);
  }
}
customElements.define("model-view", ModelView);

/**
 * Return the model that "Go back" leads to: the previous one, else the one that came with the program.
 * @param {StoredModel[]} models
 */
function findPrevious(models) {
  const find = (/** @type {string} */ role) => models.find((model) => model.roles?.includes(role));
  return find("previous") ?? (find("current") === find("bundled") ? undefined : find("bundled"));
}

/** @param {Status} status */
function buildFacts({ model, threshold }) {
  /** @type {[string, string | null | undefined][]} */
  const facts = [
    ["From", model.origin],
    ["Since", model.since && formatDateTime(new Date(model.since))],
    ["Input", describeInput(model.input)],
    ["Runtime", model.runtime && `${model.runtime}${model.kernels ? ` (${model.kernels})` : ""}`],
    ["Threshold", `${formatFraction(threshold.default)} unless it is set on this page or over MQTT`],
    ["SHA-256", `${model.sha256.slice(0, 12)}…`],
  ];
  return h("dl", { class: "facts" }, facts.flatMap(([name, value]) => value ? [h("dt", null, name), h("dd", null, value)] : []));
}

/** @param {any} input a sentence, or an object of facts */
function describeInput(input) {
  if (!input) return null;
  if (typeof input === "string") return input.replace(/^input /, "");
  return Object.entries(input).map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(" × ") : value}`).join(", ");
}

/** @param {string[]} labels */
function buildLabels(labels) {
  return h("details", null, h("summary", null, `Labels (${labels.length})`), h("ul", { class: "chips" }, labels.map((label) => h("li", null, label))));
}

/** @param {unknown} card HTML */
function buildCard(card) {
  if (typeof card !== "string" || !card.trim()) return null;
  return h("details", null, h("summary", null, "Card"), renderHtml(card));
}

/** @param {unknown} facts [name, sentence] of where the model is from */
function buildTraining(facts) {
  if (!Array.isArray(facts) || !facts.length) return null;
  return h("details", null, h("summary", null, "Training"), h("dl", { class: "facts" },
    facts.flatMap(([name, text]) => [h("dt", null, startUpper(String(name))), h("dd", null, String(text))])));
}

/** @param {StoredModel[]} models */
function buildHistory(models) {
  if (!models.length) return null;
  return h("details", null, h("summary", null, "Models on this device"), h("ul", { class: "stack" }, models.map((model) => h("li", null,
    h("strong", null, nameModel(model)), model.roles?.length ? ` (${model.roles.join(", ")})` : "",
    h("div", { class: "soft small" }, [model.origin, model.delivered && formatDateTime(new Date(model.delivered))].filter(Boolean).join(" · "))))));
}

/** @param {unknown} report the address of the evaluation report */
function buildReport(report) {
  if (typeof report !== "string" || !report.startsWith("/")) return null;
  return h("p", null, h("a", { class: "button", href: report, target: "_blank", rel: "noopener" }, "Evaluation report"));
}

/** @param {number | null} percentage */
function buildProgress(percentage) {
  const part = percentage === null ? {} : { "aria-valuenow": Math.round(percentage), "--part": percentage / 100 };
  return h("div", { class: `progress${percentage === null ? " unknown" : ""}`, role: "progressbar", "aria-label": "Update", ...part }, h("span"));
}
