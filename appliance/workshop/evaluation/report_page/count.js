"use strict";
// Counting, from the scores of each picture. A threshold and a score are whole numbers, in steps of 1/10,000; a score was
// rounded down, so that comparing it with a threshold of that step is exact. The definitions are those of
// appliance/workshop/evaluation/metrics.py.
const STEPS = 10000;
const data = JSON.parse(document.getElementById("data").textContent);
const LABELS = data.labels, N = LABELS.length;

const picture = (row) => {
  const scores = [];
  for (let at = 1; at < row.length; at += 2) scores.push([row[at], row[at + 1]]);
  return { target: row[0], scores, own: (scores.find(([label]) => label === row[0]) || [0, -1])[1] };
};
const pictures = data.pictures.map(picture);
const background = data.background ? data.background.pictures.map(picture) : null;

// For each label the scores that were given, those on its own pictures and those on the background, sorted.
const bare = () => Array.from({ length: N }, () => []);
const given = bare(), right = bare(), wrong = bare(), content = new Array(N).fill(0);
for (const one of pictures) {
  if (one.target >= 0) content[one.target] += 1;
  for (const [label, score] of one.scores) {
    given[label].push(score);
    if (label === one.target) right[label].push(score);
  }
}
for (const one of background || []) for (const [label, score] of one.scores) wrong[label].push(score);
for (const lists of [given, right, wrong]) for (const list of lists) list.sort((a, b) => a - b);
const contentInAll = content.reduce((a, b) => a + b, 0);

const reaching = (sorted, threshold) => {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < threshold) low = middle + 1; else high = middle;
  }
  return sorted.length - low;
};
const figures = (givenCount, rightCount, contentCount) => ({
  given: givenCount, right: rightCount, content: contentCount,
  precision: givenCount ? rightCount / givenCount : null,
  recall: contentCount ? rightCount / contentCount : null,
});
const ofLabel = (label, threshold) =>
  figures(reaching(given[label], threshold), reaching(right[label], threshold), content[label]);
const ofAll = (thresholdOf) => {
  let all = 0, hits = 0;
  for (let label = 0; label < N; label += 1) {
    all += reaching(given[label], thresholdOf(label));
    hits += reaching(right[label], thresholdOf(label));
  }
  return figures(all, hits, contentInAll);
};
const falseLabels = (thresholdOf, only = null) => {
  let all = 0;
  for (let label = 0; label < N; label += 1) if (only === null || only === label) all += reaching(wrong[label], thresholdOf(label));
  return background.length ? 1000 * all / background.length : null;
};
const best = (one, thresholdOf) => {
  let found = null;
  for (const [label, score] of one.scores) {
    if (score >= thresholdOf(label) && (!found || score > found[1] || (score === found[1] && label < found[0]))) found = [label, score];
  }
  return found;
};
