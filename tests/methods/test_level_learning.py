"""Settings of how levels learn together, in whole runs: what they change, and what they do not."""

import dataclasses

import keras
import numpy as np
import pytest
from methods.short_runs import SEQUENTIAL, SHORT, weights_of
from run_checks import assert_same_files, without_seconds

from dvn_tf import data
from dvn_tf.data import pipelines
from dvn_tf.errors import UserError
from dvn_tf.methods import DVN
from dvn_tf.methods.level_learning import LevelLearning
from dvn_tf.networks.distillation import distilling_network
from dvn_tf.networks.mean_gradients import DividedGradient
from dvn_tf.networks.objectives import joint_objective
from dvn_tf.networks.self_distillation import SelfDistillation
from dvn_tf.training import configuration, fitting, runs
from dvn_tf.training.config_text import difference
from dvn_tf.training.run_folder import RunFolder
from dvn_tf.training.stages import compile_stage, stage_network
from dvn_tf.training.stopping import NEVER, Stop, Stopped

DISTILLED = ("DVN.self_distillation = 0.5", "DVN.soft_temperature = 2.0", "DVN.soft_ramp = 0.8")
ALL = (*DISTILLED, "DVN.hard_labels = 'highest'", "DVN.gradients = 'mean'")


def experiment_of(*params, scenario="gin/quickstart.gin"):
    return configuration.read_experiment([scenario], [*SHORT, "Recipe.epochs = 1", *params])


class StopAt(Stop):
    """Stops after a step of the last stage."""

    def __init__(self, step, stages):
        self.step, self.stages, self.begun = step, stages, 0

    def training(self):
        self.begun += 1
        return super().training()

    def requested(self, step):
        return self.begun == self.stages and step == self.step


def run(experiment, path, stop=NEVER):
    keras.utils.clear_session()
    return runs.run(experiment, RunFolder(path), stop=stop)


# --------------------------------------------------------------- settings


def test_the_default_is_eq_4():
    [stage] = experiment_of().method.stages(experiment_of().scenario, 1)
    assert stage.learning == LevelLearning()
    assert stage.learning.self_distillation == 0
    assert (stage.learning.hard_labels, stage.learning.gradients) == ("all", "sum")


@pytest.mark.parametrize("cls", [LevelLearning, DVN])
def test_settings_that_make_no_sense_are_refused(cls):
    name = cls.__name__
    with pytest.raises(UserError) as error:
        cls(hard_labels="highest")
    assert str(error.value) == (
        f"{name}.hard_labels = 'highest' leaves the lower levels nothing to learn from: set "
        f"{name}.self_distillation above 0, or use 'all'"
    )
    with pytest.raises(UserError, match=f"^{name}.soft_ramp must be a number from 0 to 1, not 1.5"):
        cls(soft_ramp=1.5)
    with pytest.raises(UserError, match=f"^{name}.gradients must be 'sum' or 'mean', not 'mode'"):
        cls(gradients="mode")


def test_a_run_of_an_earlier_version_goes_on():
    now = experiment_of().config
    fields = [f"DVN.{field.name} =" for field in dataclasses.fields(LevelLearning)]
    before = "\n".join(line for line in now.splitlines() if not line.startswith(tuple(fields)))
    assert len(before.splitlines()) == len(now.splitlines()) - len(fields)
    assert difference(before, now) == ""
    assert "DVN.self_distillation = 0.5" in difference(before, experiment_of(*DISTILLED).config)


@pytest.mark.parametrize("name", ["self_distillation", "mean_gradients"])
def test_gin_files_make_a_variant_of_dvn(name):
    files = ["gin/quickstart.gin", "gin/methods/dvn.gin", f"gin/learning/{name}.gin"]
    experiment = configuration.read_experiment(files)
    changed = {
        field.name
        for field in dataclasses.fields(LevelLearning)
        if getattr(experiment.method, field.name) != getattr(LevelLearning(), field.name)
    }
    expected = {"self_distillation": "distilled", "mean_gradients": "mean_gradients"}[name]
    assert experiment.method_name == f"dvn_{expected}"
    assert changed == {"self_distillation" if expected == "distilled" else "gradients"}


# --------------------------------------------------------------- runs


def test_a_weight_of_0_trains_what_eq_4_alone_trains_bit_for_bit(tmp_path):
    """Whatever the other settings say; against a training that knows none of them."""
    experiment = experiment_of("DVN.soft_temperature = 3.0", "DVN.soft_ramp = 0.5")
    run(experiment, tmp_path / "run")
    found = weights_of(RunFolder(tmp_path / "run").load_model())
    keras.utils.clear_session()
    fitting.prepare_backend(experiment.recipe)
    task_data = [data.load(task) for task in experiment.scenario.tasks]
    infos = [one.info for one in task_data]
    network = fitting.build_network(experiment.scenario, infos, experiment.recipe)
    objective = joint_objective(network.virtual_networks)
    outputs = network.outputs_by_task
    folder = RunFolder(tmp_path / "plain")
    fitting.train(network, task_data, outputs, objective, experiment.recipe, folder)
    expected = weights_of(network)
    assert found.keys() == expected.keys()
    for path, weight in expected.items():
        np.testing.assert_array_equal(found[path], weight, err_msg=path)


def compiled_stages(experiment):
    """Of each stage: (its network, the model to fit, its outputs, the networks before)."""
    recipe = experiment.recipe
    fitting.prepare_backend(recipe)
    task_data = {task.name: data.load(task) for task in experiment.scenario.tasks}
    networks, found = {}, []
    for stage in experiment.method.stages(experiment.scenario, recipe.epochs):
        infos = [task_data[name].info for name in stage.tasks]
        network = stage_network(stage, infos, recipe, 8, networks)
        learned = [task_data[name] for name in stage.learned]
        model, outputs = compile_stage(stage, network, learned, recipe, networks)
        found.append((network, model, outputs, dict(networks), learned))
        networks[stage.name] = network
    return found


def layers_of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_without_these_settings_nothing_is_added():
    [(network, model, *_)] = compiled_stages(experiment_of())
    assert model is network
    assert not layers_of(network, DividedGradient)


def test_settings_reach_the_networks():
    [(network, model, *_)] = compiled_stages(experiment_of(*DISTILLED))
    layers = layers_of(model, SelfDistillation)
    assert [layer.name for layer in layers] == [
        f"{task}_self_distillation" for task in network.input
    ]
    # 500 images in batches of 64 are 8 steps.
    assert {(x.weight, x.temperature, x.ramp_steps) for x in layers} == {(0.5, 2.0, 6)}
    [(network, model, *_)] = compiled_stages(experiment_of("DVN.gradients = 'mean'"))
    assert model is network
    assert [layer.divisor for layer in layers_of(network, DividedGradient)] == [2, 2]


def test_a_sequence_distils_among_the_new_tasks_levels_beside_the_old_tasks():
    """The loss of the second stage's first step: Eq. 6 and, beside it, the written formula."""
    settings = ("DVN.self_distillation = 0.5", "DVN.soft_temperature = 2.0")
    first, second = compiled_stages(experiment_of(*settings, scenario=SEQUENTIAL))
    assert first[1] is first[0]  # one level has none above it
    network, model, outputs, networks, learned = second
    assert [layer.name for layer in layers_of(model, SelfDistillation)] == [
        "digits_5-9_self_distillation"
    ]
    batches = pipelines.training_dataset(learned, outputs, 64, 0, 0, 1)
    images, labels = next(iter(batches.take(1).as_numpy_iterator()))
    eq_6 = distilling_network(network, networks["digits_0-4"], "digits_5-9")
    state = eq_6.get_weights()
    logits = {name: np.array(z, "float64") for name, z in eq_6(images, training=True).items()}
    penalty = float(sum(eq_6.losses))
    eq_6.set_weights(state)

    def softmax(z):
        e = np.exp(z)
        return e / e.sum(axis=1, keepdims=True)

    low, high = (logits[f"digits_5-9/level{level}"] for level in (1, 2))
    picked = np.arange(64), labels["digits_5-9/level1"]
    expected = penalty - sum(np.log(softmax(z)[picked]).mean() for z in (low, high))
    for name in ("digits_0-4/level1", "digits_0-4/level2"):
        student, teacher = softmax(logits[name][:, 0] / 2), softmax(logits[name][:, 1] / 2)
        expected -= (teacher * np.log(student)).sum(axis=1).mean()
    p, q = softmax(high / 2), softmax(low / 2)
    soft = 0.5 * 2.0**2 * (p * np.log(p / q)).sum(axis=1).mean()
    assert soft > 0.01
    [loss, *_] = model.train_on_batch(images, labels)
    assert loss == pytest.approx(expected + soft, rel=1e-5)


@pytest.mark.parametrize(("scenario", "stages"), [("gin/quickstart.gin", 1), (SEQUENTIAL, 2)])
def test_a_run_stopped_within_the_ramp_ends_as_one_that_never_stopped(scenario, stages, tmp_path):
    """All files, bit for bit: the network, its checkpoints with the ramp's counter, the results."""
    experiment = experiment_of(*ALL, scenario=scenario)
    whole, folder = tmp_path / "whole", tmp_path / "run"
    results = run(experiment, whole)
    with pytest.raises(Stopped):
        run(experiment, folder, StopAt(3, stages))
    assert without_seconds(run(experiment, folder)) == without_seconds(results)
    assert_same_files(folder, whole)
