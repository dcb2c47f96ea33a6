"""Runs exported files in a browser, on a page that a test writes."""

import json
import pathlib
import shutil

import numpy as np

from tests.programs.exports import ProgramExport


def run_in_browser(
    browser, serve, folder: pathlib.Path, packages: pathlib.Path, script: str, jobs: list
) -> dict:
    """Serves files and packages, and gives what a script on a page returns.

    Args:
        browser: Playwright's browser.
        serve: the fixture.
        folder: an empty folder, which is served: `node_modules` and the files of the jobs.
        packages: holds `node_modules`.
        script: JavaScript, the body of an asynchronous function of `jobs`, [{"file", "images",
            "shape", "dtype"}]; it gives {"version", "answers"}.
        jobs: [(export, entry of the manifest)].

    Returns:
        What the script gives.
    """
    (folder / "node_modules").symlink_to(packages / "node_modules")
    described = []
    for number, (export, entry) in enumerate(jobs):
        file = f"{number}{pathlib.Path(entry['file']).suffix}"
        shutil.copy(export.folder / entry["file"], folder / file)
        images = export.images[entry["task"]].astype(entry["input"]["dtype"])
        images.tofile(folder / f"{number}.bin")
        about = {"file": file, "images": f"{number}.bin", "shape": images.shape}
        described.append(about | {"dtype": entry["input"]["dtype"]})
    imports = {
        "@litertjs/core": "./node_modules/@litertjs/core/dist/index.js",
        "@litertjs/wasm-utils": "./node_modules/@litertjs/wasm-utils/dist/index.js",
    }
    page_text = f"""<!doctype html><title>test</title>
<script type="importmap">{json.dumps({"imports": imports})}</script>
<script type="module">
async function pixels(job) {{
  const content = await (await fetch(job.images)).arrayBuffer();
  return job.dtype === "uint8" ? new Uint8Array(content) : new Float32Array(content);
}}
async function main(jobs) {{
{script}
}}
window.finished = main({json.dumps(described)}).catch((error) => ({{ error: String(error) }}));
</script>"""
    (folder / "index.html").write_text(page_text, encoding="utf-8")
    page = browser.new_page()
    page.goto(f"{serve(folder)}/index.html")
    page.wait_for_function("window.finished !== undefined")
    result = page.evaluate("async () => await window.finished")
    page.close()
    assert "error" not in result, result["error"]
    return result


def jobs_of(export: ProgramExport, *formats: str) -> list:
    """The files of an export in some formats, as `run_in_browser` takes them."""
    return [(export, entry) for name in formats for entry in export.files(name)]


def answers_of(export: ProgramExport, entry: dict, numbers: list) -> np.ndarray:
    """The outputs of a file, a row an image."""
    return np.asarray(numbers, np.float64).reshape(len(export.images[entry["task"]]), -1)
