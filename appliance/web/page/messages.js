/** Short messages at the edge of the page, and the question before something is deleted. */

import { h } from "./dom.js";

const SHOWN_MS = 6000;

/**
 * Show a message for some seconds; screen readers announce it.
 * @param {string} text
 * @param {HTMLElement} [action] a button or a link beside the text
 */
export function showToast(text, action) {
  const region = document.getElementById("toasts");
  const close = h("button", { type: "button", ariaLabel: "Close the message", onclick: () => toast.remove() }, "×");
  const toast = h("div", { class: "toast" }, h("span", null, text), action, close);
  region?.replaceChildren(toast);
  setTimeout(() => toast.remove(), action ? 2 * SHOWN_MS : SHOWN_MS);
}

/**
 * Run an action; show the sentence of its error, if it fails.
 * @template T
 * @param {Promise<T>} action
 * @returns {Promise<T | undefined>}
 */
export async function reportErrors(action) {
  try {
    return await action;
  } catch (error) {
    if (!isAbort(error)) showToast(describeError(error));
    return undefined;
  }
}

/** @param {unknown} error */
export function describeError(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {unknown} error */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * Ask before something is deleted.
 * @param {string} question
 * @param {string} action the text of the button that deletes
 * @returns {Promise<boolean>}
 */
export function confirmDeletion(question, action) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { ariaLabel: question },
      h("p", null, question),
      h("form", { method: "dialog", class: "row" },
        h("button", { value: "no" }, "Cancel"),
        h("button", { value: "yes", class: "dangerous" }, action)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
