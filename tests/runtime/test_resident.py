"""Budgets of resident memory: what is predicted is what processes hold."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from runtime.shaped_exports import SHAPES, untrained_export

from dvn_runtime import BudgetedPredictor, benchmark
from dvn_runtime.errors import UserError
from dvn_runtime.manifest import read_manifest
from dvn_runtime.network import estimate_memory
from dvn_runtime.resident import fixed_memory, memory_facts

MEGABYTE = 10**6
OLD_EXPORT = pathlib.Path(__file__).parent / "export_0.1.0"
on_linux = pytest.mark.skipif(
    not pathlib.Path("/proc/self/statm").exists(), reason="reads /proc/self/statm"
)


def with_memory(export) -> None:
    """Puts the key "memory" into a manifest, as the exporter does."""
    manifest = export.manifest()
    for entry in manifest["files"]:
        entry["memory"] = memory_facts((export.folder / entry["file"]).read_bytes())
        entry["multiply_adds"] = 1000 * entry["level"]
    export.write_manifest(manifest)


@on_linux
@pytest.mark.parametrize("shape", SHAPES)
def test_prediction_is_within_a_tenth_of_what_a_process_holds(shape, tmp_path):
    export = untrained_export(shape, tmp_path)
    levels = {"J1": 2, "J2": 4}[shape]
    command = [str(export), "--repeats=1", f"--json={tmp_path / 'figures.json'}"]
    assert benchmark.main(command) == 0
    rows = json.loads((tmp_path / "figures.json").read_text())["networks"]
    assert len(rows) == levels * 2 * 2  # float and int8, packed and not
    for row in rows:
        assert row["predicted"] == pytest.approx(row["resident"], rel=0.1), row
    # The figures tell levels and ways apart, rather than being about equal.
    assert max(row["resident"] for row in rows) > 5 * min(row["resident"] for row in rows)


# Prints for each budget what the process holds above its start, what it has held at most since the
# budget before, and what the plan says.
PROGRAM = """
import json, sys
import numpy as np
from dvn_runtime import BudgetedPredictor
from dvn_runtime.network import import_litert
from dvn_runtime.process import resident_memory

def peak():
    status = open("/proc/self/status").read()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

import_litert()
start = resident_memory()
budgets = json.loads(sys.argv[2])
predictor = BudgetedPredictor(sys.argv[1], resident=budgets[0])
series = []
for budget in budgets:
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins again
    predictor.set_budget(resident=budget)
    predictor.predict("large", np.zeros((32, 32, 3), np.uint8))
    plan = predictor.plan()
    [network] = plan.networks.values()
    now = resident_memory() - start
    series.append([now, peak() - start, plan.resident, network.level, plan.packed == ("large",)])
print(json.dumps(series))
"""


@on_linux
def test_a_process_keeps_the_budget(large):
    budgets = [size * MEGABYTE for size in (60, 90, 40, 20, 120, 20, 60)]
    command = [sys.executable, "-c", PROGRAM, large.folder, json.dumps(budgets)]
    root = pathlib.Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    series = json.loads(done.stdout)
    before = 0
    for budget, (now, peak, predicted, _, _) in zip(budgets, series, strict=True):
        assert predicted == pytest.approx(now, rel=0.1), series
        assert now < 1.1 * budget, series
        assert peak < 1.1 * max(before, budget), series  # on the way, too
        before = budget
    ways = [(level, packed) for *_, level, packed in series]
    # 38 MB of file: unpacked for 60 MB, packed for 90; 10 MB: packed for 40 MB, not for 20.
    assert ways == [
        (3, False), (3, True), (2, True), (2, False), (3, True), (2, False), (3, False),
    ]  # fmt: skip


def test_the_smallest_budget_is_named_and_suffices(export):
    with_memory(export)
    with pytest.raises(UserError, match="1,000 bytes of resident memory is too small") as error:
        BudgetedPredictor(export.folder, resident="1kB")
    least = int(str(error.value).partition("at least ")[2].split()[0])
    with BudgetedPredictor(export.folder, resident=least) as predictor:
        plan = predictor.plan()
        assert plan.resident == least and plan.packed == ()
        assert {network.level for network in plan.networks.values()} == {1}
        with pytest.raises(UserError, match=f"give at least {least} bytes of resident"):
            predictor.set_budget(resident=least - 1)
        assert predictor.plan() == plan


def test_budgets_of_files_and_of_memory_take_turns(export):
    with_memory(export)
    with BudgetedPredictor(export.folder, resident="1GB") as predictor:
        plan = predictor.plan()
        assert plan.packed == ("colours", "digits") and "1,000,000,000 bytes of resident" in str(
            plan
        )
        assert [network.level for network in plan.networks.values()] == [3, 3]
        own = sum(network.memory.resident(True) for network in plan.networks.values())
        assert plan.resident == own + fixed_memory("litert", [True])
        assert f"about {plan.resident:,} bytes resident" in str(plan)
        small = sum(export.entry(task, 1)["bytes"] for task in ("colours", "digits"))
        predictor.set_budget(small)
        assert [n.level for n in predictor.plan().networks.values()] == [1, 1]
        assert predictor.plan().packed == ("colours", "digits")  # as ever
        predictor.set_budget(resident="1GB")
        assert [n.level for n in predictor.plan().networks.values()] == [3, 3]
        with pytest.raises(UserError, match="budget and resident exclude each other"):
            predictor.set_budget("1MB", resident="1MB")
        with pytest.raises(UserError, match="resident takes bytes"):
            predictor.set_budget(resident="1M params")
        for task, images in export.images.items():
            answers = predictor.predict(task, images)
            np.testing.assert_allclose(answers, export.answers[task, 3], atol=1e-5)


@pytest.mark.parametrize("pack_weights", [True, False])
def test_packing_can_be_forced(export, pack_weights):
    with_memory(export)
    with BudgetedPredictor(export.folder, resident="1GB", pack_weights=pack_weights) as predictor:
        assert predictor.plan().packed == (("colours", "digits") if pack_weights else ())


def test_exports_that_say_nothing_of_memory_are_read_once(export, monkeypatch):
    """As versions before 0.5 wrote them; a file that is refused then is not loaded either."""
    export.path("colours", 3).write_bytes(b"damaged")
    with BudgetedPredictor(export.folder, "1MB", tasks=["digits"]) as predictor:
        assert predictor.plan().resident is None and "resident" not in str(predictor.plan())
    with pytest.warns(UserWarning, match="refused litert/colours_level3.tflite: it has 7 bytes"):
        predictor = BudgetedPredictor(export.folder, resident="1GB")
    with predictor:
        assert predictor.plan().networks["colours"].level == 2
        monkeypatch.setattr("dvn_runtime.predictor.estimate_memory", None)
        predictor.set_budget(resident="20MB")
        assert 3.8 * MEGABYTE < predictor.plan().resident < 20 * MEGABYTE


@pytest.mark.filterwarnings("ignore:refused")
def test_an_export_of_version_0_1():
    """Its second level is not kept here."""
    with BudgetedPredictor(OLD_EXPORT, resident="20MB", tasks=["digits_0-4"]) as predictor:
        assert predictor.plan().networks["digits_0-4"].level == 1
        predictor.set_budget(resident="3MB")
        assert predictor.plan().left_out == ("digits_0-4",)


def test_the_model_by_hand(pristine):
    """The file, its weights again, pointers and maps: counted from what Keras built."""
    manifest = read_manifest(pristine.folder)
    for network in manifest.networks:
        memory = estimate_memory(manifest.folder, network, manifest.tasks[network.task])
        copied = memory.packed - network.bytes
        size = 4 if network.format == "litert" else 1
        assert copied > size * 0.9 * network.parameters
        assert memory.packed_image < memory.unpacked_image
        assert memory.resident(True, 1, 9) - memory.resident(True, 1, 1) == 8 * memory.packed_image
        # Nothing is counted twice: half a megabyte is more than all records of these networks.
        assert copied < 5 * network.parameters + 500_000
