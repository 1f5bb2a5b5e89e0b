/** The result of a training: how good the model is, what it gets wrong, and whether to use it. */

import { request, startUpper } from "./api.js";
import { colorClass } from "./colors.js";
import { Component, h, replace } from "./dom.js";
import { formatPercent } from "./format.js";
import { reportErrors, showToast } from "./messages.js";
import { nameModel } from "./model-text.js";
import { store } from "./store.js";
import { addressOf, buildTargets, nameTarget, NONE_OF_THESE, parseTarget, teaching } from "./teaching.js";
import { describeInterval, ThresholdCurve } from "./threshold-curve.js";

/** @typedef {import("./teaching.js").TrainingResult} TrainingResult */
/** @typedef {import("./teaching.js").Accuracy} Accuracy */
/** @typedef {import("./teaching.js").Mistake} Mistake */

/** @type {Record<string, string>} */
const COMPARISONS = {
  better: "Better than the running model",
  worse: "Worse than the running model",
  "no difference proven": "No difference from the running model is proven",
  "too few to tell": "Too few pictures to compare it with the running model",
};
const USE_LIMIT_MS = 120_000; // a swap of models

/** Shows a result; emits `decided` when the model is used or put aside, and `again` to train once more. */
export class TrainResult extends Component {
  #result;
  #curve;
  #problem = h("p", { class: "error-text", role: "alert" });

  /** @param {TrainingResult} result */
  constructor(result) {
    super();
    this.#result = result;
    this.#curve = new ThresholdCurve(result.curve ?? [], result.threshold);
  }

  build() {
    const { comparison, warnings, rejection, mistakes, sentence } = this.#result;
    const title = COMPARISONS[comparison ?? ""] ?? "A new model";
    const good = comparison === "better" ? " good" : comparison === "worse" ? " warning" : "";
    replace(this, h("div", { class: "stack" },
      h("div", { class: `note${good} stack tight` }, h("h3", null, title), h("p", null, describeAccuracy(this.#result)),
        sentence && h("p", { class: "soft" }, startUpper(sentence))),
      (warnings ?? []).map((warning) => h("p", { class: "note warning" }, startUpper(warning))),
      h("div", { class: "columns" },
        h("div", { class: "stack" }, this.#result.curve?.length > 0 && this.#curve,
          rejection && h("p", { class: "soft" }, startUpper(rejection)), teaching.canChange && this.#buildButtons(), buildLabels(this.#result)),
        h("div", { class: "stack tight" }, h("h3", null, "Worst mistakes"), buildMistakes(mistakes ?? []))),
      this.#problem));
  }

  #buildButtons() {
    const isWorse = this.#result.comparison === "worse";
    const name = nameModel({ name: this.#result.name, version: this.#result.version });
    return h("div", { class: "row decide" },
      h("button", { type: "button", id: "use-model", class: isWorse ? "" : "primary", onclick: () => this.#use(name) }, "Use it"),
      h("button", { type: "button", id: "keep-model", class: isWorse ? "primary" : "", onclick: () => this.#keep() }, "Keep the old one"),
      h("button", { type: "button", onclick: () => this.dispatchEvent(new Event("again", { bubbles: true })) }, "Train again"),
      h("span", { class: "soft" }, `“Use it” installs ${name} on trial.`));
  }

  /** @param {string} name */
  async #use(name) {
    replace(this.#problem);
    this.#setBusy(true);
    const json = { threshold: this.#curve.isMoved ? this.#curve.value : null };
    try {
      await request("POST", "/api/training/use", { json, limit_ms: USE_LIMIT_MS });
    } catch (error) {
      replace(this.#problem, error instanceof Error ? error.message : String(error));
      this.#setBusy(false);
      return;
    }
    showToast(`${name} runs now`);
    await store.refresh();
    this.dispatchEvent(new Event("decided", { bubbles: true }));
  }

  async #keep() {
    this.#setBusy(true);
    const done = await reportErrors(request("DELETE", "/api/training"));
    this.#setBusy(false);
    if (done === undefined) return;
    showToast("The old model goes on; your pictures stay");
    this.dispatchEvent(new Event("decided", { bubbles: true }));
  }

  /** @param {boolean} isBusy */
  #setBusy(isBusy) {
    for (const button of this.querySelectorAll(".decide button")) /** @type {HTMLButtonElement} */ (button).disabled = isBusy;
  }
}
customElements.define("train-result", TrainResult);

/** @param {TrainingResult} result */
function describeAccuracy({ accuracy, running_accuracy: running, per_label: labels }) {
  if (!accuracy) return "There were too few pictures to test it on.";
  const known = store.status?.model.labels ?? [];
  const isComparable = !labels?.length || labels.some(({ label }) => known.includes(label));
  const old = running && isComparable ? `the running model: ${formatPercent(running.value)}` : "the running model does not have these labels";
  return `Right in ${describeInterval(accuracy)} of ${accuracy.pictures} pictures it had not seen; ${old}.`;
}

/** @param {TrainingResult} result */
function buildLabels({ per_label: labels }) {
  if (!labels?.length) return null;
  return h("details", null, h("summary", null, `By label (${labels.length})`), h("dl", { class: "facts" }, labels.flatMap(({ label, recall, pictures }) => [
    h("dt", { class: colorClass(label) }, label),
    h("dd", null, recall ? `${describeInterval(recall)} of ${pictures} found` : `– of ${pictures}`)])));
}

/** @param {Mistake[]} mistakes */
function buildMistakes(mistakes) {
  if (!mistakes.length) return h("p", { class: "soft" }, "None on the pictures it was tested on.");
  return [h("p", { class: "soft small" }, "Is the picture's own label wrong? Correct it, then train again."),
    h("ul", { class: "mistakes" }, mistakes.map(buildMistake))];
}

/** @param {Mistake} mistake */
function buildMistake({ picture_id: id, label, guess, score }) {
  const own = label ?? NONE_OF_THESE;
  const names = teaching.names.filter((name) => name !== label);
  const fix = h("select", { "aria-label": `Wrong label? This picture is filed as ${own}` }, h("option", { value: "" }, "Wrong label?"),
    buildTargets(names, { unlabeled: true }), h("option", { value: "delete" }, "delete it"));
  const item = h("li", null, h("img", { loading: "lazy", alt: `Filed as ${own}`, src: addressOf(id, 320) }),
    h("span", null, h("strong", { class: colorClass(label) }, own)),
    h("span", { class: "soft small" }, guess ? `taken for ${guess === "background" ? NONE_OF_THESE : guess} ${formatPercent(score)}` : "taken for nothing"), fix);
  fix.onchange = async () => {
    const target = parseTarget(fix.value);
    if (!target && fix.value !== "delete") return;
    fix.disabled = true;
    await teaching.move([id], target);
    fix.replaceWith(h("span", { class: "small fixed" }, target ? `now: ${nameTarget(target)}` : "deleted"));
  };
  return item;
}
