"""Single steps of small networks, under TensorFlow and under JAX."""

import keras
import numpy as np

from dvn_tf.networks.backbones import WideResNet
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.objectives import joint_objective
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitTable

COMPILED = keras.backend.backend() == "jax"  # which is slow otherwise
TASKS = [TaskInfo("a", 3, (8, 8, 3)), TaskInfo("b", 4, (8, 8, 3)), TaskInfo("c", 2, (8, 8, 3))]


def build(num_tasks=2, num_levels=2, **settings):
    """A network of the paper's rule with first weights that no symmetry hides."""
    keras.utils.set_random_seed(3)
    table = UnitTable.by_rule(num_tasks, num_levels)
    network = DeepVirtualNetwork(TASKS[:num_tasks], table, WideResNet(8, 1), **settings)
    generator = np.random.default_rng(5)
    for weight in network.weights:
        if weight.path.endswith(("gamma", "moving_variance")):
            weight.assign(generator.uniform(0.5, 1.5, weight.shape))
        elif weight.path.endswith(("beta", "bias", "moving_mean")):
            weight.assign(generator.normal(0, 0.3, weight.shape))
    return network


def batch(network, size, seed=0):
    """Images by task, and labels by output."""
    generator = np.random.default_rng(seed)
    images = {
        task.name: generator.uniform(0, 255, (size, *task.image_shape)).astype("float32")
        for task in network.tasks
    }
    labels = {task.name: generator.integers(0, task.num_classes, size) for task in network.tasks}
    return images, {
        name: labels[task.name] for name, (task, _, _) in network.virtual_networks.items()
    }


def values(model):
    """Copies of all weights, {path: values}."""
    return {weight.path: keras.ops.convert_to_numpy(weight).copy() for weight in model.weights}


def compiled(model, optimizer=None, graph=False):
    """The model with the objective of Eq. 4 over its outputs; TensorFlow's graphs take longer."""
    model.compile(
        optimizer or keras.optimizers.SGD(1.0),
        jit_compile=COMPILED,
        run_eagerly=not (COMPILED or graph),
        **joint_objective(model.output),
    )
    return model


def changes(model, images, labels):
    """What a step of SGD at rate 1 takes from every weight, which is put back."""
    before = values(model)
    model.train_on_batch(images, labels)
    after = values(model)
    for weight in model.weights:
        weight.assign(before[weight.path])
    return {path: before[path] - after[path] for path in before}


def changes_by_output(network, output, images, labels, part=slice(None)):
    """The same for the loss of one output of the network on a part of the batch."""
    model = compiled(keras.Model(network.input, {output: network.output[output]}))
    part_of = {name: pixels[part] for name, pixels in images.items()}
    return changes(model, part_of, {output: labels[output][part]})


def norm_parts(network):
    """(path of a normalization, output, where its channels lie) of every virtual network."""
    for layer in network.layers:
        if layer.name in network.norms:
            start = 0
            for width, output in zip(layer.widths, network.virtual_networks, strict=True):
                yield layer.name, output, slice(start, start + width)
                start += width
