"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);

// The table of scores -------------------------------------------------------------------------

const collator = new Intl.Collator(undefined, { numeric: true });
const numberOf = (text) => ({ "∞": Infinity, "-∞": -Infinity, "–": NaN })[text] ?? Number(text);

function compare(a, b) {
  const [x, y] = [numberOf(a), numberOf(b)];
  return Number.isNaN(x - y) && x !== y ? collator.compare(a, b) : x - y || 0;
}

// What has no score stays last, whichever way the column is sorted. A phone shows that column first.
function sortBy(head, sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1) {
  const table = head.closest("table");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [row.cells[head.cellIndex].textContent.trim(), row]);
  rows.sort(([a], [b]) => (a === "–") - (b === "–") || sign * compare(a, b));
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  body.append(...rows.map(([, row]) => row));
  if (matchMedia("(max-width: 40rem)").matches) bringForward(table, head.cellIndex);
}

function bringForward(table, index) {
  for (const row of table.rows) row.prepend(row.cells[index]);
  table.parentNode.scrollLeft = 0;
}

document.addEventListener("click", (event) => {
  const head = event.target.closest(".sortable thead th");
  if (head) sortBy(head);
});

// The same scores with a column per run, and how much each is above the first one ----------------

const textOf = (cell) => cell.textContent.trim();
const badgeOf = (run) => byId("runs").querySelector(`th:nth-child(${run + 2}) .run`).cloneNode(true);
const runs = all("#runs thead .run").map(textOf);
const filled = (cell, ...parts) => (cell.append(...parts), cell);

function difference(one, other) {
  const value = numberOf(one) - numberOf(other);
  if (Number.isNaN(value)) return "–";
  return Number.isFinite(value) ? value.toFixed(2).replace(/^-(0\.00)$/, "$1") : value > 0 ? "∞" : "-∞";
}

function scoresByRun(metric) {
  const found = new Map();
  for (const row of byId("all-scores").tBodies[0].rows) {
    const [run, track, source] = ["Run", "Track", "Source"].map((name) => cellOf(row, name));
    const key = JSON.stringify([track.title, textOf(source)]);
    const one = found.get(key) ?? { track, source, scores: {} };
    one.scores[textOf(run)] = textOf(cellOf(row, metric));
    found.set(key, one);
  }
  return [...found.values()];
}

const cellOf = (row, name) => row.cells[byId("all-scores").querySelector(`[data-name="${CSS.escape(name)}"]`).cellIndex];

function showSideBySide(metric) {
  const table = byId("side-by-side");
  table.replaceChildren();
  const heads = table.createTHead().insertRow();
  const rest = runs.slice(1).map((run) => [`${run} − ${runs[0]}`]);
  for (const parts of [["Track"], ["Source"], ...runs.map((_, i) => [badgeOf(i)]), ...rest]) {
    const button = filled(document.createElement("button"), ...parts);
    button.type = "button";
    const head = filled(document.createElement("th"), button);
    if (parts[0] === "Track" || parts[0] === "Source") head.className = "name";
    heads.append(head);
  }
  const body = table.createTBody();
  for (const { track, source, scores } of scoresByRun(metric)) {
    const values = runs.map((run) => scores[run] ?? "–");
    const cells = [...values, ...values.slice(1).map((value) => difference(value, values[0]))];
    const row = body.insertRow();
    row.append(track.cloneNode(true), source.cloneNode(true));
    for (const text of cells) row.insertCell().textContent = text;
  }
  sortBy(heads.cells[heads.cells.length - 1], 1);
}

function showRows() {
  const [track, run] = [byId("only-track").value.toLowerCase(), byId("only-run")?.value];
  const view = byId("view")?.selectedOptions[0].dataset.name;
  const rows = all(`#${view ? "side-by-side" : "all-scores"} tbody tr`);
  for (const row of rows) {
    const own = row.querySelector(".run");
    const named = row.querySelector("th").title.toLowerCase().includes(track);
    row.hidden = !(named && (!run || !own || textOf(own) === run));
  }
  byId("found").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} lines`;
}

function chooseView() {
  const metric = byId("view").selectedOptions[0].dataset.name;
  if (metric) showSideBySide(metric);
  byId("all-scores").hidden = Boolean(metric);
  byId("side-by-side").hidden = !metric;
  byId("only-run").disabled = Boolean(metric);
  showRows();
}

byId("view")?.addEventListener("change", chooseView);
for (const id of ["only-run", "only-track"]) byId(id)?.addEventListener("input", showRows);
document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
sortBy(document.querySelector("#all-scores [aria-sort]"), 1);
showRows();

// Players: one signal sounds at a time; all signals of a track share one position ----------------

let current = null; // the chosen .signal
let frame = null; // the next one in which the position is shown

const soundOf = (signal) => signal.querySelector("audio");
const trackOf = (signal) => signal.closest(".track");
const isPlaying = () => current !== null && !soundOf(current).paused;
const secondsOf = (track) => Number(track.dataset.seconds);
const pauseOthers = () => all("audio").forEach((one) => one !== soundOf(current) && one.pause());

// The new signal starts where the old one is, which stops once the new one sounds: no gap.
function choose(signal, play = isPlaying()) {
  const [from, to] = [current, signal];
  const sameTrack = from !== null && trackOf(from) === trackOf(to);
  if (!sameTrack) all("audio", trackOf(to)).forEach((one) => (one.preload = "auto"));
  if (sameTrack && from !== to) soundOf(to).currentTime = soundOf(from).currentTime;
  current = to;
  if (play) start();
  else pauseOthers();
  show();
}

function start() {
  const playing = soundOf(current).play();
  playing.then(pauseOthers).catch((error) => {
    if (error.name !== "AbortError") throw error; // another signal was chosen meanwhile
  });
}

function toggle() {
  if (isPlaying()) soundOf(current).pause();
  else start();
}

function chooseOrToggle(signal, play) {
  if (signal === current) toggle();
  else choose(signal, play);
}

function seek(fraction) {
  const seconds = secondsOf(trackOf(current));
  soundOf(current).currentTime = Math.min(Math.max(fraction, 0), 0.999) * seconds;
  showPosition();
}

// What is seen ----------------------------------------------------------------------------------

const clock = (s) => `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, "0")}`;

function showPosition() {
  const track = trackOf(current);
  const [at, whole] = [soundOf(current).currentTime, secondsOf(track)];
  const fraction = Math.min(at / whole, 1);
  track.style.setProperty("--at", fraction);
  byId("seek").value = Math.round(1000 * fraction);
  byId("seek").setAttribute("aria-valuetext", clock(at));
  byId("time").textContent = `${clock(at)} / ${clock(whole)}`;
}

function follow() {
  showPosition();
  cancelAnimationFrame(frame);
  if (isPlaying()) frame = requestAnimationFrame(follow);
}

const partners = (signal) =>
  all(".signal", trackOf(signal)).filter((one) => ["", sourceOf(signal)].includes(one.dataset.source));

// The mixture belongs to all sources: it stays beside the one that was heard last.
function sourceOf(signal) {
  const track = trackOf(signal);
  if (signal.dataset.source !== "") track.dataset.last = signal.dataset.source;
  return track.dataset.last ?? "0";
}

const labelOf = (signal) => textOf(signal.querySelector(".run") ?? signal.querySelector(".what"));

// Runs have their letters as keys; those after K, which other keys begin with, have none.
function keyOf(signal) {
  const label = labelOf(signal);
  const isRun = signal.querySelector(".run") !== null;
  return isRun && !/^[A-K]$/.test(label) ? "" : label[0];
}

function choiceOf(signal) {
  const [button, key] = [document.createElement("button"), document.createElement("kbd")];
  const name = filled(document.createElement("span"), textOf(signal.querySelector(".what")));
  if (signal.querySelector(".run")) name.className = "of-run";
  button.type = "button";
  button.setAttribute("aria-pressed", signal === current);
  key.textContent = keyOf(signal) || labelOf(signal);
  button.append(key, name);
  button.title = signal.querySelector(".what").title;
  button.addEventListener("click", () => chooseOrToggle(signal));
  return button;
}

function show() {
  for (const signal of all(".signal")) {
    signal.firstElementChild.setAttribute("aria-pressed", signal === current);
    signal.firstElementChild.classList.toggle("playing", signal === current && isPlaying());
  }
  for (const track of all(".track")) track.classList.toggle("current", track === trackOf(current));
  const focused = document.activeElement.closest(".signal, #choices");
  byId("choices").replaceChildren(...partners(current).map(choiceOf));
  const successor = focused === byId("choices") ? focused : current;
  if (focused) successor.querySelector("[aria-pressed=true]").focus({ preventScroll: true });
  byId("deck").hidden = false;
  byId("toggle").classList.toggle("playing", isPlaying());
  const source = current.dataset.source && current.closest(".source").querySelector("h4").textContent;
  const words = [labelOf(current), source, trackOf(current).querySelector("h3").textContent];
  byId("now").textContent = words.filter(Boolean).join(" · ");
  follow();
}

for (const signal of all(".signal")) {
  signal.firstElementChild.addEventListener("click", () => chooseOrToggle(signal, true));
  signal.querySelector(".picture").addEventListener("click", (event) => {
    choose(signal);
    const box = event.currentTarget.getBoundingClientRect();
    seek((event.clientX - box.left) / box.width);
  });
  for (const name of ["playing", "pause"]) {
    soundOf(signal).addEventListener(name, () => signal === current && show());
  }
  soundOf(signal).addEventListener("seeked", () => signal === current && showPosition());
}

byId("toggle").addEventListener("click", toggle);
byId("seek").addEventListener("input", (event) => seek(event.target.value / 1000));
byId("repeat").addEventListener("change", (event) => {
  for (const sound of all("audio")) sound.loop = event.target.checked;
});

// Keys ------------------------------------------------------------------------------------------

function chooseTrack(step) {
  const tracks = all(".track");
  const track = tracks[tracks.indexOf(trackOf(current)) + step];
  if (!track) return;
  const [source, kind] = [current.dataset.source, current.dataset.kind];
  const alike = `.signal[data-source="${source}"][data-kind="${kind}"]`;
  choose(track.querySelector(alike) ?? track.querySelector(".signal"));
  track.scrollIntoView({ block: "nearest" });
}

function chooseSource() {
  const names = [...new Set(all(".signal", trackOf(current)).map((one) => one.dataset.source))].slice(1);
  const next = names[(names.indexOf(sourceOf(current)) + 1) % names.length];
  const kind = current.dataset.kind === "mixture" ? "reference" : current.dataset.kind;
  const those = `[data-source="${next}"]`;
  const track = trackOf(current);
  choose(track.querySelector(`${those}[data-kind="${kind}"]`) ?? track.querySelector(those));
}

const moveBy = (seconds) => seek((soundOf(current).currentTime + seconds) / secondsOf(trackOf(current)));

const KEYS = {
  " ": toggle,
  n: () => chooseTrack(1),
  p: () => chooseTrack(-1),
  s: chooseSource,
  l: () => byId("repeat").click(),
  arrowleft: () => moveBy(-1),
  arrowright: () => moveBy(1),
};

function act(key) {
  if (current === null) choose(document.querySelector(".signal"), false);
  const chosen = partners(current).find((signal) => keyOf(signal).toLowerCase() === key);
  if (chosen) choose(chosen);
  else KEYS[key]?.();
}

document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  const isOurs = key in KEYS || /^[a-kmr]$/.test(key);
  if (!isOurs || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.closest("select, [type=search]")) return; // letters are typed there
  const onControl = event.target.closest("button, a, summary, input, .scroll");
  if (onControl && (key === " " || key.startsWith("arrow"))) return; // these have a use there
  event.preventDefault();
  act(key);
});
