"""Damaged files: none is loaded silently, and what is sound goes on."""

import hashlib
import os
import shutil

import numpy as np
import pytest

from dvn_runtime import BudgetedPredictor
from dvn_runtime.errors import UserError

# The damaged file: that of the level which an unlimited budget loads.
VICTIM = ("colours", 3)


def cut(share):
    return lambda path, export: os.truncate(path, int(path.stat().st_size * share))


def flip(share, bit=0):
    def damage(path, export):
        content = bytearray(path.read_bytes())
        content[int((len(content) - 1) * share)] ^= 1 << bit
        path.write_bytes(content)

    return damage


def write(content_of_length):
    return lambda path, export: path.write_bytes(content_of_length(path.stat().st_size))


def swap_with(task, level):
    def damage(path, export):
        other = export.path(task, level)
        mine = path.read_bytes()
        path.write_bytes(other.read_bytes())
        other.write_bytes(mine)

    return damage


def another_format(path, export):
    shutil.copy(export.folder / export.entry(*VICTIM, "litert_int8")["file"], path)


def append(extra):
    return lambda path, export: path.write_bytes(path.read_bytes() + extra)


def remove(path, export):
    path.unlink()


def folder_in_its_place(path, export):
    path.unlink()
    path.mkdir()


def dangling_link(path, export):
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


def pipe(path, export):  # reading it would wait for ever
    path.unlink()
    os.mkfifo(path)


def relabelled(content_of):
    """Another content with a manifest that vouches for it."""

    def damage(path, export):
        content = content_of(path, export)
        path.write_bytes(content)
        edit_entry(export, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())

    return damage


def edit_entry(export, **changes):
    manifest = export.manifest()
    for entry in manifest["files"]:
        if entry["file"] == f"litert/{VICTIM[0]}_level{VICTIM[1]}.tflite":
            entry.update(changes)
    export.write_manifest(manifest)


FILES = {
    "empty": cut(0),
    "cut in the header": cut(0.001),
    "a quarter": cut(0.25),
    "half": cut(0.5),
    "three quarters": cut(0.75),
    "last byte gone": cut(0.99999),
    "one byte more": append(b"\0"),
    "much more": append(b"x" * 5000),
    "first bit": flip(0),
    "a bit of the file identifier": flip(0.0007, 3),
    "a bit at a tenth": flip(0.1, 7),
    "a bit at a third": flip(1 / 3, 5),
    "the middle bit": flip(0.5, 4),
    "a bit at nine tenths": flip(0.9, 2),
    "last bit": flip(1, 7),
    "zeros": write(bytes),
    "random bytes": write(lambda n: np.random.default_rng(0).bytes(n)),
    "text": write(lambda n: (b"not a network\n" * n)[:n]),
    "swapped with another level": swap_with("colours", 1),
    "swapped with another task": swap_with("digits", 3),
    "quantized file in its place": another_format,
    "missing": remove,
    "a folder": folder_in_its_place,
    "a dangling link": dangling_link,
    "a pipe": pipe,
    "vouched-for cut": relabelled(lambda path, export: path.read_bytes()[:1000]),
    "vouched-for text": relabelled(lambda path, export: b"not a network at all"),
    "vouched-for network of another task": relabelled(
        lambda path, export: export.path("digits", 3).read_bytes()
    ),
    "vouched-for quantized network": relabelled(
        lambda path, export: (
            export.folder / export.entry(*VICTIM, "litert_int8")["file"]
        ).read_bytes()
    ),
    "manifest with another size": lambda path, export: edit_entry(export, bytes=1234),
    "manifest with another hash": lambda path, export: edit_entry(export, sha256="0" * 64),
    "manifest with another input type": lambda path, export: edit_entry(
        export, input={"dtype": "uint8", "shape": [8, 8, 3], "range": [0, 255]}
    ),
}


@pytest.mark.parametrize("damage", FILES.values(), ids=FILES.keys())
def test_a_damaged_file_is_refused_by_name_and_the_others_go_on(export, damage):
    file = export.entry(*VICTIM)["file"]
    damage(export.folder / file, export)
    with pytest.warns(UserWarning, match=f"refused {file}: ") as warned:
        predictor = BudgetedPredictor(export.folder)
    with predictor:
        plan = predictor.plan()
        assert file in plan.refused and f"refused {file}" in str(plan)
        assert file not in [network.file for network in plan.networks.values()]
        assert len(warned) == len(plan.refused)  # once for each file
        assert {warning.filename for warning in warned} == {__file__}
        for task, network in plan.networks.items():
            answers = predictor.predict(task, export.images[task])
            np.testing.assert_allclose(answers, export.answers[task, network.level], atol=1e-5)
        # A swap damages two files. Every task has a sound network left in any case.
        assert plan.networks["colours"].level == 2 and set(plan.networks) == {"colours", "digits"}
        predictor.set_budget(plan.bytes)  # refused files stay refused, without a second warning
        assert predictor.plan().refused == plan.refused


def test_a_file_that_is_damaged_later_is_refused_when_its_turn_comes(export):
    smallest = sum(export.entry(task, 1)["bytes"] for task in ("colours", "digits"))
    with BudgetedPredictor(export.folder, smallest) as predictor:
        export.path("colours", 3).unlink()
        with pytest.warns(
            UserWarning, match="colours_level3.tflite: the file is missing"
        ) as warned:
            predictor.set_budget(None)
        assert warned[0].filename == __file__
        assert {t: n.level for t, n in predictor.plan().networks.items()} == {
            "colours": 2,
            "digits": 3,
        }


@pytest.mark.filterwarnings("ignore:refused")
def test_a_task_without_a_sound_file_is_left_out_and_says_why(export):
    for level in (1, 2, 3):
        export.path("colours", level).write_bytes(b"")
    with BudgetedPredictor(export.folder, weights={"colours": 2}) as predictor:
        assert predictor.plan().left_out == ("colours",)
        assert predictor.predict("digits", export.images["digits"]).shape == (6, 3)
        with pytest.raises(UserError, match=r"left out: litert/colours_level3\.tflite: it has 0"):
            predictor.predict("colours", export.images["colours"])


@pytest.mark.filterwarnings("ignore:refused")
def test_a_task_whose_small_file_is_damaged_does_not_take_the_others_down(export):
    smallest = sum(export.entry(task, 1)["bytes"] for task in ("colours", "digits"))
    export.path("colours", 1).unlink()
    with BudgetedPredictor(export.folder, smallest) as predictor:
        assert predictor.plan().left_out == ("colours",)
        predictor.set_budget(None)
        assert predictor.plan().left_out == ()


@pytest.mark.filterwarnings("ignore:refused")
def test_a_minimum_accuracy_is_kept_even_if_the_good_file_is_damaged(export):
    export.path("colours", 3).unlink()
    with BudgetedPredictor(export.folder, minimum_accuracy={"colours": 0.85}) as predictor:
        assert predictor.plan().left_out == ("colours",)
        assert "digits" in predictor.plan().networks
