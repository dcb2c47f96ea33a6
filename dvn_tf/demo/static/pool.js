// The loaded networks, at most one for each task.

import { Network, Refused } from "./network.js";

export class Pool {
  /** {task: its loaded Network}. */
  loaded = new Map();

  /** Sum of the file sizes of the loaded networks. */
  get bytes() {
    return [...this.loaded.values()].reduce((sum, network) => sum + network.entry.bytes, 0);
  }

  /**
   * Loads and frees networks until exactly the wanted ones are in memory.
   *
   * The networks in memory never exceed the budget. Within it, a network is loaded before its
   * predecessor is freed.
   *
   * @param {Map<string, object>} wanted the entry of each task.
   * @param {Map<string, object>} tasks
   * @param {number} budget in bytes; the wanted networks together must not exceed it.
   * @returns {Promise<Map<string, string>>} {file: reason} of the files that were refused.
   */
  async changeTo(wanted, tasks, budget) {
    const refused = new Map();
    for (const task of [...this.loaded.keys()]) if (!wanted.has(task)) this.free(task);
    const byCost = [...wanted].sort(([, a], [, b]) => a.bytes - b.bytes);
    for (const [task, entry] of byCost) {
      if (this.loaded.get(task)?.entry === entry) continue;
      this.makeRoom(task, entry, wanted, budget);
      try {
        const network = await Network.load(entry, tasks.get(task));
        this.free(task);
        this.loaded.set(task, network);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        refused.set(entry.file, error.message);
      }
    }
    return refused;
  }

  /** Frees the network of a task, if it has one. */
  free(task) {
    this.loaded.get(task)?.close();
    this.loaded.delete(task);
  }

  makeRoom(task, entry, wanted, budget) {
    while (this.bytes + entry.bytes > budget) {
      const leaving = [...this.loaded].filter(([name, { entry }]) => wanted.get(name) !== entry);
      if (!leaving.length) return;
      leaving.sort(([, a], [, b]) => b.entry.bytes - a.entry.bytes);
      const own = leaving.find(([name]) => name === task);
      this.free((own ?? leaving[0])[0]);
    }
  }
}
