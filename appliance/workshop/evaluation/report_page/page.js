"use strict";
// Drawing. Everything that a threshold changes is drawn anew by show(), so that all of it moves together.
const $ = (id) => document.getElementById(id);

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
};
const draw = (tag, attributes = {}, text = "") => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
};
const percent = (share) => share === null ? "–" : (100 * share).toFixed(1) + " %";
const rough = (score) => (score / STEPS).toFixed(2);
const shown = (threshold) => threshold % 100 ? String(threshold / STEPS) : rough(threshold);

// ---- the thresholds in force

const start = () => ({ common: data.threshold, own: new Map(data.own) });
let state = start();
const threshold = (label) => state.own.has(label) ? state.own.get(label) : state.common;

// ---- charts

const W = 360, H = 250, LEFT = 44, RIGHT = 22, TOP = 12, BOTTOM = 38;
const px = (share) => LEFT + share * (W - LEFT - RIGHT);
const py = (share) => H - BOTTOM - share * (H - TOP - BOTTOM);

const frame = (holder, xName, yTicks, xTicks = [0, 0.25, 0.5, 0.75, 1].map((x) => [x, String(x)])) => {
  const svg = draw("svg", { viewBox: `0 0 ${W} ${H}`, role: "img" });
  for (const [y, text] of yTicks) {
    svg.append(draw("line", { class: "axis", x1: LEFT, x2: W - RIGHT, y1: py(y), y2: py(y) }));
    svg.append(draw("text", { x: LEFT - 6, y: py(y) + 4, "text-anchor": "end" }, text));
  }
  for (const [x, text] of xTicks) svg.append(draw("text", { x: px(x), y: H - BOTTOM + 16, "text-anchor": "middle" }, text));
  svg.append(draw("text", { x: px(0.5), y: H - 5, "text-anchor": "middle" }, xName));
  holder.replaceChildren(svg);
  return svg;
};
const shares = [0, 0.25, 0.5, 0.75, 1].map((y) => [y, `${100 * y} %`]);
const roundUp = (value) => {
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((times) => times * ten).find((round) => round >= value);
};
const path = (points) => points.map(([x, y], at) => `${at ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("");
const dot = (kind) => draw("circle", { class: `dot ${kind}`, r: 6 });
const put = (mark, x, y) => {
  mark.toggleAttribute("hidden", y === null || x === null);
  if (y !== null && x !== null) { mark.setAttribute("cx", px(x)); mark.setAttribute("cy", py(y)); }
};

const charts = {};
const drawCurves = () => {
  const only = $("curve-of").value === "" ? null : Number($("curve-of").value);
  const grid = Array.from({ length: 100 }, (_, at) => (at + 1) / 100);
  const points = grid.map((t) => {
    const found = only === null ? ofAll(() => t * STEPS) : ofLabel(only, Math.round(t * STEPS));
    return { t, ...found };
  });
  charts.only = only;
  const known = points.filter((one) => one.precision !== null && one.recall !== null);
  const pr = frame($("chart-pr"), "recall", shares, shares);
  pr.append(draw("path", { class: "curve precision", d: path(known.map((one) => [one.recall, one.precision])) }));
  pr.append(charts.pr = dot("precision"));
  const by = frame($("chart-threshold"), "threshold", shares);
  by.append(draw("path", { class: "curve precision", d: path(known.map((one) => [one.t, one.precision])) }));
  by.append(draw("path", { class: "curve recall", d: path(points.filter((one) => one.recall !== null).map((one) => [one.t, one.recall])) }));
  by.append(charts.line = draw("line", { class: "now", y1: py(0), y2: py(1) }));
  by.append(charts.precision = dot("precision"), charts.recall = dot("recall"));
  if (background) {
    const rates = grid.map((t) => falseLabels(() => Math.round(t * STEPS), only) || 0);
    const top = charts.top = roundUp(Math.max(1, ...rates));
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((y) => [y, String(+(top * y).toFixed(2))]);
    const svg = frame($("chart-false"), "threshold", ticks);
    svg.append(draw("path", { class: "curve false", d: path(grid.map((t, at) => [t, rates[at] / top])) }));
    svg.append(charts.falseLine = draw("line", { class: "now", y1: py(0), y2: py(1) }), charts.false = dot("false"));
  }
};
const moveCurves = () => {
  const { only } = charts;
  const now = only === null ? ofAll(threshold) : ofLabel(only, threshold(only));
  const at = (only === null ? state.common : threshold(only)) / STEPS;
  put(charts.pr, now.recall, now.precision);
  put(charts.precision, at, now.precision);
  put(charts.recall, at, now.recall);
  const name = only === null ? "All labels" : LABELS[only];
  const says = `${name} at ${shown(at * STEPS)}: precision ${percent(now.precision)}, recall ${percent(now.recall)}`;
  for (const holder of ["chart-pr", "chart-threshold"]) $(holder).firstChild.setAttribute("aria-label", says);
  for (const [line, x] of [[charts.line, at], [charts.falseLine, at], [charts.calibrationLine, state.common / STEPS]]) {
    if (line) { line.setAttribute("x1", px(x)); line.setAttribute("x2", px(x)); }
  }
  if (background) {
    const rate = falseLabels(threshold, only);
    put(charts.false, at, rate === null ? null : Math.min(1, rate / charts.top));
    $("chart-false").firstChild.setAttribute("aria-label", `${name} at ${shown(at * STEPS)}: ${Math.round(rate)} false labels per 1,000 background pictures`);
  }
};

const drawCalibration = () => {
  const svg = frame($("chart-calibration"), "score", shares);
  const said = [];
  for (const bin of data.calibration.bins) {
    if (!bin.pictures) continue;
    const bar = draw("rect", { class: "bin", x: px(bin.from) + 1, width: px(bin.to) - px(bin.from) - 2, y: py(bin.accuracy), height: py(0) - py(bin.accuracy) });
    bar.append(draw("title", {}, `${bin.pictures} pictures with a score from ${bin.from} to ${bin.to}: ${percent(bin.accuracy)} right`));
    svg.append(bar);
    said.push(`${bin.from} to ${bin.to}: ${percent(bin.accuracy)} of ${bin.pictures}`);
  }
  svg.append(charts.calibrationLine = draw("line", { class: "now", y1: py(0), y2: py(1) }));
  svg.append(draw("path", { class: "ideal", d: path([[0, 0], [1, 1]]) }));
  svg.setAttribute("aria-label", `Right, by score. ${said.join("; ")}`);
  const error = data.calibration.expected_error;
  $("calibration-says").textContent = error === null ? "No picture had something to label." :
    `On the dashed line a score of 0.8 is right in 80 % of cases; bars below it are too sure of themselves, bars above it too modest. The expected error is ${error.toFixed(3)}.`;
};

// ---- tables

const rows = new Map();
const listed = (() => {
  const order = [...Array(N).keys()].filter((label) => content[label] || given[label].length || wrong[label].length);
  const weight = (label) => content[label] * 1e6 + reaching(given[label], STEPS / 2) + reaching(wrong[label], STEPS / 2);
  return order.length <= 60 ? order : order.sort((a, b) => weight(b) - weight(a)).slice(0, 60);
})();
const head = (names) => make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name))));

const drawLabels = () => {
  const names = ["Label", "Pictures", "Threshold", "Precision", "Recall", "Area"];
  const body = make("tbody");
  for (const label of listed) {
    const input = make("input", { type: "number", min: 0, max: 1, step: 0.01, inputmode: "decimal", "aria-label": `Threshold of ${LABELS[label]}`, "data-label": LABELS[label] });
    input.addEventListener("input", () => {
      if (!input.validity.valid && !input.validity.stepMismatch) return;
      if (input.value === "") state.own.delete(label); else state.own.set(label, Math.round(Number(input.value) * STEPS));
      show();
    });
    const cells = { precision: make("td"), recall: make("td"), false: make("td"), input };
    rows.set(label, cells);
    const area = data.areas[label];
    body.append(make("tr", { "data-label": LABELS[label] },
      make("th", { scope: "row", title: LABELS[label] }, LABELS[label]), make("td", {}, String(content[label])), make("td", {}, input),
      cells.precision, cells.recall, make("td", {}, area === null ? "–" : area.toFixed(3)), ...(background ? [cells.false] : [])));
  }
  $("labels").replaceChildren(head(background ? [...names, "False per 1,000"] : names), body);
  const more = N - listed.length;
  $("labels-more").textContent = more ? `${more} more labels of the model have no picture here and are not listed; they count above.` : "";
};
const moveLabels = () => {
  for (const [label, cells] of rows) {
    const now = ofLabel(label, threshold(label));
    cells.precision.textContent = percent(now.precision);
    cells.recall.textContent = percent(now.recall);
    if (background) cells.false.textContent = falseLabels(threshold, label).toFixed(0);
    cells.input.placeholder = shown(state.common);
    const own = state.own.has(label) ? shown(state.own.get(label)) : "";
    if (document.activeElement !== cells.input) cells.input.value = own;
  }
};

const crowd = [...Array(N).keys()].filter((label) => content[label]).sort((a, b) => content[b] - content[a]);
const compared = crowd.slice(0, 40).sort((a, b) => a - b);
const column = new Map(compared.map((label, at) => [label, at]));
const nothingThere = [...pictures.filter((one) => one.target < 0), ...(background || [])];
const others = N > compared.length;
const drawConfusion = () => {
  const names = [...compared.map((label) => LABELS[label]), ...(others ? ["another label"] : []), "no label"];
  const count = () => new Array(names.length).fill(0);
  const table = compared.map(count), nothing = count();
  const add = (row, one) => {
    const found = best(one, threshold);
    const at = !found ? names.length - 1 : column.has(found[0]) ? column.get(found[0]) : names.length - 2;
    row[at] += 1;
  };
  for (const one of pictures) if (column.has(one.target)) add(table[column.get(one.target)], one);
  for (const one of nothingThere) add(nothing, one);
  const line = (name, row, own) => {
    const total = row.reduce((a, b) => a + b, 0);
    return make("tr", {}, make("th", { scope: "row", title: name }, name), ...row.map((value, at) => {
      const good = at === own, cell = make("td", value ? {} : { class: "none" }, String(value));
      if (value && (good || at < names.length - 1)) {
        cell.style.background = `rgba(var(--${good ? "right" : "wrong"}-cell), ${(0.08 + 0.5 * value / total).toFixed(3)})`;
      }
      return cell;
    }));
  };
  const top = make("tr", {}, make("th", { scope: "col" }, "shows ↓  given →"), ...names.map((name) => make("th", { scope: "col", title: name }, make("span", {}, name))));
  const body = make("tbody", {}, ...table.map((row, at) => line(names[at], row, at)));
  if (nothingThere.length) body.append(line("none of these", nothing, names.length - 1));
  $("confusion").replaceChildren(make("thead", {}, top), body);
  $("confusion-more").textContent = crowd.length > compared.length ? `The ${compared.length} labels with the most pictures of ${crowd.length}.` : "";
};

const drawCompared = () => {
  const found = data.against;
  $("compared").hidden = !found;
  if (!found) return;
  $("compared-says").textContent = `${data.title} against ${found.model.name} ${found.model.version}, on the same pictures and with the threshold that each bundle carries. ${found.says}`;
  const line = (one) => {
    const rate = one.name.startsWith("false labels"), scale = rate ? 1 : 100;
    const figure = (value) => value === null ? "–" : (scale * value).toFixed(1) + (rate ? "" : " %");
    const signed = (value) => (value > 0 ? "+" : "") + (scale * value).toFixed(1);
    return make("tr", {}, make("th", { scope: "row", title: one.name }, one.name), make("td", {}, figure(one.old)), make("td", {}, figure(one.new)),
      make("td", {}, signed(one.difference)), make("td", {}, one.interval.map(signed).join(" to ")), make("td", { class: one.verdict }, one.verdict === "same" ? "" : one.verdict));
  };
  $("compared-table").replaceChildren(head(["", "Old", "New", "New − old", "95 % interval", ""]), make("tbody", {}, ...[...found.measures, ...found.per_label].map(line)));
};

// ---- mistakes

const KINDS = [
  ["wrong", "A wrong label", "These were given a label that they do not show; the most certain first."],
  ["missed", "Their own label missed", "These show something that was not labeled; the least certain first."],
  ["background", "Something seen where nothing is", "Background pictures that were given a label; the most certain first."],
];
const cards = [];
const drawMistakes = () => {
  const holder = $("mistakes");
  for (const [kind, title, says] of KINDS) {
    const mine = data.mistakes.filter((one) => one.kind === kind);
    if (!mine.length) continue;
    const count = make("p", { class: "mistakes-say" }), grid = make("div", { class: "pictures", "data-kind": kind });
    for (const one of mine) {
      const caption = make("b");
      const image = make("img", { src: one.image, alt: "" });
      const card = make("figure", {}, image, make("figcaption", {}, caption, make("span", { class: "name" }, one.name)));
      grid.append(card);
      cards.push({ ...one, card, caption, image, of: (kind === "background" ? background : pictures)[one.place] });
    }
    const box = make("section", { "aria-label": title }, make("h3", {}, title), count, grid);
    holder.append(box);
    cards.push({ kind: `${kind}-count`, count, says, kept: mine.length });
  }
};
const mistake = (one, kind) => {
  if (kind === "missed") return one.target >= 0 && one.own < threshold(one.target);
  return one.scores.some(([label, score]) => label !== one.target && score >= threshold(label));
};
const moveMistakes = () => {
  const visible = {};
  for (const one of cards) {
    if (!one.card) continue;
    const wrongLabel = one.kind === "missed" ? null : one.of.scores.filter(([label, score]) => label !== one.of.target && score >= threshold(label)).sort((a, b) => b[1] - a[1])[0];
    one.card.hidden = !mistake(one.of, one.kind);
    visible[one.kind] = (visible[one.kind] || 0) + !one.card.hidden;
    const shows = one.of.target >= 0 ? LABELS[one.of.target] : "none of the labels";
    const text = one.kind === "missed" ? `${LABELS[one.of.target]} ${one.of.own < 0 ? "is not known" : `only ${rough(one.of.own)}`}` :
      wrongLabel ? `${LABELS[wrongLabel[0]]} ${rough(wrongLabel[1])}${one.kind === "wrong" ? `, shows ${shows}` : ""}` : "";
    one.caption.textContent = text;
    one.image.alt = one.kind === "missed" ? `a picture of ${shows} that was not labeled` : `a picture of ${shows}, labeled ${text}`;
  }
  for (const one of cards) {
    if (one.card) continue;
    const kind = one.kind.replace("-count", "");
    const all = (kind === "background" ? background : pictures).filter((each) => mistake(each, kind)).length;
    const seen = visible[kind] || 0;
    one.count.textContent = all ? `${one.says} ${all} at this threshold${all > seen ? `, ${seen} shown` : ""}.` : "None at this threshold.";
  }
};

// ---- all together

const quoted = (text) => /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
const moveFigures = () => {
  const now = ofAll(threshold);
  const list = [
    ["precision", "Precision", percent(now.precision)], ["recall", "Recall", percent(now.recall)],
    ...(background ? [["false", "False per 1,000", falseLabels(threshold) === null ? "–" : falseLabels(threshold).toFixed(0)]] : []),
    ["accuracy", "Best label right", percent(data.accuracy)], ["area", "Area under curve", data.area === null ? "–" : data.area.toFixed(3)],
  ];
  $("figures").replaceChildren(...list.map(([name, title, value]) =>
    make("div", ["accuracy", "area"].includes(name) ? { class: "fixed" } : {}, make("dt", {}, title), make("dd", { id: `figure-${name}` }, value))));
  $("threshold").value = state.common / STEPS;
  $("threshold-value").textContent = shown(state.common);
  $("summary").textContent = `At ${shown(state.common)}: ${list.slice(0, background ? 3 : 2).map(([, title, value]) => `${title} ${value}`).join(", ")}`;
  const own = [...state.own].filter(([label]) => data.inModel[label]).map(([label, value]) => ` \\\n  --set-threshold ${quoted(`${LABELS[label]}=${+(value / STEPS).toFixed(4)}`)}`);
  $("command").textContent = `appliance evaluate ${[data.bundle, data.dataset, ...data.options].map(quoted).join(" ")} \\\n  --set-threshold ${+(state.common / STEPS).toFixed(4)}${own.join("")}`;
};
const show = () => { moveFigures(); moveCurves(); moveLabels(); drawConfusion(); moveMistakes(); };

document.title = `Evaluation of ${data.title}`;
$("title").textContent = data.title;
$("about").textContent = data.about;
$("notes").replaceChildren(...data.notes.map((note) => make("li", {}, ...note.split("`").map((part, place) => place % 2 ? make("code", {}, part) : part))));
$("made").textContent = data.made;
$("false-figure").hidden = !background;
$("curve-of").append(make("option", { value: "" }, "all labels"), ...listed.filter((label) => content[label]).map((label) => make("option", { value: label }, LABELS[label])));
$("curve-of").addEventListener("change", () => { drawCurves(); moveCurves(); });
$("threshold").addEventListener("input", () => { state.common = Math.round(Number($("threshold").value) * STEPS); show(); });
$("reset").addEventListener("click", () => { state = start(); for (const cells of rows.values()) cells.input.value = ""; show(); });
drawLabels(); drawCurves(); drawCalibration(); drawCompared(); drawMistakes(); show();
