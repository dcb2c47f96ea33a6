// Chooses the level of each task: the best accuracy within a budget.
//
// The same algorithm as dvn_runtime/planner.py, with the same choice for every budget: exact
// numbers, and of equally good choices the cheapest, and then the first in the order of options.

const MOST_COMBINATIONS = 100_000; // of all tasks; with more, changes are not listed

/** Thrown for a budget that is too small; `least` is the smallest that suffices, in bytes. */
export class BudgetTooSmall extends Error {
  constructor(least) {
    super(`The budget is too small: at least ${least.toLocaleString("en")} bytes are needed.`);
    this.least = least;
  }
}

/**
 * Chooses a network for each task so that the weighted sum of accuracies is greatest.
 *
 * @param {{task: string, level: number, cost: number, accuracy: number}[]} options
 * @param {number} budget the greatest sum of costs.
 * @param {Map<string, number>} weights of the tasks' accuracies; 1 where there is none.
 * @param {Set<string>} optional tasks that may be left out.
 * @returns {Map<string, object>} the option of each task that is not left out.
 */
export function chooseLevels(options, budget, weights = new Map(), optional = new Set()) {
  const perTask = combinationsPerTask(options, weights, optional);
  const least = leastBudget(options, optional);
  if (least > budget) throw new BudgetTooSmall(least);
  const middle = perTask.length >> 1;
  const lefts = frontier(perTask.slice(0, middle), budget);
  const rights = frontier(perTask.slice(middle), budget);
  let best = null;
  // The more the left half costs, the less is left for the right half.
  for (const left of lefts) {
    while (rights.length && left.cost + rights.at(-1).cost > budget) rights.pop();
    if (!rights.length) break;
    const pair = add(left, rights.at(-1));
    if (best === null || byLoss(pair, best) < 0) best = pair;
  }
  return chosen(best);
}

/** The smallest budget, in bytes, that suffices for every task that may not be left out. */
export function leastBudget(options, optional = new Set()) {
  const least = new Map();
  for (const { task, cost } of options) {
    if (!optional.has(task)) least.set(task, Math.min(cost, least.get(task) ?? Infinity));
  }
  return [...least.values()].reduce((sum, cost) => sum + cost, 0);
}

/**
 * The budgets, in rising order, from which on another choice is made; the first is the least.
 *
 * Empty if there are too many combinations to look at.
 */
export function changes(options, weights = new Map(), optional = new Set()) {
  const perTask = combinationsPerTask(options, weights, optional);
  const count = perTask.reduce((product, own) => product * own.length, 1);
  if (count > MOST_COMBINATIONS) return [];
  return frontier(perTask, Infinity).map((combination) => combination.cost);
}

/** The exact value of a number as JSON writes it: digits x 10^exponent. */
export function decimal(number) {
  const [, whole, fraction = "", exponent = "0"] =
    /^(\d+)(?:\.(\d*))?(?:e([+-]?\d+))?$/i.exec(String(number));
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}

function combinationsPerTask(options, weights, optional) {
  const values = options.map(({ task, accuracy }) => {
    const left = decimal(accuracy), right = decimal(weights.get(task) ?? 1);
    return { digits: left.digits * right.digits, exponent: left.exponent + right.exponent };
  });
  const lowest = Math.min(0, ...values.map((value) => value.exponent));
  const tasks = new Map();
  options.forEach((option, i) => {
    // A whole number, because sums of floats depend on their order.
    const loss = -values[i].digits * 10n ** BigInt(values[i].exponent - lowest);
    if (!tasks.has(option.task)) tasks.set(option.task, []);
    const own = tasks.get(option.task);
    own.push({ cost: option.cost, loss, choice: [own.length], options: [option] });
  });
  for (const task of optional) {
    tasks.get(task)?.push({ cost: 0, loss: 0n, choice: [-1], options: [null] });
  }
  return [...tasks.values()];
}

/** The combinations of some tasks that no cheaper one equals or beats, by rising cost. */
function frontier(perTask, budget) {
  let kept = [{ cost: 0, loss: 0n, choice: [], options: [] }];
  for (const own of perTask) {
    const sums = kept.flatMap((left) => own.map((right) => add(left, right))).sort(byCost);
    kept = [];
    for (const sum of sums) {
      if (sum.cost > budget) break;
      if (!kept.length || sum.loss < kept.at(-1).loss) kept.push(sum);
    }
  }
  return kept;
}

function add(left, right) {
  return {
    cost: left.cost + right.cost,
    loss: left.loss + right.loss,
    choice: [...left.choice, ...right.choice],
    options: [...left.options, ...right.options],
  };
}

function chosen(combination) {
  const taken = combination.options.filter((option) => option !== null);
  return new Map(taken.map((option) => [option.task, option]));
}

function byCost(a, b) {
  return a.cost - b.cost || compare(a.loss, b.loss) || byChoice(a.choice, b.choice);
}

function byLoss(a, b) {
  return compare(a.loss, b.loss) || a.cost - b.cost || byChoice(a.choice, b.choice);
}

function byChoice(a, b) {
  const i = a.findIndex((position, j) => position !== b[j]);
  return i < 0 ? 0 : a[i] - b[i];
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
