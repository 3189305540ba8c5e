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

// What has no score stays last, whichever way the column is sorted.
function sortBy(head) {
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const body = head.closest("table").tBodies[0];
  const rows = [...body.rows].map((row) => [row.cells[head.cellIndex].textContent.trim(), row]);
  rows.sort(([a], [b]) => (a === "–") - (b === "–") || sign * compare(a, b));
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  body.append(...rows.map(([, row]) => row));
}

for (const head of all(".sortable thead th")) head.addEventListener("click", () => sortBy(head));

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

const keyOf = (signal) => ({ mixture: "M", reference: "R" })[signal.dataset.kind] ?? signal.dataset.kind;
const labelOf = (signal) => (signal.querySelector(".run") ?? signal.querySelector(".what")).textContent;

function choiceOf(signal) {
  const [button, key] = [document.createElement("button"), document.createElement("kbd")];
  button.type = "button";
  button.setAttribute("aria-pressed", signal === current);
  key.textContent = keyOf(signal);
  button.append(labelOf(signal), ...(key.textContent.length === 1 ? [key] : []));
  button.title = signal.querySelector(".what").textContent;
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
  choose(trackOf(current).querySelector(`[data-source="${next}"][data-kind="${kind}"]`));
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
  else KEYS[key]();
}

document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  const isOurs = key in KEYS || /^[mr1-9]$/.test(key);
  if (!isOurs || event.ctrlKey || event.altKey || event.metaKey) return;
  const onControl = event.target.closest("button, a, summary, input, .scroll");
  if (onControl && (key === " " || key.startsWith("arrow"))) return; // these have a use there
  event.preventDefault();
  act(key);
});
