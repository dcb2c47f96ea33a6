// The budget's slider and text field, the marks where the plan changes, and the memory bar.

import { allBytes, parseBytes, shortBytes } from "./amounts.js";
import { element } from "./card.js";

const STEPS = 1000; // positions of the slider
const NEAR = 6; // positions from a change at which the slider takes it exactly

const get = (id) => document.getElementById(id);

export class BudgetControl {
  /** The budget in bytes. */
  value = 1;

  /** @param {function()} onChange called whenever the user changes the budget. */
  constructor(onChange) {
    this.onChange = onChange;
    get("budget").addEventListener("input", () => this.set(this.bytesAt(get("budget").valueAsNumber)));
    get("budget-text").addEventListener("change", () => this.setText(get("budget-text").value));
    get("previous").addEventListener("click", () => this.set(this.previousChange()));
    get("next").addEventListener("click", () => this.set(this.nextChange()));
  }

  /**
   * Sets what the slider covers.
   *
   * @param {number} least the smallest budget that suffices.
   * @param {number} most what all tasks at their top levels take.
   * @param {number[]} changes the budgets at which the plan changes.
   */
  setRange(least, most, changes) {
    Object.assign(this, { least, most, changes });
    get("least").textContent = shortBytes(least);
    get("most").textContent = shortBytes(most);
    const marks = changes.map((bytes) => {
      const mark = element("span");
      mark.style.left = `${(100 * this.positionOf(bytes)) / STEPS}%`;
      return mark;
    });
    get("ticks").replaceChildren(...marks);
    this.show();
  }

  set(bytes) {
    this.value = bytes;
    this.show();
    this.onChange();
  }

  setText(text) {
    const bytes = parseBytes(text);
    get("budget-text").setAttribute("aria-invalid", String(bytes === null));
    if (bytes === null) {
      get("budget-note").textContent = `“${text}” is no budget: write bytes, or such as 700 kB or 1.5 MB.`;
    } else {
      this.set(bytes);
    }
  }

  show() {
    const text = shortBytes(this.value);
    get("budget").value = String(this.positionOf(this.value));
    get("budget").setAttribute("aria-valuetext", text);
    get("budget-shown").textContent = text;
    get("budget-text").value = allBytes(this.value);
    get("budget-text").setAttribute("aria-invalid", "false");
    get("previous").disabled = this.previousChange() === undefined;
    get("next").disabled = this.nextChange() === undefined;
  }

  previousChange() {
    return this.changes.findLast((bytes) => bytes < this.value);
  }

  nextChange() {
    return this.changes.find((bytes) => bytes > this.value);
  }

  /** Position on the slider, on a logarithmic scale, because levels differ by factors. */
  positionOf(bytes) {
    if (!this.least || this.most <= this.least) return STEPS; // nothing to choose from
    const share = Math.log(bytes / this.least) / Math.log(this.most / this.least);
    return Math.round(STEPS * Math.min(Math.max(share, 0), 1));
  }

  bytesAt(position) {
    if (position >= STEPS) return this.most;
    if (position <= 0) return this.least;
    const change = this.changes.find((bytes) => Math.abs(this.positionOf(bytes) - position) <= NEAR);
    return change ?? Math.round(this.least * (this.most / this.least) ** (position / STEPS));
  }
}

/**
 * Draws how much of the budget the loaded networks take.
 *
 * @param {[string, object][]} loaded pairs of a task and the entry of its network.
 * @param {string[]} tasks all tasks in their order.
 * @param {number} budget in bytes.
 */
export function showMemory(loaded, tasks, budget) {
  const total = loaded.reduce((sum, [, entry]) => sum + entry.bytes, 0);
  const parts = [...loaded].sort(([a], [b]) => tasks.indexOf(a) - tasks.indexOf(b)).map(([task, entry]) => {
    const part = element("span", { class: `part part${tasks.indexOf(task) % 4}` }, `${task}, level ${entry.level}`);
    part.style.width = `${(100 * entry.bytes) / Math.max(budget, total)}%`;
    part.title = `${task}, level ${entry.level}: ${allBytes(entry.bytes)} bytes`;
    return part;
  });
  const text = `${allBytes(total)} of ${allBytes(budget)} bytes loaded`;
  get("memory").setAttribute("aria-label", text);
  get("memory").replaceChildren(...parts);
  return text;
}
