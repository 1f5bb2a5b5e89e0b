"use strict";
// Draws the page. updateAll() redraws everything that depends on a threshold, so that all figures change together.
const byId = (id) => document.getElementById(id);

const createHtml = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const createSvg = (tag, attributes = {}, text = "") => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
};
const formatPercent = (share) => share === null ? "–" : (100 * share).toFixed(1) + " %";
const formatBetween = (interval, decimals = 0) => interval === null ? "" : interval.map((end) => (100 * end).toFixed(decimals)).join("–");
const formatScore = (score) => (score / STEPS).toFixed(2);
const formatThreshold = (threshold) => threshold % 100 ? String(threshold / STEPS) : formatScore(threshold);

// ---- the current thresholds

const createState = () => ({ common: data.threshold, own: new Map(data.own) });
let state = createState();
const thresholdOf = (label) => state.own.has(label) ? state.own.get(label) : state.common;

// ---- charts

const WIDTH = 360, HEIGHT = 250, LEFT = 44, RIGHT = 22, TOP = 12, BOTTOM = 38;
const toX = (share) => LEFT + share * (WIDTH - LEFT - RIGHT);
const toY = (share) => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);

const createChart = (holder, xName, yTicks, xTicks = [0, 0.25, 0.5, 0.75, 1].map((x) => [x, String(x)])) => {
  const svg = createSvg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  for (const [y, text] of yTicks) {
    svg.append(createSvg("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: toY(y), y2: toY(y) }));
    svg.append(createSvg("text", { x: LEFT - 6, y: toY(y) + 4, "text-anchor": "end" }, text));
  }
  for (const [x, text] of xTicks) svg.append(createSvg("text", { x: toX(x), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, text));
  svg.append(createSvg("text", { x: toX(0.5), y: HEIGHT - 5, "text-anchor": "middle" }, xName));
  holder.replaceChildren(svg);
  return svg;
};
const SHARE_TICKS = [0, 0.25, 0.5, 0.75, 1].map((y) => [y, `${100 * y} %`]);
const roundUp = (value) => {
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((times) => times * ten).find((round) => round >= value);
};
const toPath = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${toX(x).toFixed(1)} ${toY(y).toFixed(1)}`).join("");
const createDot = (kind) => createSvg("circle", { class: `dot ${kind}`, r: 6 });
const moveDot = (dot, x, y) => {
  dot.toggleAttribute("hidden", y === null || x === null);
  if (y !== null && x !== null) { dot.setAttribute("cx", toX(x)); dot.setAttribute("cy", toY(y)); }
};

const charts = {};
const drawCurves = () => {
  const label = byId("curve-of").value === "" ? null : Number(byId("curve-of").value);
  const grid = Array.from({ length: 100 }, (_, index) => (index + 1) / 100);
  const points = grid.map((threshold) => {
    const counts = label === null ? countAll(() => threshold * STEPS) : countLabel(label, Math.round(threshold * STEPS));
    return { threshold, ...counts };
  });
  charts.label = label;
  const known = points.filter((point) => point.precision !== null && point.recall !== null);
  const precisionRecall = createChart(byId("chart-pr"), "recall", SHARE_TICKS, SHARE_TICKS);
  precisionRecall.append(createSvg("path", { class: "curve precision", d: toPath(known.map((point) => [point.recall, point.precision])) }));
  precisionRecall.append(charts.precisionRecall = createDot("precision"));
  const byThreshold = createChart(byId("chart-threshold"), "threshold", SHARE_TICKS);
  byThreshold.append(createSvg("path", { class: "curve precision", d: toPath(known.map((point) => [point.threshold, point.precision])) }));
  byThreshold.append(createSvg("path", { class: "curve recall", d: toPath(points.filter((point) => point.recall !== null).map((point) => [point.threshold, point.recall])) }));
  byThreshold.append(charts.line = createSvg("line", { class: "now", y1: toY(0), y2: toY(1) }));
  byThreshold.append(charts.precision = createDot("precision"), charts.recall = createDot("recall"));
  if (background) {
    const rates = grid.map((threshold) => computeFalseRate(() => Math.round(threshold * STEPS), label) || 0);
    const top = charts.top = roundUp(Math.max(1, ...rates));
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((y) => [y, String(+(top * y).toFixed(2))]);
    const svg = createChart(byId("chart-false"), "threshold", ticks);
    svg.append(createSvg("path", { class: "curve false", d: toPath(grid.map((threshold, index) => [threshold, rates[index] / top])) }));
    svg.append(charts.falseLine = createSvg("line", { class: "now", y1: toY(0), y2: toY(1) }), charts.false = createDot("false"));
  }
};
const updateCurves = () => {
  const { label } = charts;
  const counts = label === null ? countAll(thresholdOf) : countLabel(label, thresholdOf(label));
  const threshold = (label === null ? state.common : thresholdOf(label)) / STEPS;
  moveDot(charts.precisionRecall, counts.recall, counts.precision);
  moveDot(charts.precision, threshold, counts.precision);
  moveDot(charts.recall, threshold, counts.recall);
  const name = `${label === null ? "All labels" : LABELS[label]} at ${formatThreshold(threshold * STEPS)}`;
  const text = `${name}: precision ${formatPercent(counts.precision)}, recall ${formatPercent(counts.recall)}`;
  for (const holder of ["chart-pr", "chart-threshold"]) byId(holder).firstChild.setAttribute("aria-label", text);
  for (const [line, x] of [[charts.line, threshold], [charts.falseLine, threshold], [charts.calibrationLine, state.common / STEPS]]) {
    if (line) { line.setAttribute("x1", toX(x)); line.setAttribute("x2", toX(x)); }
  }
  if (background) {
    const rate = computeFalseRate(thresholdOf, label);
    moveDot(charts.false, threshold, rate === null ? null : Math.min(1, rate / charts.top));
    byId("chart-false").firstChild.setAttribute("aria-label", `${name}: ${Math.round(rate)} false labels per 1,000 background pictures`);
  }
};

const drawCalibration = () => {
  const svg = createChart(byId("chart-calibration"), "score", SHARE_TICKS);
  const texts = [];
  for (const bin of data.calibration.bins) {
    if (!bin.pictures) continue;
    const bar = createSvg("rect", { class: "bin", x: toX(bin.from) + 1, width: toX(bin.to) - toX(bin.from) - 2, y: toY(bin.accuracy), height: toY(0) - toY(bin.accuracy) });
    bar.append(createSvg("title", {}, `${bin.pictures} pictures with a score from ${bin.from} to ${bin.to}: ${formatPercent(bin.accuracy)} correct, between ${formatBetween([bin.low, bin.high])} %`));
    const middle = (toX(bin.from) + toX(bin.to)) / 2;
    svg.append(bar, createSvg("line", { class: "between", x1: middle, x2: middle, y1: toY(bin.low), y2: toY(bin.high) }));
    texts.push(`${bin.from} to ${bin.to}: ${formatPercent(bin.accuracy)} of ${bin.pictures}`);
  }
  svg.append(charts.calibrationLine = createSvg("line", { class: "now", y1: toY(0), y2: toY(1) }));
  svg.append(createSvg("path", { class: "ideal", d: toPath([[0, 0], [1, 1]]) }));
  svg.setAttribute("aria-label", `Share of best labels that are correct, by score. ${texts.join("; ")}`);
  const error = data.calibration.expected_error;
  byId("calibration-text").textContent = error === null ? "No picture has content to label." :
    `On the dashed line, labels with a score of 0.8 are correct in 80 % of cases. Bars below the line show that the model is overconfident, bars above it that it is underconfident. The vertical lines are 95 % intervals. The expected error of a score is ${error.toFixed(3)}; with so many pictures, up to ${data.calibration.chance_error.toFixed(3)} may be chance.`;
};

// ---- tables

const MAX_LISTED_LABELS = 200, MAX_CONFUSION_LABELS = 40, MAX_CONFUSED_PAIRS = 20;
const labelRows = new Map();
const listedLabels = (() => {
  const labels = [...Array(LABEL_COUNT).keys()].filter((label) => contentCounts[label] || allScores[label].length || backgroundScores[label].length);
  const weight = (label) => contentCounts[label] * 1e6 + countReaching(allScores[label], STEPS / 2) + countReaching(backgroundScores[label], STEPS / 2);
  return labels.length <= MAX_LISTED_LABELS ? labels : labels.sort((a, b) => weight(b) - weight(a)).slice(0, MAX_LISTED_LABELS);
})();
const createTableHead = (names) => createHtml("thead", {}, createHtml("tr", {}, ...names.map((name) => createHtml("th", { scope: "col" }, name))));

// A click on a column's name sorts by it, and a second click reverses the order; cells without a value come last.
const makeSortable = (cell, column, body) => {
  const button = createHtml("button", { type: "button", class: "sort" }, ...cell.childNodes);
  cell.replaceChildren(button);
  const readValue = (row) => {
    const item = row.children[column], input = item.querySelector("input");
    const text = input ? input.value || input.placeholder : item.textContent;
    return column === 0 ? text : Number.parseFloat(text);
  };
  button.addEventListener("click", () => {
    const isDescending = cell.getAttribute("aria-sort") === "ascending" || (column > 0 && !cell.hasAttribute("aria-sort"));
    for (const other of cell.parentElement.children) other.removeAttribute("aria-sort");
    cell.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
    const rows = [...body.children].map((row, index) => [readValue(row), index, row]);
    const isMissing = (value) => typeof value === "number" && Number.isNaN(value);
    rows.sort(([a, i], [b, j]) => isMissing(a) || isMissing(b) ? isMissing(a) - isMissing(b) || i - j :
      (isDescending ? -1 : 1) * (column === 0 ? a.localeCompare(b) : a - b) || i - j);
    body.replaceChildren(...rows.map(([, , row]) => row));
  });
};

const drawLabels = () => {
  const names = ["Label", "Pictures", "Threshold", "Precision", "Recall", "Area"];
  const body = createHtml("tbody");
  for (const label of listedLabels) {
    const input = createHtml("input", { type: "number", min: 0, max: 1, step: 0.01, inputmode: "decimal", "aria-label": `Threshold of ${LABELS[label]}`, "data-label": LABELS[label] });
    input.addEventListener("input", () => {
      if (!input.validity.valid && !input.validity.stepMismatch) return;
      if (input.value === "") state.own.delete(label); else state.own.set(label, Math.round(Number(input.value) * STEPS));
      updateAll();
    });
    const cells = { precision: createHtml("td"), recall: createHtml("td"), false: createHtml("td"), input };
    labelRows.set(label, cells);
    const area = data.areas[label];
    body.append(createHtml("tr", { "data-label": LABELS[label] },
      createHtml("th", { scope: "row", title: LABELS[label] }, LABELS[label]), createHtml("td", {}, String(contentCounts[label])), createHtml("td", {}, input),
      cells.precision, cells.recall, createHtml("td", {}, area === null ? "–" : area.toFixed(3)), ...(background ? [cells.false] : [])));
  }
  const head = createTableHead(background ? [...names, "False per 1,000"] : names);
  byId("labels").replaceChildren(head, body);
  [...head.querySelectorAll("th")].forEach((cell, column) => makeSortable(cell, column, body));
  const more = LABEL_COUNT - listedLabels.length;
  byId("labels-more").textContent = more ? `${more} more labels of the model have no pictures here and are not listed, but they are included in the figures above.` : "";
};
const updateLabels = () => {
  for (const [label, cells] of labelRows) {
    const counts = countLabel(label, thresholdOf(label));
    cells.precision.textContent = formatPercent(counts.precision);
    cells.precision.dataset.between = formatBetween(computeInterval(counts.right, counts.given));
    cells.recall.textContent = formatPercent(counts.recall);
    cells.recall.dataset.between = formatBetween(computeInterval(counts.right, counts.content, data.labelShares[label]));
    if (background) cells.false.textContent = computeFalseRate(thresholdOf, label).toFixed(0);
    cells.input.placeholder = formatThreshold(state.common);
    const own = state.own.has(label) ? formatThreshold(state.own.get(label)) : "";
    if (document.activeElement !== cells.input) cells.input.value = own;
  }
};

const labelsByContent = [...Array(LABEL_COUNT).keys()].filter((label) => contentCounts[label]).sort((a, b) => contentCounts[b] - contentCounts[a]);
const confusionLabels = labelsByContent.slice(0, MAX_CONFUSION_LABELS).sort((a, b) => a - b);
const confusionColumns = new Map(confusionLabels.map((label, index) => [label, index]));
const picturesWithoutContent = [...pictures.filter((picture) => picture.target < 0), ...(background || [])];
const hasOtherLabels = LABEL_COUNT > confusionLabels.length;
const updateConfusion = () => {
  byId("confusion-part").hidden = data.several;
  if (data.several) return;
  const names = [...confusionLabels.map((label) => LABELS[label]), ...(hasOtherLabels ? ["another label"] : []), "no label"];
  const noLabelColumn = names.length - 1, otherLabelColumn = names.length - 2;
  const createCounts = () => new Array(names.length).fill(0);
  const table = confusionLabels.map(createCounts), withoutContent = createCounts();
  const countPicture = (row, picture) => {
    const best = findBestLabel(picture, thresholdOf);
    row[!best ? noLabelColumn : confusionColumns.has(best[0]) ? confusionColumns.get(best[0]) : otherLabelColumn] += 1;
  };
  for (const picture of pictures) if (confusionColumns.has(picture.target)) countPicture(table[confusionColumns.get(picture.target)], picture);
  for (const picture of picturesWithoutContent) countPicture(withoutContent, picture);
  const createRow = (name, row, rightColumn) => {
    const total = row.reduce((a, b) => a + b, 0);
    return createHtml("tr", {}, createHtml("th", { scope: "row", title: name }, name), ...row.map((value, column) => {
      const isRight = column === rightColumn, cell = createHtml("td", value ? {} : { class: "none" }, String(value));
      if (value && (isRight || column < noLabelColumn)) {
        cell.style.background = `rgba(var(--${isRight ? "right" : "wrong"}-cell), ${(0.08 + 0.5 * value / total).toFixed(3)})`;
      }
      return cell;
    }));
  };
  const top = createHtml("tr", {}, createHtml("th", { scope: "col" }, "actual ↓  reported →"), ...names.map((name) => createHtml("th", { scope: "col", title: name }, createHtml("span", {}, name))));
  const body = createHtml("tbody", {}, ...table.map((row, index) => createRow(names[index], row, index)));
  if (picturesWithoutContent.length) body.append(createRow("none of these", withoutContent, noLabelColumn));
  byId("confusion").replaceChildren(createHtml("thead", {}, top), body);
  byId("confusion-more").textContent = labelsByContent.length > confusionLabels.length ? `Only the ${confusionLabels.length} labels with the most pictures are listed, of ${labelsByContent.length} labels.` : "";
};

// Pairs of an actual label that was not reported and a reported label that is not actual.
const listConfusions = (picture) => {
  if (!data.several) {
    const best = picture.target >= 0 ? findBestLabel(picture, thresholdOf) : null;
    return best && best[0] !== picture.target ? [[picture.target, best[0]]] : [];
  }
  const wrong = listWrongLabels(picture).map(([label]) => label);
  return [...picture.own].filter((label) => getScore(picture, label) < thresholdOf(label)).flatMap((label) => wrong.map((other) => [label, other]));
};
const updateConfusedPairs = () => {
  const counts = new Map();
  for (const picture of pictures) {
    for (const [target, reported] of listConfusions(picture)) {
      const key = target * LABEL_COUNT + reported;
      counts.set(key, (counts.get(key) || 0) + 1);
    }
  }
  const pairs = [...counts].sort(([a, m], [b, n]) => n - m || a - b);
  const createRow = ([key, count]) => {
    const target = Math.floor(key / LABEL_COUNT), share = count / contentCounts[target];
    return createHtml("tr", {}, createHtml("th", { scope: "row", title: LABELS[target] }, LABELS[target]),
      createHtml("td", { title: LABELS[key % LABEL_COUNT] }, LABELS[key % LABEL_COUNT]), createHtml("td", {}, String(count)), createHtml("td", {}, formatPercent(share)));
  };
  byId("confused-pairs").replaceChildren(createTableHead(["Actual", "Reported", "Pictures", "Of the actual label"]), createHtml("tbody", {}, ...pairs.slice(0, MAX_CONFUSED_PAIRS).map(createRow)));
  byId("confused-pairs-more").textContent = !pairs.length ? "No label is mistaken for another at this threshold." :
    pairs.length > MAX_CONFUSED_PAIRS ? `${pairs.length - MAX_CONFUSED_PAIRS} more pairs have ${pairs[MAX_CONFUSED_PAIRS][1]} or fewer pictures each.` : "";
};

const drawComparison = () => {
  const comparison = data.against;
  byId("comparison").hidden = !comparison;
  if (!comparison) return;
  const model = `${comparison.model.name} ${comparison.model.version}`;
  byId("comparison-text").textContent = `${data.title} compared with ${model}, on the same pictures and at each bundle’s own threshold. ${comparison.says}${comparison.max_loss ? ` ${comparison.max_loss.says}` : ""}`;
  const createRow = (measure) => {
    const isRate = measure.name.startsWith("false labels"), scale = isRate ? 1 : 100;
    const format = (value) => value === null ? "–" : (scale * value).toFixed(1) + (isRate ? "" : " %");
    const formatSigned = (value) => (value > 0 ? "+" : "") + (scale * value).toFixed(1);
    return createHtml("tr", {}, createHtml("th", { scope: "row", title: measure.name }, measure.name), createHtml("td", {}, format(measure.old)), createHtml("td", {}, format(measure.new)),
      createHtml("td", {}, formatSigned(measure.difference)), createHtml("td", {}, measure.interval[0] === null ? "–" : measure.interval.map(formatSigned).join(" to ")), createHtml("td", { class: measure.verdict }, { same: "", too_few: "too few to tell" }[measure.verdict] ?? measure.verdict));
  };
  const measures = [...comparison.measures, ...comparison.per_label];
  byId("comparison-table").replaceChildren(createTableHead(["", "Old", "New", "New − old", "95 % interval", ""]), createHtml("tbody", {}, ...measures.map(createRow)));
};

// ---- mistakes

const MISTAKE_KINDS = [
  ["wrong", "Wrong labels", "For these pictures, a wrong label was reported; highest scores first."],
  ["missed", "Missed labels", "For these pictures, the correct label was not reported; lowest scores first."],
  ["background", "Labels on background pictures", "For these background pictures, a label was reported; highest scores first."],
];
const cards = [], sections = [];
const drawMistakes = () => {
  for (const [kind, title, text] of MISTAKE_KINDS) {
    const mistakes = data.mistakes.filter((mistake) => mistake.kind === kind);
    if (!mistakes.length) continue;
    const summary = createHtml("p", { class: "mistakes-summary" }), grid = createHtml("div", { class: "pictures", "data-kind": kind });
    for (const mistake of mistakes) {
      const caption = createHtml("b");
      const image = createHtml("img", { src: mistake.image, alt: "" });
      const card = createHtml("figure", {}, image, createHtml("figcaption", {}, caption, createHtml("span", { class: "name" }, mistake.name)));
      grid.append(card);
      cards.push({ kind, card, caption, image, picture: (kind === "background" ? background : pictures)[mistake.index] });
    }
    byId("mistakes").append(createHtml("section", { "aria-label": title }, createHtml("h3", {}, title), summary, grid));
    sections.push({ kind, summary, text });
  }
};
const listWrongLabels = (picture) => picture.scores.filter(([label, score]) => !picture.own.has(label) && score >= thresholdOf(label));
const listMissedLabels = (picture) => [...picture.own].filter((label) => getScore(picture, label) < thresholdOf(label)).sort((a, b) => getScore(picture, a) - getScore(picture, b));
const isMistake = (picture, kind) => (kind === "missed" ? listMissedLabels(picture) : listWrongLabels(picture)).length > 0;
// Scores below the floor are not in the page; a label that the model lacks has none.
const describeOwnScore = (picture, label) => getScore(picture, label) >= 0 ? `only ${formatScore(getScore(picture, label))}` :
  data.inModel[label] ? `below ${formatThreshold(data.floor)}` : "is not a label of the model";
const updateMistakes = () => {
  const visible = {};
  for (const { kind, card, caption, image, picture } of cards) {
    const wrong = kind === "missed" ? null : listWrongLabels(picture).sort((a, b) => b[1] - a[1])[0];
    card.hidden = !isMistake(picture, kind);
    visible[kind] = (visible[kind] || 0) + !card.hidden;
    const target = picture.own.size ? [...picture.own].map((label) => LABELS[label]).join(", ") : "none of the labels";
    const [missed] = listMissedLabels(picture);
    const text = kind === "missed" ? (missed === undefined ? "" : `${LABELS[missed]} ${describeOwnScore(picture, missed)}`) :
      wrong ? `${LABELS[wrong[0]]} ${formatScore(wrong[1])}${kind === "wrong" ? `, shows ${target}` : ""}` : "";
    caption.textContent = text;
    image.alt = kind === "missed" ? `a picture of ${target} that was not labeled` : `a picture of ${target}, labeled ${text}`;
  }
  for (const { kind, summary, text } of sections) {
    const count = (kind === "background" ? background : pictures).filter((picture) => isMistake(picture, kind)).length;
    const shown = visible[kind] || 0;
    summary.textContent = count ? `${text} ${count} at this threshold${count > shown ? `, ${shown} shown` : ""}.` : "None at this threshold.";
  }
};

// ---- all together

const quoteForShell = (text) => /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
const describeInterval = (interval, total, noun) => interval === null ? `of no ${noun}` : `${formatBetween(interval, 1)} %, on ${total} ${noun}`;
const describeEnds = ({ low, high }, scale, decimals) => low === null ? "–" : `${(scale * low).toFixed(decimals)}–${(scale * high).toFixed(decimals)}${scale === 100 ? " %" : ""}`;
const describeLabeledBackground = () => {
  const labeled = background.filter((picture) => listWrongLabels(picture).length).length;
  const interval = computeInterval(labeled, background.length, data.backgroundShare);
  return interval === null ? "–" : `${formatBetween(interval, 1)} % get a label`;
};
const updateFigures = () => {
  const counts = countAll(thresholdOf);
  const rate = background ? computeFalseRate(thresholdOf) : null;
  const list = [
    ["precision", "Precision", formatPercent(counts.precision), describeInterval(computeInterval(counts.right, counts.given), counts.given, "labels")],
    ["recall", "Recall", formatPercent(counts.recall), describeInterval(computeInterval(counts.right, counts.content), counts.content, data.several ? "labels" : "pictures")],
    ...(background ? [["false", "False per 1,000", rate === null ? "–" : rate.toFixed(0), describeLabeledBackground()]] : []),
    ["accuracy", "Best label right", formatPercent(data.accuracy), describeEnds(data.intervals.accuracy, 100, 1)],
    ["area", "Area under curve", data.area === null ? "–" : data.area.toFixed(3), describeEnds(data.intervals.area_under_curve, 1, 3)],
  ];
  byId("figures").replaceChildren(...list.map(([name, title, value, between]) =>
    createHtml("div", ["accuracy", "area"].includes(name) ? { class: "fixed" } : {}, createHtml("dt", {}, title), createHtml("dd", { id: `figure-${name}` }, value), createHtml("dd", { id: `between-${name}`, class: "between" }, between))));
  byId("threshold").value = state.common / STEPS;
  byId("threshold-value").textContent = formatThreshold(state.common);
  byId("summary").textContent = `At ${formatThreshold(state.common)}: ${list.slice(0, background ? 3 : 2).map(([, title, value]) => `${title} ${value}`).join(", ")}`;
  const formatOption = (label, value) => ` \\\n  --set-threshold ${quoteForShell(`${LABELS[label]}=${+(value / STEPS).toFixed(4)}`)}`;
  const own = [...state.own].filter(([label]) => data.inModel[label]).map(([label, value]) => formatOption(label, value));
  byId("command").textContent = `appliance evaluate ${[data.bundle, data.dataset, ...data.options].map(quoteForShell).join(" ")} \\\n  --set-threshold ${+(state.common / STEPS).toFixed(4)}${own.join("")}`;
};
const updateAll = () => { updateFigures(); updateCurves(); updateLabels(); updateConfusion(); updateConfusedPairs(); updateMistakes(); };

if (data.several) byId("calibration-caption").textContent = "Share of labels that are correct, by score";
document.title = `Evaluation of ${data.title}`;
byId("title").textContent = data.title;
byId("about").textContent = data.about;
// Text between backquotes is code.
byId("notes").replaceChildren(...[...data.notes, ...data.warnings].map((note) => createHtml("li", {}, ...note.split("`").map((part, index) => index % 2 ? createHtml("code", {}, part) : part))));
byId("made").textContent = data.made;
byId("worst-labels").textContent = data.worst.length > 1 ? `At the bundle’s thresholds, these labels are found least: ${data.worst.join(", ")}.` : "";
byId("false-figure").hidden = !background;
byId("curve-of").append(createHtml("option", { value: "" }, "all labels"), ...listedLabels.filter((label) => contentCounts[label]).map((label) => createHtml("option", { value: label }, LABELS[label])));
byId("curve-of").addEventListener("change", () => { drawCurves(); updateCurves(); });
byId("threshold").addEventListener("input", () => { state.common = Math.round(Number(byId("threshold").value) * STEPS); updateAll(); });
byId("reset").addEventListener("click", () => { state = createState(); for (const cells of labelRows.values()) cells.input.value = ""; updateAll(); });
drawLabels(); drawCurves(); drawCalibration(); drawComparison(); drawMistakes(); updateAll();
