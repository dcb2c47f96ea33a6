"""The model card of an export folder: what it says is the manifest's, and its examples run."""

import copy
import json
import pathlib
import re
import shutil

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt

from dvn_tf import export
from dvn_tf.export.card import card_text, write_card
from dvn_tf.export.formats import checked_formats

FORMATS = ["keras", "tf_saved_model", "litert", "litert_int8", "onnx"]
OLD_MANIFEST = pathlib.Path(__file__).parents[1] / "runtime" / "export_0.1.0" / "manifest.json"


@pytest.fixture(scope="module")
def exported(run_dir, tmp_path_factory):
    """An export of one task in all formats, with a bundle, and its manifest."""
    try:
        checked_formats(FORMATS)
    except ValueError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("card") / "export"
    export.export_run(run_dir, folder, FORMATS, task="digits_5-9")
    return folder, export.export_bundle(run_dir, ["all"], folder)


def cells(text: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading, as a reader of Markdown sees them."""
    tokens = MarkdownIt().enable("table").parse(text.partition(f"\n## {heading}\n")[2])
    rows = []
    for token in tokens:
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            rows[-1].append("".join(child.content for child in token.children))
    return rows


def test_the_tables_are_those_of_the_manifest(exported):
    folder, manifest = exported
    text = (folder / "README.md").read_text()
    assert text == card_text(manifest)
    head, low, high = cells(text, "Tasks")
    assert high[:4] == [
        "digits_5-9",
        "5: 5, 6, 7, 8, 9",
        "8 x 8, grey",
        "digits, its classes 5 to 9",
    ]
    assert high[4:] == ["716", "180"]
    assert low[0] == "digits_0-4"
    head, *rows = cells(text, "Levels")
    assert [row[:2] for row in rows] == [["digits_5-9", "1"], ["digits_5-9", "2"]]
    for entry in manifest["files"]:
        row = dict(zip(head, rows[entry["level"] - 1], strict=True))
        assert row[f"{entry['format']}, bytes"] == f"{entry['bytes']:,}"
        assert row[f"{entry['format']}, accuracy"].startswith(f"{entry['accuracy']:.2%}")
        assert row["parameters"] == f"{entry['parameters']:,}"
        assert row["multiply-adds"] == f"{entry['multiply_adds']:,}"


def test_points_lost_to_eight_bits(exported):
    manifest = copy.deepcopy(exported[1])
    for entry in manifest["files"]:
        entry["accuracy"] = 0.85 if entry["format"] == "litert_int8" else 0.9
    head, row, _ = cells(card_text(manifest), "Levels")
    assert row[head.index("litert_int8, accuracy")] == "85.00% (+5.00)"


def test_model_hubs_read_its_front_matter(exported):
    folder, manifest = exported
    front = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    assert front["pipeline_tag"] == "image-classification"
    assert front["datasets"] == ["digits"]
    [model] = front["model-index"]
    [result] = model["results"]
    assert (model["name"], result["dataset"]["name"]) == (manifest["scenario"], "digits_5-9")
    values = [metric["value"] for metric in result["metrics"]]
    assert values == [entry["accuracy"] for entry in manifest["files"]]


def test_its_examples_run(exported, monkeypatch):
    folder, manifest = exported
    monkeypatch.chdir(folder)
    examples = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert len(examples) == len(FORMATS) + 1
    answers = []
    for code in examples:
        assert len(code.splitlines()) <= 5
        names = {}
        exec(code, names)
        answers.append(np.ravel(names.get("logits", names.get("probabilities"))))
    by_format = dict(
        zip([entry["format"] for entry in manifest["files"][:5]], answers, strict=False)
    )
    softmax = np.exp(by_format["keras"]) / np.exp(by_format["keras"]).sum()
    np.testing.assert_allclose(by_format["onnx"], by_format["keras"], atol=1e-4)
    np.testing.assert_allclose(by_format["tf_saved_model"], by_format["keras"], atol=1e-4)
    np.testing.assert_allclose(by_format["litert"], softmax, atol=1e-5)
    np.testing.assert_allclose(by_format["litert_int8"], softmax, atol=0.1)


def test_somebody_s_own_readme_stays(exported, tmp_path, capsys):
    folder, manifest = exported
    shutil.copy(folder / "README.md", tmp_path)
    write_card(tmp_path, manifest | {"scenario": "another"})
    assert "# another: 2 tasks" in (tmp_path / "README.md").read_text()
    (tmp_path / "README.md").write_text("# Mine\n")
    write_card(tmp_path, manifest)
    assert (tmp_path / "README.md").read_text() == "# Mine\n"
    assert "was not written by dvn_tf" in capsys.readouterr().out


def test_names_of_strangers_do_not_act(exported):
    manifest = copy.deepcopy(exported[1])
    names = ["<img src=x>", "[a](http://b)", "a|b", "*c*", "\x1b[31m"]
    manifest["tasks"]["digits_5-9"]["class_names"] = names
    text = card_text(manifest)
    _, _, row = cells(text, "Tasks")
    assert row[1] == r"5: <img src=x>, [a](http://b), a|b, *c*, \x1b[31m"
    html = MarkdownIt().enable("table").render(text)
    assert "<img" not in html and '<a href="http://b' not in html and "<em>c</em>" not in html


def test_an_old_manifest_has_a_card():
    manifest = json.loads(OLD_MANIFEST.read_text())
    text = card_text(manifest)
    head, *rows = cells(text, "Levels")
    assert len(rows) == 4 and rows[0][head.index("multiply-adds")] == ""
    assert yaml.safe_load(text.split("---\n")[1])["model-index"]


def test_nothing_measured(exported):
    manifest = copy.deepcopy(exported[1])
    for entry in [*manifest["files"], *manifest["bundles"][0]["signatures"]]:
        entry["accuracy"] = None
    del manifest["training"]
    text = card_text(manifest)
    assert "model-index" not in yaml.safe_load(text.split("---\n")[1])
    assert "None" not in text.partition("## How to run")[0]
    assert cells(text, "Tasks")[2][3:] == ["unknown", "", ""]
