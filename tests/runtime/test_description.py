"""What a file says of itself has to be what the manifest says."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from small_exports import write_export

from dvn_runtime import BudgetedPredictor
from dvn_runtime.description import read_description
from dvn_runtime.errors import UserError

VICTIM = ("colours", 3)


def network_of(path) -> bytes:
    content = path.read_bytes()
    return content[: read_description(content).network_bytes]


def refusal(export) -> str:
    """Why the victim is refused; all else has to go on."""
    file = export.entry(*VICTIM)["file"]
    with pytest.warns(UserWarning, match="refused"), BudgetedPredictor(export.folder) as predictor:
        plan = predictor.plan()
        assert set(plan.networks) == {"colours", "digits"}
        assert list(plan.refused) == [file]
        return plan.refused[file]


def test_an_export_says_the_same_twice(pristine):
    for entry in pristine.manifest()["files"]:
        content = (pristine.folder / entry["file"]).read_bytes()
        assert read_description(content).values["network_sha256"] == entry["network_sha256"]


def test_two_tasks_exchanged_with_their_hashes_are_refused(tmp_path):
    alike = ((8, 8, 3), 4, (4, 8), (0.6, 0.8), "logits")
    twins = write_export(tmp_path / "export", {"cats": alike, "dogs": alike})
    manifest = twins.manifest()
    for task in manifest["tasks"].values():
        task["class_names"] = []
    twins.write_manifest(manifest)
    for entry in manifest["files"]:
        twins.rewrite(entry, class_names=[])
    with BudgetedPredictor(twins.folder) as predictor:
        assert predictor.plan().refused == {}
    # The best files of the two tasks change places, with sizes and hashes in the manifest.
    paths = twins.path("cats", 2), twins.path("dogs", 2)
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)
    manifest = twins.manifest()
    cats, dogs = (entry for entry in manifest["files"] if entry["level"] == 2)
    for fact in ("bytes", "sha256", "network_sha256"):
        cats[fact], dogs[fact] = dogs[fact], cats[fact]
    twins.write_manifest(manifest)
    with pytest.warns(UserWarning) as warned, BudgetedPredictor(twins.folder) as predictor:
        plan = predictor.plan()
    assert len(warned) == 2
    assert "'task' is 'dogs', but the manifest says 'cats'" in plan.refused[cats["file"]]
    assert "'task' is 'cats', but the manifest says 'dogs'" in plan.refused[dogs["file"]]
    assert {task: network.level for task, network in plan.networks.items()} == {
        "cats": 1,
        "dogs": 1,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "digits"}, "'task' is 'digits', but the manifest says 'colours'"),
        ({"task": None}, "'task' is None"),
        ({"level": 2}, "'level' is 2, but the manifest says 3"),
        ({"level": True}, "'level' is True"),
        ({"class_names": ["b", "a", "c", "d"]}, "'class_names' is"),
        ({"output": "probabilities"}, "'output' is 'probabilities'"),
        ({"input": {"dtype": "uint8", "shape": [8, 8, 3], "range": [0, 255]}}, "'input' is"),
        ({"network_sha256": "0" * 64}, "that of another network"),
        ({"network_sha256": 7}, "that of another network"),
        ({"network_sha256": None}, "that of another network"),
    ],
)
def test_a_description_that_differs_is_refused(export, change, message):
    export.rewrite(export.entry(*VICTIM), **change)
    assert message in refusal(export)


def test_another_network_under_the_description_is_refused(export):
    """Even where the manifest's entry is that of an older version, which has no such hash."""
    entry = export.entry(*VICTIM)
    network = network_of(export.path("colours", 2))
    export.rewrite(entry, network, network_sha256=entry["network_sha256"])
    assert "that of another network" in refusal(export)
    manifest = export.manifest()
    for listed in manifest["files"]:
        del listed["network_sha256"]
    export.write_manifest(manifest)
    assert "that of another network" in refusal(export)


def test_exports_of_older_versions_have_no_hash_in_their_descriptions(export):
    for level in (1, 2, 3):
        export.rewrite(export.entry("colours", level), network_sha256=None)
    manifest = export.manifest()
    for listed in manifest["files"]:
        del listed["network_sha256"]
    export.write_manifest(manifest)
    with BudgetedPredictor(export.folder, tasks=["colours"]) as predictor:
        answers = predictor.predict("colours", export.images["colours"])
    np.testing.assert_allclose(answers, export.answers[VICTIM], atol=1e-5)


def vouched(export, content: bytes) -> None:
    """Writes the victim's file; the manifest vouches for it."""
    entry = export.entry(*VICTIM)
    (export.folder / entry["file"]).write_bytes(content)
    manifest = export.manifest()
    for listed in manifest["files"]:
        if listed["file"] == entry["file"]:
            listed |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    export.write_manifest(manifest)


def archived(network: bytes, members: dict, compression=zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO(network)
    with zipfile.ZipFile(file, "a", compression) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return file.getvalue()


DESCRIPTION = json.dumps({"task": "colours"})
ARCHIVES = {
    "none": (lambda n: n, "no description"),
    "no member of the name": (lambda n: archived(n, {"labels.txt": "a"}), "does not hold one"),
    "no JSON": (lambda n: archived(n, {"description.json": "{"}), "not JSON"),
    "a list": (lambda n: archived(n, {"description.json": "[]"}), "not a JSON object"),
    "nested without end": (
        lambda n: archived(n, {"description.json": "[" * 100_000}),
        "nested too deeply",
    ),
    "a bomb": (
        lambda n: archived(n, {"description.json": " " * 2**28}, zipfile.ZIP_DEFLATED),
        "more than 16,777,216 bytes",
    ),
    "many members": (
        lambda n: archived(n, {"description.json": DESCRIPTION} | {f"{i}": "" for i in range(99)}),
        "100 members",
    ),
    "a comment": (lambda n: archived(n, {"description.json": DESCRIPTION}) + b"x", "description"),
    "bytes before the directory": (
        lambda n: archived(n, {"description.json": DESCRIPTION}).replace(b"PK\1\2", b"xPK\1\2"),
        "damaged",
    ),
    "a damaged member": (
        lambda n: archived(n, {"description.json": DESCRIPTION}).replace(
            b'"colours"', b'"colouls"'
        ),
        "damaged",
    ),
    "an unknown compression": (
        lambda n: archived(n, {"description.json": DESCRIPTION}, zipfile.ZIP_DEFLATED).replace(
            b"\x14\0\0\0\x08\0", b"\x14\0\0\0\x63\0"
        ),
        "damaged",
    ),
}


@pytest.mark.parametrize(("write", "message"), ARCHIVES.values(), ids=ARCHIVES.keys())
def test_a_damaged_archive_is_refused(export, write, message):
    vouched(export, write(network_of(export.path(*VICTIM))))
    assert message in refusal(export)


@pytest.mark.parametrize("place", range(1, 23))
def test_an_archive_s_end_can_be_damaged_anywhere(export, place):
    content = bytearray(export.path(*VICTIM).read_bytes())
    content[-place] ^= 0xFF
    with pytest.raises(UserError):
        read_description(bytes(content))
