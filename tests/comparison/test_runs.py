"""The table of runs that users read: its rows and columns, and which files it takes."""

import json

import pandas as pd
import pytest

import dvn_tf
from dvn_tf.comparison.report import write_report


def test_a_row_for_each_output(j1):
    frame = dvn_tf.read_runs(j1)
    assert len(frame) == 3 * (2 + 2 + 2 + 4)
    assert frame["method"].unique().tolist() == ["baseline", "packnet", "nestednet", "dvn"]
    for row in frame.itertuples():
        results = json.loads((j1 / row.method / f"seed{row.seed}" / "results.json").read_text())
        output = results["outputs"][f"{row.task}/level{row.level}"]
        assert row.run == str(j1 / row.method / f"seed{row.seed}")
        for key in (
            "accuracy",
            "correct",
            "total",
            "loss",
            "parameters",
            "parameters_paper",
            "density",
            "bytes",
        ):
            assert getattr(row, key) == output[key]
        for key in ("title", "backbone", "epochs", "units", "levels", "num_networks", "seconds"):
            assert getattr(row, key) == results[key]
        assert row.multiply_adds == output["multiply_adds"]
        assert row.run_parameters == results["parameters"]
        assert row.run_parameters_paper == results["parameters_paper"]
        for key, value in results["provenance"].items():
            assert getattr(row, key) == value
        assert row.classes == results["tasks"][row.task]["classes"]


def test_rows_are_in_the_order_of_the_scenario_s_tasks(made, tmp_path):
    tasks = dict.fromkeys(("zebras", "apes"), made.CIFAR["cifar10"])
    made.write_runs(tmp_path, "mine", "joint", {"dvn": made.JOINT["dvn"]}, tasks, seeds=(10, 9))
    found = dvn_tf.read_runs(tmp_path)[["seed", "task", "level"]]
    assert list(found.itertuples(index=False, name=None)) == [
        (seed, task, level) for seed in (9, 10) for task in tasks for level in (1, 2)
    ]


def test_the_accuracy_after_a_task_s_own_stage(s1):
    frame = dvn_tf.read_runs(s1).query("method == 'dvn' and seed == 1")
    found = frame.set_index(["task", "level"])["accuracy_after_stage"]
    results = json.loads((s1 / "dvn" / "seed1" / "results.json").read_text())
    first, last = (stage["outputs"] for stage in results["stages"])
    # The first stage's network has one level, which stands for the one that came later.
    for level in (1, 2):
        assert found["classes_0-4", level] == first["classes_0-4/level1"]["accuracy"]
        assert found["classes_5-9", level] == last[f"classes_5-9/level{level}"]["accuracy"]


def test_several_scenarios_and_settings_may_be_read(made, tmp_path):
    made.write_runs(tmp_path / "a", "J1", "joint", {"dvn": made.JOINT["dvn"]}, epochs=2)
    made.write_runs(tmp_path / "b", "S1", "sequential", made.SEQUENTIAL, seeds=(0,), epochs=3)
    frame = dvn_tf.read_runs(tmp_path)
    assert frame.groupby("scenario")["epochs"].unique().map(list).to_dict() == {
        "J1": [2],
        "S1": [3],
    }


def test_the_csv_beside_the_report_holds_the_same(j1, tmp_path):
    write_report(j1, tmp_path / "out")
    written = pd.read_csv(tmp_path / "out" / "runs.csv", float_precision="round_trip")
    pd.testing.assert_frame_equal(written, dvn_tf.read_runs(j1), check_exact=True)


@pytest.mark.parametrize("version", [3, "1", None])
def test_files_of_another_version_are_refused(j1, version):
    file = j1 / "dvn" / "seed1" / "results.json"
    results = json.loads(file.read_text())
    file.write_text(json.dumps(results | {"schema_version": version}))
    with pytest.raises(dvn_tf.UserError, match=rf"seed1/results\.json has .* {version!r}"):
        dvn_tf.read_runs(j1)
    file.write_text(json.dumps(results | {"schema_version": 2}))
    assert len(dvn_tf.read_runs(j1)) == 30


@pytest.mark.parametrize("version", [{}, {"schema_version": 1}])
def test_old_files_give_the_same_table(made, j1, version):
    new = dvn_tf.read_runs(j1)
    for file in j1.rglob("results.json"):
        file.write_text(json.dumps(made.without_counts(json.loads(file.read_text())) | version))
    old = dvn_tf.read_runs(j1)
    provenance = list(made.PROVENANCE)
    assert old[provenance].isna().all(axis=None)
    pd.testing.assert_frame_equal(
        old.drop(columns=provenance), new.drop(columns=provenance), check_exact=True
    )


def test_a_missing_commit_is_not_a_number(made, j1):
    for file in j1.rglob("results.json"):
        results = json.loads(file.read_text())
        results["provenance"]["commit"] = None
        file.write_text(json.dumps(results))
    assert dvn_tf.read_runs(j1)["commit"].isna().all()


def test_the_module_of_the_public_function_loads_no_pandas(run_python):
    done = run_python(
        f"import sys, types; sys.modules['dvn_tf'] = types.ModuleType('dvn_tf'); "
        f"sys.modules['dvn_tf'].__path__ = {list(dvn_tf.__path__)!r}; "
        "import dvn_tf.comparison.runs; print('pandas' in sys.modules)"
    )
    assert done.stdout.strip() == "False", done.stderr
