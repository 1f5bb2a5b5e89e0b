/** A list of scores as bars. */

import { h, setText } from "./dom.js";
import { formatFraction } from "./format.js";
import { buildRow } from "./label-bars.js";

/**
 * Build the bars of scores, best first.
 * @param {import("./types.js").Score[]} scores
 * @param {number} [threshold] labels below it are drawn in gray
 */
export function buildScores(scores, threshold = 0) {
  return h("div", { class: "scores" }, [...scores].sort((a, b) => b.score - a.score).map((score) => {
    const row = buildRow(score.label);
    row.style.setProperty("--score", String(score.score));
    row.classList.toggle("below", score.score < threshold);
    setText(/** @type {Element} */ (row.lastElementChild), formatFraction(score.score));
    return row;
  }));
}
