/** One picture of the grid: its label, and what the running model takes it for. */

import { colorClass } from "./colors.js";
import { h } from "./dom.js";
import { formatPercent } from "./format.js";
import { icon } from "./icons.js";
import { addressOf, nameTarget, NONE_OF_THESE } from "./teaching.js";

// How the device names none of the labels in a guess.
const NONE_LABEL = "background";

/** @type {Record<string, string>} */
const ORIGINS = { recorded: "recorded", collected: "collected by itself", event: "from an event", imported: "imported" };

/**
 * Build the content of a cell.
 * @param {import("./teaching.js").Picture} picture
 * @param {number} size of the picture's file, in pixels
 */
export function buildCell(picture, size) {
  const { label, background, guess } = picture;
  const isDecided = label !== null || background;
  const name = nameTarget({ label, background });
  const taken = guess?.label === NONE_LABEL ? NONE_OF_THESE : guess?.label ?? "nothing";
  const differs = isDecided && guess && taken !== name;
  const origin = ORIGINS[picture.origin] ?? picture.origin;
  const image = h("img", {
    loading: "lazy", decoding: "async", draggable: false, alt: "", src: addressOf(picture.id, size), title: origin,
  });
  image.onerror = () => image.replaceWith(h("span", { class: "thumbnail" }, "no picture"));
  return [
    image,
    h("span", { class: "check", "aria-hidden": "true" }, icon("ok")),
    h("span", { class: `what ${isDecided ? colorClass(label) : "label-none undecided"}` },
      h("span", { class: "swatch", "aria-hidden": "true" }), h("span", { class: "name" }, name)),
    h("span", { class: differs ? "guess differs" : "guess" },
      guess ? `${taken} ${formatPercent(guess.score)}` : "no guess yet"),
  ];
}
