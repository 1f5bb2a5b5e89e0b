/** Show an upload: what is sent, how far it is, and a button that cancels it. */

import { upload } from "./api.js";
import { h, replace, setText } from "./dom.js";
import { formatBytes } from "./format.js";

/**
 * Upload the file of a field, with progress in a place of the page; the field is empty afterwards.
 * @param {Element} place
 * @param {HTMLInputElement} field
 * @param {File} file
 * @param {string} path
 * @param {string} after what the device does when the file has arrived
 * @returns {Promise<any>}
 * @throws {import("./api.js").ApiError}
 */
export async function uploadWithProgress(place, field, file, path, after) {
  const bar = h("div", { class: "progress", role: "progressbar", "aria-label": "Upload" }, h("span"));
  const text = h("p", null, `Uploading ${file.name}, ${formatBytes(file.size)}`);
  const stop = new AbortController();
  const cancel = h("button", { type: "button", onclick: () => stop.abort() }, "Cancel");
  replace(place, h("div", { class: "stack" }, text, bar, h("div", null, cancel)));
  field.disabled = true;
  const showProgress = (/** @type {number} */ part) => {
    bar.style.setProperty("--part", String(part));
    if (part < 1) return;
    setText(text, after);
    bar.className = "progress unknown";
    cancel.remove();
  };
  try {
    return await upload(path, file, showProgress, stop.signal);
  } finally {
    field.disabled = false;
    field.value = "";
  }
}
