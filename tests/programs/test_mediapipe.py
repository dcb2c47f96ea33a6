"""MediaPipe's image classifier runs every LiteRT file of colour images."""

import json
import subprocess

import numpy as np
import pytest

PROGRAM = """
import json, sys
import mediapipe
import numpy as np
from mediapipe.tasks import python
from mediapipe.tasks.python import vision

answers = []
for path, images in json.loads(sys.argv[1]):
    base = python.BaseOptions(model_asset_path=path)
    options = vision.ImageClassifierOptions(base_options=base, max_results=-1)
    answers.append([])
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for image in np.load(images):
            image = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(image))
            [found] = classifier.classify(image).classifications
            answers[-1].append({each.category_name: each.score for each in found.categories})
print(json.dumps([mediapipe.__version__, answers]))
"""


@pytest.mark.parametrize("format", ["litert", "litert_int8"])
@pytest.mark.parametrize("name", ["colour", "j1"])
def test_it_names_classes_with_our_probabilities(
    name, format, make_export, environment, record, tmp_path
):
    python, export = environment("mediapipe"), make_export(name)
    entries = export.files(format)
    for task, images in export.images.items():
        np.save(tmp_path / f"{task}.npy", images)
    jobs = [
        (str(export.folder / entry["file"]), str(tmp_path / f"{entry['task']}.npy"))
        for entry in entries
    ]
    done = subprocess.run([python, "-c", PROGRAM, json.dumps(jobs)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    version, answers = json.loads(done.stdout.splitlines()[-1])
    for entry, rows in zip(entries, answers, strict=True):
        task = entry["task"]
        assert set(rows[0]) == set(export.classes[task])
        found = [[row[name] for name in export.classes[task]] for row in rows]
        expected = export.probabilities(task, entry["level"])
        difference, changed = record("MediaPipe", version, format, export, found, expected)
        assert difference < (1e-5 if format == "litert" else 0.05)
        assert changed == 0 or format == "litert_int8"
