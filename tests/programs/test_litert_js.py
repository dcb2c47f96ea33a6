"""LiteRT.js in a browser runs every LiteRT file."""

import json

from tests.programs.browser_runs import answers_of, jobs_of, run_in_browser

SCRIPT = """
const { loadLiteRt, loadAndCompile, Tensor } = await import("@litertjs/core");
await loadLiteRt(new URL("node_modules/@litertjs/core/wasm/", location.href).href);
const answers = [];
for (const job of jobs) {
  const model = await loadAndCompile(new URL(job.file, location.href).href, {accelerator: "wasm"});
  const images = await pixels(job), [count, ...shape] = job.shape;
  const size = images.length / count, rows = [];
  for (let i = 0; i < count; i++) {
    const input = new Tensor(images.slice(i * size, (i + 1) * size), [1, ...shape]);
    const [output] = await model.run([input]);
    rows.push(...output.toTypedArray());
    input.delete();
    output.delete();
  }
  answers.push(rows);
  model.delete();
}
return { answers };
"""


def test_it_answers_as_keras_does(export, npm, browser, serve, record, tmp_path):
    packages, jobs = npm("@litertjs/core"), jobs_of(export, "litert", "litert_int8")
    result = run_in_browser(browser, serve, tmp_path, packages, SCRIPT, jobs)
    about = (packages / "node_modules" / "@litertjs" / "core" / "package.json").read_text()
    version = json.loads(about)["version"]
    for (_, entry), numbers in zip(jobs, result["answers"], strict=True):
        found = answers_of(export, entry, numbers)
        expected = export.probabilities(entry["task"], entry["level"])
        difference, changed = record("LiteRT.js", version, entry["format"], export, found, expected)
        assert difference < (1e-5 if entry["format"] == "litert" else 0.05), entry["file"]
        assert changed == 0 or entry["format"] == "litert_int8", entry["file"]
