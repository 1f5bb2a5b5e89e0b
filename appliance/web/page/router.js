/**
 * Which place the address names: "#/events/ID" is the place "events" with the parts ["ID"]. "#/model" is the second half
 * of the place "teach".
 */

/** @typedef {{place: string, parts: string[]}} Route */

export const PLACES = /** @type {const} */ (["now", "events", "teach", "device"]);

/**
 * Return the route of an address's fragment; the first place if it names none.
 * @param {string} hash
 * @returns {Route}
 */
export function parseRoute(hash) {
  const [place = "", ...parts] = hash.replace(/^#\/?/, "").split("/").map(decode);
  if (place === "model") return { place: "teach", parts: [place, ...parts] };
  return /** @type {readonly string[]} */ (PLACES).includes(place) ? { place, parts } : { place: "now", parts: [] };
}

/**
 * Return the one-time code of a sign-in link ("#CODE"); null if the fragment is none.
 * @param {string} hash
 */
export function parseCode(hash) {
  const found = /^#([A-Za-z0-9_-]{16,128})$/.exec(hash);
  return found ? found[1] : null;
}

/**
 * Return the fragment of a place.
 * @param {...string} parts
 */
export function link(...parts) {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
