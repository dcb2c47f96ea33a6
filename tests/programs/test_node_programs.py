"""Programs of others that run exported files from Node."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.programs.browser_runs import answers_of

_ONNX_RUNTIME = """
import ort from "onnxruntime-node";
export async function openNetwork(path) {
  const session = await ort.InferenceSession.create(path);
  return async (images, shape, output) =>
    (await session.run({ images: new ort.Tensor("float32", images, shape) }))[output].data;
}
"""
_TENSORFLOW_JS = """
import fs from "node:fs";
import * as tf from "@tensorflow/tfjs";
await tf.setBackend("cpu");
function load() {  // in place of tfjs-node, which fetches a library of its own
  const { modelTopology, weightsManifest, signature } =
    JSON.parse(fs.readFileSync(`${this.path}/model.json`));
  const parts = weightsManifest.flatMap((group) => group.paths);
  const weightData = Buffer.concat(parts.map((part) => fs.readFileSync(`${this.path}/${part}`)));
  const weightSpecs = weightsManifest.flatMap((group) => group.weights);
  return { modelTopology, weightSpecs, signature,
           weightData: new Uint8Array(weightData).buffer };
}
export async function openNetwork(path) {
  const model = await tf.loadGraphModel({ path, load });
  return async (images, shape, output) =>
    model.predict({ images: tf.tensor(images, shape) }).dataSync();
}
"""
_MAIN = """
import fs from "node:fs";
import { openNetwork } from "./program.mjs";
const answers = [];
for (const { path, images, shape, output } of JSON.parse(fs.readFileSync("jobs.json"))) {
  const pixels = new Float32Array(new Uint8Array(fs.readFileSync(images)).buffer);
  const run = await openNetwork(path);
  answers.push([...await run(pixels, shape, output)]);
}
fs.writeFileSync("answers.json", JSON.stringify(answers));
"""
# The converter imports a package of forests, which it needs for forests alone.
_CONVERTER = """
import sys, types
sys.modules["tensorflow_decision_forests"] = types.ModuleType("tensorflow_decision_forests")
from tensorflowjs.converters import converter
for source, target in zip(sys.argv[1::2], sys.argv[2::2]):
    converter.convert(["--input_format=tf_saved_model", "--output_format=tfjs_graph_model",
                       "--signature_name=serving_default", source, target])
"""


def run_in_node(packages: pathlib.Path, program: str, export, jobs: list, folder) -> list:
    """Runs files in Node.

    Args:
        packages: holds `node_modules`.
        program: a module that exports `openNetwork`.
        export: the export.
        jobs: [(entry of the manifest, path of the file to run)].
        folder: an empty folder to work in.

    Returns:
        The outputs of each, a row an image.
    """
    (folder / "node_modules").symlink_to(packages / "node_modules")
    (folder / "program.mjs").write_text(program)
    (folder / "main.mjs").write_text(_MAIN)
    described = []
    for entry, path in jobs:
        images = export.images[entry["task"]].astype(np.float32)
        images.tofile(folder / f"{entry['task']}.bin")
        job = {"path": str(path), "images": f"{entry['task']}.bin", "shape": images.shape}
        described.append(job | {"output": entry["output"]})
    (folder / "jobs.json").write_text(json.dumps(described))
    done = subprocess.run(
        ["node", "main.mjs"], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads((folder / "answers.json").read_text())
    return [
        answers_of(export, entry, numbers)
        for (entry, _), numbers in zip(jobs, answers, strict=True)
    ]


@pytest.fixture(autouse=True)
def node():
    if not shutil.which("node"):
        pytest.skip("there is no node")


def _version(packages: pathlib.Path, name: str) -> str:
    return json.loads((packages / "node_modules" / name / "package.json").read_text())["version"]


def test_onnx_runtime(export, npm, record, tmp_path):
    packages = npm("onnxruntime-node")
    jobs = [(entry, export.folder / entry["file"]) for entry in export.files("onnx")]
    answers = run_in_node(packages, _ONNX_RUNTIME, export, jobs, tmp_path)
    version = f"{_version(packages, 'onnxruntime-node')} in Node"
    for (entry, _), found in zip(jobs, answers, strict=True):
        expected = export.answers(entry)
        difference, changed = record("ONNX Runtime", version, "onnx", export, found, expected)
        assert difference < 1e-5 and changed == 0, entry["file"]


def test_tensorflow_js(export, npm, beside, record, tmp_path):
    packages = npm("@tensorflow/tfjs")
    converter = beside("tensorflowjs", "tensorflow_hub", "tf_keras")
    jobs, paths = [], []
    for number, entry in enumerate(export.files("tf_saved_model")):
        jobs.append((entry, tmp_path / str(number)))
        paths += [str(export.folder / entry["file"]), str(tmp_path / str(number))]
    done = subprocess.run(
        [sys.executable, "-c", _CONVERTER, *paths],
        env={"PYTHONPATH": str(converter), "PATH": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = run_in_node(packages, _TENSORFLOW_JS, export, jobs, tmp_path)
    version = f"{_version(packages, '@tensorflow/tfjs')} in Node"
    for (entry, _), found in zip(jobs, answers, strict=True):
        expected = export.answers(entry)
        difference, changed = record(
            "TensorFlow.js", version, "tf_saved_model", export, found, expected
        )
        assert difference < 1e-4 and changed == 0, entry["file"]
