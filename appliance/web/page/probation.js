/** The note of a new model that is on trial, with the way back. */

import { request } from "./api.js";
import { h } from "./dom.js";
import { formatDuration } from "./format.js";
import { reportErrors } from "./messages.js";

/**
 * Build the note; null if no model is on trial.
 * @param {import("./types.js").Status} status
 */
export function buildProbation({ update, model }) {
  if (update.probation_left_s === null || update.probation_left_s === undefined) return null;
  const goBack = () => reportErrors(request("POST", "/api/model/rollback"));
  return h("div", { class: "note" },
    `New model ${update.version ?? model.version ?? ""} on trial, ${formatDuration(update.probation_left_s)} left`,
    h("div", { class: "row" }, h("button", { type: "button", onclick: goBack }, "Go back")));
}
