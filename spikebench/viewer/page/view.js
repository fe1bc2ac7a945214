// The page: what is chosen, what is shown of it, and the keys.
import { Answers } from "./answers.js";
import { count, element, json, many, spikes } from "./data.js";
import { List } from "./list.js";
import { Raster } from "./raster.js";
import { Player } from "./sound.js";
import { fill } from "./statistics.js";

const $ = (id) => document.getElementById(id);
const RATES = 240;
let file, names, answers, current = null;

function failed(error) {
  $("trouble").textContent = error instanceof TypeError ? "The server does not answer: is the command still running?"
    : error.message;
  $("trouble").hidden = false;
}

const raster = new Raster({
  raster: $("raster"), cursor: $("cursor"), overview: $("overview"), readout: $("readout"),
  moved({ cursor, byHand }) {
    if (byHand) player.seek(cursor);
    answers?.draw(raster.view, cursor);
  },
});
const player = new Player({
  button: $("play"), which: $("which"), silent: $("silent"), clock: $("clock"), failed,
  moved: (time) => raster.setCursor(time),
});
const list = new List($("list"), open, failed);

async function open([index]) {
  current = index;
  history.replaceState(null, "", `#${index}`);
  try {
    const [facts, { times, units }] = await Promise.all([json(`api/sample/${index}`), spikes(index)]);
    if (current !== index) return;
    show(facts, times, units);
  } catch (error) {
    if (current === index) failed(error);
  }
}

function show(facts, times, units) {
  const [index, label, speaker, split] = facts.row, { length } = facts;
  $("trouble").hidden = true;
  const title = `sample ${count(index)}, ${names.classes.get(label)}`;
  $("name").textContent = names.classes.get(label);
  const said = [`sample ${count(index)}`, `speaker ${names.speakers.get(speaker)}`, `${length.toFixed(2)} s`,
    many(times.length, "spike"), `${count(Math.round(times.length / length))} spikes/s`];
  if (names.splits.size > 1) said.splice(2, 0, `split ${names.splits.get(split)}`);
  if (facts.source) said.push(facts.source);
  $("facts").textContent = said.join(" · ");
  const rates = new Array(RATES).fill(0);
  for (const time of times) rates[Math.min(Math.floor((time / length) * RATES), RATES - 1)]++;
  raster.show({ times, spikeUnits: units, length, units: file.units, frequencies: file.frequencies, rates, title });
  player.open(index, length, { recording: facts.no_recording, sound: facts.no_sound });
  player.seek(0);
  if (file.model) ask(index, label, facts.no_answer);
}

async function ask(index, label, refusal) {
  answers.clear(refusal ? `No answer: ${refusal}.` : "Waiting for the model; its first answer takes some seconds.");
  if (refusal) return;
  try {
    const given = await json(`api/answers/${index}`);
    if (current !== index) return;
    answers.show(given, label < 0 ? "" : names.classes.get(label));
    answers.draw(raster.view, raster.cursor);
  } catch (error) {
    if (current === index) answers.clear(`No answer: ${error.message}.`);
  }
}

async function refresh(index = current) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData($("filter"))) if (value !== "") query.set(name, value);
  try {
    await list.open(query, index, names);
    $("count").textContent = list.total === file.samples ? many(file.samples, "sample")
      : `${count(list.total)} of ${many(file.samples, "sample")}`;
  } catch (error) {
    failed(error);
  }
}

function options(name, rows) {
  const select = $("filter").elements[name];
  for (const [value, text, size] of rows) {
    const option = element("option", `${text} (${count(size)})`);
    option.value = value;
    select.append(option);
  }
  select.closest("label").hidden = rows.length < 2;
}

const ZOOMS = {
  "time-in": () => raster.zoomTime(0.5), "time-out": () => raster.zoomTime(2),
  "units-in": () => raster.zoomUnits(0.5), "units-out": () => raster.zoomUnits(2), whole: () => raster.whole(),
};
const step = (sign) => raster.setCursor(raster.cursor + 0.02 * sign * (raster.view.t1 - raster.view.t0), true);
const KEYS = {
  ArrowDown: () => list.select(list.position + 1), ArrowUp: () => list.select(list.position - 1),
  "shift ArrowDown": () => raster.moveUnits(0.2), "shift ArrowUp": () => raster.moveUnits(-0.2),
  ArrowRight: () => step(1), ArrowLeft: () => step(-1), " ": () => player.toggle(), s: () => player.switch(),
  "+": ZOOMS["time-in"], "=": ZOOMS["time-in"], "-": ZOOMS["time-out"], 0: ZOOMS.whole,
  u: ZOOMS["units-in"], "shift U": ZOOMS["units-out"],
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target } = event, shift = event.shiftKey && event.key !== "+" ? "shift " : "";
  if (target.closest("select, input")) return;
  if (event.key === " " && target.closest("button, summary")) return;
  if (target.closest(".table") && event.key.startsWith("Arrow")) return;
  const act = KEYS[shift + event.key];
  if (!act || !file) return;
  event.preventDefault();
  act();
});
document.querySelector("[aria-label=Zoom]").addEventListener("click", (event) => ZOOMS[event.target.dataset.zoom]?.());
$("filter").addEventListener("change", () => refresh());
$("filter").addEventListener("submit", (event) => event.preventDefault());

async function start() {
  file = await json("api/file");
  const map = (rows) => new Map(rows.map(([value, text]) => [value, text]));
  names = { classes: map(file.classes), speakers: map(file.speakers), splits: map(file.splits) };
  $("file").textContent = file.name;
  document.title = `${file.name} – spikebench view`;
  const about = [many(file.samples, "sample"), many(file.total_spikes, "spike"), many(file.units, "unit")];
  if (file.synthetic) about.push("synthetic voices");
  if (file.from_first_spike) about.push("times count from the first spike, so the recording may begin earlier");
  $("about").textContent = about.join(" · ");
  options("class", file.classes);
  options("speaker", file.speakers);
  options("split", file.splits);
  fill($("tables"), file);
  if (file.model) {
    $("model").hidden = false;
    $("modelname").textContent = file.model.name;
    answers = new Answers({ canvas: $("answers"), text: $("answer"), legend: $("legend") }, file.model.classes);
    answers.clear("");
  }
  const asked = /^#[0-9]{1,10}$/.test(location.hash) ? Number(location.hash.slice(1)) : 0;
  await refresh(asked);
  if (file.samples) {
    const [row] = [list.rows.get(list.position)];
    if (row && current === null) await open(row);
  }
}

start().catch(failed);
