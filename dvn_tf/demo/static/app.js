// The page: what the user chooses, the plan that follows, and what the networks say.

import { shortBytes, size } from "./amounts.js";
import { BudgetControl, showMemory } from "./budget.js";
import { Card, element } from "./card.js";
import { decode, draw, fromPixels } from "./image.js";
import { startRuntime } from "./network.js";
import { BudgetTooSmall, changes, chooseLevels, leastBudget } from "./planner.js";
import { Pool } from "./pool.js";
import { toShape } from "./resize.js";

const get = (id) => document.getElementById(id);
const pool = new Pool();
const cards = new Map();
const refused = new Map(); // {file: reason}
const choice = { format: "", weights: new Map(), held: new Map(), image: null, label: null };
let tasks; // {name: task}
let networks; // {format: entries of all tasks}
let budget;

/** The entries of a task in the chosen format, by level. */
function entriesOf(task) {
  const own = networks[choice.format].filter((entry) => entry.task === task.name);
  return own.sort((a, b) => a.level - b.level);
}

/** What the planner may choose from: a task that the user holds has one level. */
function options() {
  const entries = networks[choice.format].filter((entry) => !refused.has(entry.file));
  const isHeld = (entry) => entry.level === choice.held.get(entry.task);
  const held = new Set(entries.filter(isHeld).map((entry) => entry.task));
  return entries.filter((entry) => !held.has(entry.task) || isHeld(entry))
    .map((entry) => ({ ...entry, cost: entry.bytes, entry }));
}

/** The networks to load, by task. A task that lost a file may be left out rather than fail. */
function plan() {
  const choose = (optional) => chooseLevels(options(), budget.value, choice.weights, optional);
  let chosen;
  try {
    chosen = choose(new Set());
  } catch (error) {
    const lost = networks[choice.format].filter((entry) => refused.has(entry.file));
    if (!(error instanceof BudgetTooSmall) || !lost.length) throw error;
    chosen = choose(new Set(lost.map((entry) => entry.task)));
  }
  return new Map([...chosen].map(([task, option]) => [task, option.entry]));
}

/** Sets the slider to what the options allow. */
function showRange() {
  const most = [...tasks.values()].reduce((sum, task) =>
    sum + Math.max(0, ...entriesOf(task).map((entry) => entry.bytes)), 0);
  budget.setRange(leastBudget(options()), most, changes(options(), choice.weights));
}

/** Loads what the plan wants, and classifies the image. */
async function settle() {
  let wanted = null, message = "";
  try {
    wanted = plan();
  } catch (error) {
    if (!(error instanceof BudgetTooSmall)) throw error;
    message = `${error.message} The networks below stay loaded.`;
  }
  if (wanted) {
    const reasons = await pool.changeTo(wanted, tasks, budget.value);
    if (reasons.size) {
      for (const [file, reason] of reasons) refused.set(file, reason);
      showRange();
      stale = true; // another level takes its place
      return;
    }
  }
  const loaded = [...pool.loaded].map(([task, network]) => [task, network.entry]);
  const text = showMemory(loaded, [...tasks.keys()], budget.value);
  get("budget-note").textContent = message || `${text}.${whyNoMore()}`;
  get("budget-note").classList.toggle("problem", message !== "");
  for (const [name, card] of cards) {
    card.showLevel(pool.loaded.get(name)?.entry, choice.held.get(name), notesOf(tasks.get(name)));
  }
  if (choice.image) await classify();
  get("summary").textContent = `Budget ${shortBytes(budget.value)}. ${message} `
    + [...cards.values()].map((card) => card.summary()).join(" ");
}

/** Says why more memory changes nothing, where levels that would fit are not more accurate. */
function whyNoMore() {
  const higher = [...tasks.values()].some((task) =>
    entriesOf(task).at(-1) !== pool.loaded.get(task.name)?.entry);
  return higher && budget.nextChange() === undefined && budget.changes.length
    ? " More memory changes nothing: higher levels are not more accurate here. Press one to try it."
    : "";
}

function notesOf(task) {
  const notes = entriesOf(task).filter((entry) => refused.has(entry.file))
    .map((entry) => `Level ${entry.level} was refused. ${refused.get(entry.file)}`);
  if (choice.held.has(task.name)) {
    notes.push("You hold this level: press it again, and the planner chooses.");
  }
  if (choice.label !== null && !task.classes.includes(choice.label)) {
    notes.push(`The image shows “${choice.label}”, which is not a class of this task.`);
  }
  return notes;
}

async function classify() {
  for (const [name, network] of [...pool.loaded]) {
    const pixels = toShape(choice.image, network.task.shape, network.task.cropFrom);
    let answer;
    try {
      answer = await network.classify(pixels);
    } catch (error) {
      refused.set(network.entry.file, `LiteRT.js cannot run it: ${error.message ?? error}`);
      pool.free(name);
      showRange();
      stale = true;
      return;
    }
    cards.get(name).showAnswer(answer, network.entry);
    await new Promise((resume) => setTimeout(resume)); // lets the page draw and answer
  }
}

let stale = false, busy = false;

/** Brings the page up to date; what changes meanwhile makes another round. */
async function update() {
  stale = true;
  if (busy) return;
  busy = true;
  get("main").setAttribute("aria-busy", "true");
  try {
    while (stale) {
      stale = false;
      await settle();
    }
  } catch (error) {
    fail(error);
  } finally {
    busy = false;
    get("main").setAttribute("aria-busy", "false");
  }
}

function fail(error) {
  get("error").textContent = error.message ?? String(error);
  get("error").hidden = false;
}

let asked = 0; // how many images the user has asked for

/** Takes an image file once it is there, unless another was asked for meanwhile. */
async function show(file, name, label = null) {
  const turn = ++asked;
  get("error").hidden = true;
  let image;
  try {
    image = await decode(await file);
  } catch (error) {
    return turn === asked && fail(new Error(`${name} ${error.message}.`));
  }
  if (turn !== asked) return;
  choice.image = image;
  choice.label = label;
  const { width, height } = choice.image;
  draw(get("original"), choice.image);
  get("original").setAttribute("aria-label", `The image ${name}`);
  get("original-caption").textContent = `${name}, ${size(height, width)}`;
  const shapes = new Map(
    [...tasks.values()].map(({ shape, cropFrom }) => [[...shape, cropFrom].join(), [shape, cropFrom]]),
  );
  get("seen").replaceChildren(...[...shapes.values()].map(([shape, cropFrom]) => {
    const canvas = element("canvas", { role: "img", "aria-label": "The pixels that networks take" });
    draw(canvas, fromPixels(toShape(choice.image, shape, cropFrom), shape));
    return canvas;
  }), element("figcaption", {}, "as the networks see it, "
    + [...shapes.values()].map(([[height, width]]) => size(height, width)).join(", ")));
  await update();
}

function addSamples(samples) {
  get("samples-box").hidden = !samples.length;
  get("samples").append(...samples.map(({ url, label }, i) => {
    const name = label === null ? `Test image ${i + 1}` : `Test image of ${label}`;
    const button = element("button", { type: "button", title: name },
      element("img", { src: url, alt: name, loading: "lazy" }));
    button.addEventListener("click", () => {
      for (const other of get("samples").children) other.removeAttribute("aria-current");
      button.setAttribute("aria-current", "true");
      show(download(url), name, label);
    });
    return button;
  }));
}

async function download(url) {
  const response = await fetch(url).catch(() => null);
  if (!response?.ok) throw new Error("cannot be loaded: the program does not answer");
  return response.blob();
}

function listenForImages() {
  const take = (files) => {
    const file = [...files].find((each) => each.type.startsWith("image/")) ?? files[0];
    for (const other of get("samples").children) other.removeAttribute("aria-current");
    if (file) show(file, file.name || "The pasted image");
  };
  get("file").addEventListener("change", () => take(get("file").files));
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    get("drop").classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) get("drop").classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    get("drop").classList.remove("over");
    take(event.dataTransfer.files);
  });
}

function setFormat(format) {
  choice.format = format;
  for (const [name, card] of cards) card.setNetworks(entriesOf(tasks.get(name)));
  showRange();
  budget.value = Math.round(Math.sqrt(budget.least * budget.most));
  budget.show();
}

function actionsOf(name) {
  return {
    hold(level) {
      if (choice.held.get(name) === level) choice.held.delete(name);
      else choice.held.set(name, level);
      showRange();
      budget.set(Math.max(budget.value, budget.least)); // a level that is pressed is to be seen
    },
    weigh(text) {
      const weight = Number(text.trim() || NaN);
      if (!(weight >= 0 && weight <= 1e9)) return false;
      choice.weights.set(name, weight);
      showRange();
      update();
      return true;
    },
  };
}

async function start() {
  const response = await fetch("/export.json", { cache: "no-store" });
  if (!response.ok) throw new Error(await response.text());
  const content = await response.json();
  tasks = new Map(content.tasks.map((task) => [task.name, task]));
  networks = content.networks;
  document.title = `${content.title} - dvn_tf`;
  get("about").textContent = content.about;
  get("runtime").textContent = `LiteRT.js ${content.runtime}.`;
  for (const task of tasks.values()) {
    const card = new Card(task, actionsOf(task.name));
    cards.set(task.name, card);
    get("tasks").append(card.root);
  }
  budget = new BudgetControl(update);
  get("format").append(...content.formats.map(({ name, text }) => element("option", { value: name }, text)));
  get("format-field").hidden = content.formats.length < 2;
  get("format").addEventListener("change", () => {
    setFormat(get("format").value);
    update();
  });
  setFormat(content.formats[0].name);
  addSamples(content.samples);
  listenForImages();
  get("main").hidden = false;
  await startRuntime();
  await update();
  get("samples").firstElementChild?.click();
}

start().catch(fail);
