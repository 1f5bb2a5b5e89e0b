"use strict";
// Counts labels from the scores of each picture. Thresholds and scores are whole numbers in steps of 1/10,000. Scores were
// rounded down, so that comparing them with such a threshold is exact. The definitions are those in
// appliance/workshop/evaluation/metrics.py.
const STEPS = 10000;
const data = JSON.parse(document.getElementById("data").textContent);
const LABELS = data.labels, LABEL_COUNT = LABELS.length;

// A picture has one label, `target` (−1 for none), or any number of labels, `own`.
const parsePicture = (row) => {
  const scores = [];
  for (let index = 1; index < row.length; index += 2) scores.push([row[index], row[index + 1]]);
  const own = Array.isArray(row[0]) ? row[0] : row[0] >= 0 ? [row[0]] : [];
  return { target: own.length ? own[0] : -1, own: new Set(own), scores, byLabel: new Map(scores) };
};
const getScore = (picture, label) => picture.byLabel.has(label) ? picture.byLabel.get(label) : -1;
const pictures = data.pictures.map(parsePicture);
const background = data.background ? data.background.pictures.map(parsePicture) : null;

// For each label: its sorted scores on all pictures, on its own pictures, and on the background; and its number of pictures.
const createLists = () => Array.from({ length: LABEL_COUNT }, () => []);
const allScores = createLists(), ownScores = createLists(), backgroundScores = createLists();
const contentCounts = new Array(LABEL_COUNT).fill(0);
for (const picture of pictures) {
  for (const label of picture.own) contentCounts[label] += 1;
  for (const [label, score] of picture.scores) {
    allScores[label].push(score);
    if (picture.own.has(label)) ownScores[label].push(score);
  }
}
for (const picture of background || []) for (const [label, score] of picture.scores) backgroundScores[label].push(score);
for (const lists of [allScores, ownScores, backgroundScores]) for (const list of lists) list.sort((a, b) => a - b);
const contentTotal = contentCounts.reduce((a, b) => a + b, 0);

const countReaching = (sorted, threshold) => {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < threshold) low = middle + 1; else high = middle;
  }
  return sorted.length - low;
};
const computeFigures = (given, right, content) => ({
  given, right, content,
  precision: given ? right / given : null,
  recall: content ? right / content : null,
});
// Wilson's interval at 95 %, as in appliance/workshop/evaluation/intervals.py; pictures of one recording count as one.
const Z = 1.959963984540054;
const computeInterval = (count, total, effectiveShare = data.effectiveShare) => {
  if (!total) return null;
  const share = count / total, square = Z * Z / (total * effectiveShare);
  const half = Math.sqrt(square * (share * (1 - share) + square / 4));
  return [share + square / 2 - half, share + square / 2 + half].map((end) => Math.min(1, Math.max(0, end / (1 + square))));
};
const countLabel = (label, threshold) =>
  computeFigures(countReaching(allScores[label], threshold), countReaching(ownScores[label], threshold), contentCounts[label]);
const countAll = (thresholdOf) => {
  let given = 0, right = 0;
  for (let label = 0; label < LABEL_COUNT; label += 1) {
    given += countReaching(allScores[label], thresholdOf(label));
    right += countReaching(ownScores[label], thresholdOf(label));
  }
  return computeFigures(given, right, contentTotal);
};
const computeFalseRate = (thresholdOf, onlyLabel = null) => {
  let given = 0;
  for (let label = 0; label < LABEL_COUNT; label += 1) {
    if (onlyLabel === null || onlyLabel === label) given += countReaching(backgroundScores[label], thresholdOf(label));
  }
  return background.length ? 1000 * given / background.length : null;
};
const findBestLabel = (picture, thresholdOf) => {
  let best = null;
  for (const [label, score] of picture.scores) {
    if (score >= thresholdOf(label) && (!best || score > best[1] || (score === best[1] && label < best[0]))) best = [label, score];
  }
  return best;
};
