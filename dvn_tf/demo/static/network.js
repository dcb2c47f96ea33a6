// One exported network in memory, run by LiteRT.js.

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

const WARM_UP = 3; // runs
const MOST_RUNS = 15;
const MOST_TIME = 300; // milliseconds to spend on one median

/** Thrown for a file that is not what the manifest says. */
export class Refused extends Error {}

/** Loads the WebAssembly runtime; to be done once, before any network is loaded. */
export function startRuntime() {
  // LiteRT logs what it does as if it were errors; those who look for it find it as "verbose".
  globalThis.Module = { printErr: (line) => console.debug(line) };
  return loadLiteRt("/runtime/core/wasm/");
}

/** A network that classifies images. */
export class Network {
  /**
   * Fetches a file, checks its size and SHA-256, and compiles it.
   *
   * @param {{url: string, sha256: string, bytes: number, file: string}} entry of the export.
   * @param {{shape: number[]}} task
   */
  static async load(entry, task) {
    let response;
    try {
      response = await fetch(entry.url, { cache: "no-store" });
    } catch {
      throw new Error("The server does not answer: is the program still running?");
    }
    if (response.status === 409) throw new Refused(await response.text());
    if (!response.ok) throw new Refused(`${entry.file}: the server answers ${response.status}`);
    const content = new Uint8Array(await response.arrayBuffer());
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (content.length !== entry.bytes || sha256 !== entry.sha256) {
      throw new Refused(`${entry.file}: its SHA-256 is not that in the manifest`);
    }
    try {
      return new Network(entry, task, await loadAndCompile(content, { accelerator: "wasm" }));
    } catch (error) {
      throw new Refused(`${entry.file}: LiteRT.js cannot load it: ${error.message ?? error}`);
    }
  }

  constructor(entry, task, model) {
    this.entry = entry;
    this.task = task;
    this.model = model;
  }

  /**
   * Classifies an image, several times to know how long it takes.
   *
   * @param {Uint8Array} pixels height x width x channels.
   * @returns {Promise<{probabilities: Float32Array, latency: number, runs: number}>} the latency
   *   is the median in milliseconds.
   */
  async classify(pixels) {
    const values = this.entry.dtype === "uint8" ? pixels : Float32Array.from(pixels);
    const input = new Tensor(values, [1, ...this.task.shape]);
    const times = [];
    let outputs;
    try {
      const started = performance.now();
      for (let run = -WARM_UP; run < MOST_RUNS; run++) {
        if (times.length && performance.now() - started > MOST_TIME) break;
        const before = performance.now();
        const [output] = await this.model.run([input]);
        if (run >= 0) times.push(performance.now() - before);
        outputs = output.toTypedArray();
        output.delete();
      }
    } finally {
      input.delete();
    }
    times.sort((a, b) => a - b);
    return { probabilities: this.probabilities(outputs), latency: times[times.length >> 1], runs: times.length };
  }

  probabilities(outputs) {
    if (this.entry.output === "logits") {
      if (outputs instanceof Uint8Array) throw new Error("quantized logits, whose scale it hides");
      return softmax(outputs);
    }
    // Quantized softmax counts 256ths.
    return outputs instanceof Uint8Array ? Float32Array.from(outputs, (n) => n / 256) : outputs;
  }

  /** Frees the network. */
  close() {
    this.model.delete();
  }
}

function softmax(logits) {
  const greatest = logits.reduce((a, b) => Math.max(a, b));
  const powers = logits.map((logit) => Math.exp(logit - greatest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}
