"""Runs whose steps do not compute all of Eq. 4: on real images, stopped, and refused."""

import json
import warnings

import numpy as np
import pytest
from methods.short_runs import experiment_of, weights_of
from run_checks import without_seconds

from dvn_tf.errors import UserError
from dvn_tf.methods import DVN
from dvn_tf.networks.network import load_network
from dvn_tf.training import configuration, runs, stages
from dvn_tf.training.config_text import difference
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.stopping import NEVER, Stop, Stopped

SHARE, ONE = "DVN.lower_batches = 'share'", "DVN.level_steps = 'one'"
STEPS = 8  # an epoch's: 500 images in batches of 64


class StopAt(Stop):
    """Stops after a step."""

    def __init__(self, step):
        self.step = step

    def requested(self, step):
        return step == self.step


def run(path, *params, stop=NEVER):
    """Trains, or goes on as a new process would: figures of the outputs, history and weights."""
    results = runs.run(experiment_of("joint dvn", *params), RunFolder(path), stop=stop)
    history = json.loads((path / "history.json").read_text())
    weights = weights_of(load_network(path / "model.keras"))
    return results["outputs"], without_seconds(history), weights


@pytest.mark.parametrize("setting", [SHARE, ONE])
def test_a_run_that_stops_within_an_epoch_ends_as_one_that_did_not(setting, tmp_path):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Gradients do not exist")
        whole = run(tmp_path / "whole", setting)
    with pytest.raises(Stopped):
        run(tmp_path / "run", setting, stop=StopAt(STEPS + 3))
    outputs, history, weights = run(tmp_path / "run", setting)
    assert (outputs, history) == whole[:2]
    assert weights.keys() == whole[2].keys()
    for name, values in whole[2].items():
        np.testing.assert_array_equal(weights[name], values, err_msg=name)
    # It learned: every output is better than a guess among five classes.
    assert min(output["accuracy"] for output in outputs.values()) > 0.25
    assert history[-1]["loss"] < history[0]["loss"]


def test_the_default_fits_the_network_itself(monkeypatch, tmp_path):
    fitted = []

    def compile_stage(stage, network, *rest):
        model, _ = original(stage, network, *rest)
        fitted.append(model is network)
        raise UserError("seen")

    original = stages.compile_stage
    monkeypatch.setattr(runs, "compile_stage", compile_stage)
    for params in ([], [SHARE], [ONE]):
        with pytest.raises(UserError, match="seen"):
            run(tmp_path / "run", *params)
    assert fitted == [True, False, False]


def test_runs_of_earlier_versions_said_neither():
    now = experiment_of("joint dvn").config
    assert "DVN.lower_batches = 'whole'" in now and "DVN.level_steps = 'all'" in now
    before = "\n".join(
        line for line in now.splitlines() if "lower_batches" not in line and "_steps" not in line
    )
    assert difference(before, now) == ""
    assert "share" in difference(before, experiment_of("joint dvn", SHARE).config)
    assert "one" in difference(before, experiment_of("joint dvn", ONE).config)


REFUSED = {
    (
        "gin/quickstart_sequential.gin",
        SHARE,
    ): "scenario quickstart_sequential is sequential: use it with a joint scenario",
    (
        "gin/quickstart_sequential.gin",
        ONE,
    ): "scenario quickstart_sequential is sequential: use it with a joint scenario",
    ("gin/quickstart.gin", SHARE, ONE): f"{SHARE} excludes {ONE}: leave one of the two out",
    ("gin/quickstart.gin", "DVN.level_steps = 'two'"): "must be 'all' or 'one', not 'two'",
}


@pytest.mark.parametrize("given", REFUSED)
def test_what_does_not_fit_is_refused(given):
    file, *params = given
    with pytest.raises(UserError) as error:
        configuration.read_experiment([file], params)
    assert REFUSED[given] in str(error.value)


def test_a_batch_without_an_image_for_each_level_claims_no_folder(tmp_path):
    with pytest.raises(UserError, match="a batch of 1 images has none for some of 2 levels"):
        run(tmp_path / "run", SHARE, "Recipe.batch_size = 1")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["lower_batches", "one_level"])
def test_the_gin_files_choose_one_each(name):
    files = ["gin/quickstart.gin", "gin/methods/dvn.gin", f"gin/learning/{name}.gin"]
    experiment = configuration.read_experiment(files, [])
    assert experiment.method_name == f"dvn_{name}"
    expected = {"lower_batches": DVN(lower_batches="share"), "one_level": DVN(level_steps="one")}
    assert experiment.method == expected[name]
