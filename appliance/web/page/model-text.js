/** The model and its update in words. */

/** @typedef {import("./types.js").Status} Status */

/** @type {Record<string, string>} */
const STEPS = {
  available: "is offered", waiting: "waits for its time window", downloading: "is being downloaded", verifying: "is being checked",
  probing: "is being tried", warming: "is being prepared", swapping: "is being swapped in", swapped: "was swapped in",
  probation: "is on trial", committed: "is in use", rolled_back: "was taken back", refused: "was refused",
  failed: "could not be fetched",
};
export const BUSY = ["downloading", "verifying", "probing", "warming", "swapping", "swapped"];

/** @param {{name: string, version?: string | null, sha256?: string}} model */
export function nameModel(model) {
  const version = model.version || (model.sha256 ? `sha256:${model.sha256.slice(0, 12)}` : "");
  return [model.name, version].filter(Boolean).join(" ");
}

/**
 * Describe the running model in one line.
 * @param {Status} status
 */
export function describeModel({ model, update }) {
  return [nameModel(model), describeUpdate(update)].filter(Boolean).join(" · ");
}

/**
 * Describe the state of the update in a few words; "" if no models come to this device by themselves.
 * @param {import("./types.js").UpdateInfo} update
 */
export function describeUpdate(update) {
  const { state, version, percentage, available } = update;
  if (state && BUSY.includes(state)) return `${version ?? "a model"} ${STEPS[state]}${percentage ? ` ${Math.round(percentage)} %` : ""}`;
  if (state === "probation") return "on trial";
  if (available) return `${available} is offered`;
  if (state === "rolled_back" || state === "refused" || state === "failed") return `${version ?? "a model"} ${STEPS[state]}`;
  return update.source === "none" ? "" : "up to date";
}
