"""ONNX Runtime in a browser runs every ONNX file, whole batches too."""

import json

from tests.programs.browser_runs import answers_of, jobs_of, run_in_browser

SCRIPT = """
const ort = await import(new URL("node_modules/onnxruntime-web/dist/ort.wasm.min.mjs",
                                 location.href).href);
ort.env.wasm.wasmPaths = new URL("node_modules/onnxruntime-web/dist/", location.href).href;
ort.env.wasm.numThreads = 1;
const answers = [];
for (const job of jobs) {
  const session = await ort.InferenceSession.create(job.file);
  const images = new ort.Tensor("float32", await pixels(job), job.shape);
  const outputs = await session.run({ images });
  answers.push([...outputs.logits.data]);
  await session.release();
}
return { answers };
"""


def test_it_answers_as_keras_does(export, npm, browser, serve, record, tmp_path):
    packages, jobs = npm("onnxruntime-web"), jobs_of(export, "onnx")
    result = run_in_browser(browser, serve, tmp_path, packages, SCRIPT, jobs)
    about = (packages / "node_modules" / "onnxruntime-web" / "package.json").read_text()
    version = json.loads(about)["version"]
    for (_, entry), numbers in zip(jobs, result["answers"], strict=True):
        found = answers_of(export, entry, numbers)
        expected = export.expected[entry["task"], entry["level"]]
        difference, changed = record("ONNX Runtime Web", version, "onnx", export, found, expected)
        assert difference < 1e-4 and changed == 0, entry["file"]
