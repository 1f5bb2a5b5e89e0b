/** The color of each label: it depends on the name, so that a label has the same color everywhere. */

const COLORS = 10;
/** @type {Map<string, number>} */
let assigned = new Map();
let assignedFor = "";

/**
 * Give the labels of the model colors of their own, as far as there are enough.
 * @param {string[]} labels
 */
export function assignColors(labels) {
  const key = JSON.stringify(labels);
  if (key === assignedFor) return;
  assignedFor = key;
  assigned = new Map();
  const used = new Set();
  for (const label of [...labels].sort().slice(0, COLORS)) {
    let color = hash(label);
    while (used.has(color)) color = (color + 1) % COLORS;
    used.add(color);
    assigned.set(label, color);
  }
}

/**
 * Return the class that sets the color of a label as the property --label.
 * @param {string | null | undefined} label
 */
export function colorClass(label) {
  return label ? `label-${assigned.get(label) ?? hash(label)}` : "label-none";
}

/** @param {string} text */
function hash(text) {
  let value = 2166136261; // FNV-1a
  for (const unit of text) value = Math.imul(value ^ (unit.codePointAt(0) ?? 0), 16777619) >>> 0;
  return value % COLORS;
}
