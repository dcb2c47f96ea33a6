// A task's card: its levels, the one that is loaded, and what it says about the image.

import { allBytes, milliseconds, percent, shortBytes } from "./amounts.js";

const TOP = 5; // classes shown

/** Makes an element with attributes or properties, and children, which may be text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export class Card {
  /**
   * @param {{name: string, classes: string[]}} task
   * @param {{hold: function(number), weigh: function(string): boolean}} actions hold is called
   *   with a level to hold or release, weigh with a weight; it returns whether that is one.
   */
  constructor(task, actions) {
    this.task = task;
    this.actions = actions;
    this.status = element("p", { class: "status" });
    this.levels = element("div", { class: "levels", role: "group", "aria-label": "Levels" });
    this.classes = element("ol", { class: "classes", "aria-label": "Most probable classes" });
    this.facts = element("dl", { class: "facts" });
    this.notes = element("div", { class: "notes" });
    const weight = element("input", { type: "text", value: "1", inputmode: "decimal" });
    weight.addEventListener("change", () => {
      weight.setAttribute("aria-invalid", String(!actions.weigh(weight.value)));
    });
    const title = element("h2", {}, task.name);
    const field = element("label", { class: "weight" }, "Weight ", weight);
    field.title = "How much this task's accuracy counts when the planner chooses; 1 if not changed";
    this.root = element(
      "article", { class: "card", "data-task": task.name },
      element("div", { class: "card-head" }, title, this.status),
      this.levels, this.classes, this.facts, this.notes, field,
    );
  }

  /** Shows the levels of a format. */
  setNetworks(networks) {
    this.networks = networks;
    const most = Math.max(...networks.map((network) => network.bytes));
    this.rows = new Map(networks.map((network) => {
      const bar = element("span", { class: "bar" }, element("span"));
      bar.firstChild.style.width = `${(100 * network.bytes) / most}%`;
      const row = element(
        "button", { type: "button", class: "level", "aria-pressed": "false" },
        element("span", { class: "name" }, `Level ${network.level}`), bar,
        element("span", { class: "accuracy" }, percent(network.accuracy)),
        element("span", { class: "bytes" }, shortBytes(network.bytes)),
      );
      row.title = `${allBytes(network.bytes)} bytes, ${allBytes(network.parameters)} parameters, `
        + `accuracy ${percent(network.accuracy)} on the test images. Press to hold this level.`;
      row.addEventListener("click", () => this.actions.hold(network.level));
      return [network.level, row];
    }));
    this.levels.replaceChildren(
      element("div", { class: "level head", "aria-hidden": "true" },
        element("span", { class: "hint" }, "press one to hold it"), element("span", {}, "accuracy"),
        element("span", {}, "size")),
      ...this.rows.values(),
    );
  }

  /**
   * Shows which network is loaded.
   *
   * @param {object | undefined} entry of the loaded network.
   * @param {number | undefined} held the level that the user holds.
   * @param {string[]} notes of this task, such as why a file was refused.
   */
  showLevel(entry, held, notes) {
    for (const [level, row] of this.rows) {
      row.classList.toggle("loaded", level === entry?.level);
      row.setAttribute("aria-pressed", String(level === held));
    }
    this.root.dataset.level = entry?.level ?? "";
    this.status.textContent = entry
      ? `Level ${entry.level} of ${this.networks.length}${held === entry.level ? ", held" : ""}`
      : "No network";
    this.showNotes(notes);
    if (!entry) this.showAnswer(null);
  }

  /**
   * Shows what the loaded network says.
   *
   * @param {{probabilities: Float32Array, latency: number, runs: number} | null} answer
   * @param {object} entry of the network that gave it.
   */
  showAnswer(answer, entry) {
    this.probabilities = answer?.probabilities;
    if (!answer) {
      this.classes.replaceChildren();
      this.facts.replaceChildren();
      return;
    }
    const { probabilities, latency, runs } = answer;
    const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a] || a - b);
    this.classes.replaceChildren(...order.slice(0, TOP).map((label) => {
      const bar = element("span", { class: "bar" }, element("span"));
      bar.firstChild.style.width = `${100 * probabilities[label]}%`;
      const name = this.task.classes[label];
      return element("li", {}, element("span", { class: "name", title: name }, name), bar,
        element("data", { class: "share", value: String(probabilities[label]) }, percent(probabilities[label])));
    }));
    const runsText = `median of ${runs} run${runs === 1 ? "" : "s"}`;
    this.facts.replaceChildren(
      ...fact("Latency", milliseconds(latency), `${runsText} after a warm-up, one thread`),
      ...fact("Loaded", shortBytes(entry.bytes), `${allBytes(entry.bytes)} bytes`),
      ...fact("Accuracy", percent(entry.accuracy), "measured by the export on the test images"),
    );
  }

  showNotes(notes) {
    this.notes.replaceChildren(...notes.map((note) => element("p", { class: "note" }, note)));
  }

  /** One sentence for people who do not see the card. */
  summary() {
    const best = this.probabilities && this.classes.querySelector(".name")?.textContent;
    const answer = best ? `, ${best} ${this.classes.querySelector(".share").textContent}` : "";
    return `${this.task.name}: ${this.status.textContent}${answer}.`;
  }
}

function fact(name, value, title) {
  return [element("div", { title }, element("dt", {}, name), element("dd", {}, value))];
}
