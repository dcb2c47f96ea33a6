"""A short run with causal levels: trained, resumed, and counted."""

import json

import numpy as np
import pytest
from methods.short_runs import JOINT, SEQUENTIAL, SHORT, stop_after, watch, weights_of
from run_checks import without_seconds

from dvn_tf.errors import UserError
from dvn_tf.networks.network import load_network
from dvn_tf.training import config_text, configuration
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.runs import run as train

CAUSAL = "gin/learning/causal.gin"
PARAMS = [*SHORT, "Recipe.epochs = 2"]


def experiment():
    return configuration.read_experiment([JOINT, "gin/methods/dvn.gin", CAUSAL], PARAMS)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return watch(experiment(), tmp_path_factory.mktemp("causal") / "run")


def test_it_learns_and_is_called_causal(run):
    results = json.loads((run.path / "results.json").read_text())
    assert (results["method"], results["title"]) == ("dvn_causal", "DVN, causal")
    assert run.load().causal
    # Both units of 5 tasks' digits are trained, the blocks between them too.
    assert all(output["accuracy"] > 0.5 for output in results["outputs"].values())
    [trained] = run.stages.values()
    for path, before in trained.before.items():
        if path.endswith("kernel"):
            assert (trained.after[path] != before).all(), path


def test_results_have_the_sizes_of_extracted_networks(run):
    network, results = run.load(), run.results
    by_hand = []
    for level in (1, 2):
        triangle = level * (level + 1) / 2
        count = level * 9 * 16 * 8 + triangle * 9 * 8 * 8
        for a, b in ((8, 16), (16, 32)):
            count += triangle * (9 * a * b + a * b + 9 * b * b)
        by_hand.append(count)
    whole = 9 * 16 * 16 + 4 * 9 * 8 * 8
    whole += sum(4 * (9 * a * b + a * b + 9 * b * b) for a, b in ((8, 16), (16, 32)))
    for name, (task, level, _) in network.virtual_networks.items():
        output, plain = results["outputs"][name], network.extract(task.name, level)
        assert output["parameters_paper"] == by_hand[level - 1]
        assert output["density"] == by_hand[level - 1] / whole
        assert output["parameters"] == plain.count_params()
        assert output["bytes"] == 4 * plain.count_params()
    assert results["parameters_paper"] == whole
    # Normalization is stored once for the levels of a task.
    norms = 2 * 4 * (16 + 16 + 16 + 32 + 32 + 64 + 64)
    rest = 2 * 9 * 1 * 16 + 2 * ((32 + 1) * 5 + (64 + 1) * 5)
    assert results["parameters"] == whole + norms + rest


def test_a_resumed_run_ends_like_one_that_never_stopped(run, tmp_path):
    with stop_after("run", epoch=1):
        train(experiment(), RunFolder(tmp_path / "run"))
    resumed = train(experiment(), RunFolder(tmp_path / "run"))
    assert without_seconds(resumed) == without_seconds(run.results)
    weights = [weights_of(load_network(p / "model.keras")) for p in (run.path, tmp_path / "run")]
    for path, values in weights[0].items():
        np.testing.assert_array_equal(values, weights[1][path], err_msg=path)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16"])
def test_it_trains_in_mixed_precision(dtype, tmp_path):
    mixed = configuration.read_experiment(
        [JOINT, "gin/methods/dvn.gin", CAUSAL], [*PARAMS, f"Recipe.dtype = '{dtype}'"]
    )
    results = train(mixed, RunFolder(tmp_path / "run"))
    assert all(np.isfinite(output["loss"]) for output in results["outputs"].values())


def test_a_sequence_is_refused():
    with pytest.raises(UserError, match=r"DVN\.causal is for tasks that are learned together"):
        configuration.read_experiment([SEQUENTIAL, "gin/methods/dvn.gin", CAUSAL], SHORT)


def test_an_initial_run_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="has a single stage"):
        train(experiment(), RunFolder(tmp_path / "other"), initial_run=run.path)


def test_earlier_configurations_say_nothing_of_it():
    old = "DVN.temperature = 2.0\n"
    assert not config_text.difference(old, old + "DVN.causal = False\n")
    assert "DVN.causal = True" in config_text.difference(old, old + "DVN.causal = True\n")
