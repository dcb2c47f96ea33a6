"""Unit-causal levels against dense networks whose kernels are masked, built by hand."""

import itertools

import keras
import numpy as np
import pytest
import reference_networks
import tensorflow as tf
from networks.own_backbones import TinyDenseNet, TinyVGG
from reference_networks import (
    CASES,
    READ_UNCUT,
    Reference,
    assert_close,
    batch,
    dense,
    normalized,
    randomize,
    task,
)

import dvn_tf
from dvn_tf.entry_groups import entry_groups
from dvn_tf.errors import UserError
from dvn_tf.networks.convolution import UnitConv2D
from dvn_tf.networks.network import load_network
from dvn_tf.networks.warm_start import warm_start
from dvn_tf.tasks import head_name
from dvn_tf.units import UnitPartition, UnitTable


def groups_of(case, row):
    """The units of a task in groups, in order of entry; written anew."""
    groups, seen = [], set()
    for units in case.rows[row]:
        if new := [unit for unit in units if unit not in seen]:
            groups.append(new)
            seen.update(new)
    return groups


class MaskedReference(Reference):
    """A virtual network of whole kernels in which blocks from later to earlier units are zero."""

    def __init__(self, case, network, index):
        _, self.row, _, _ = case.virtual_networks[index]
        self.entries = {
            unit: n for n, group in enumerate(groups_of(case, self.row)) for unit in group
        }
        self.masks = {}
        super().__init__(case, network, index)
        # The head reads the channels in order of entry.
        [name] = [name for name in self.stocks if name.endswith("_head")]
        layer, self.head = self.stocks[name], name
        kernel, bias = layer.get_weights()
        mine = case.owned(case.backbone.widths[-1], self.units)
        self.head_rows = np.argsort(np.argsort(self.entry_of(mine), kind="stable"))
        layer.set_weights([kernel[self.head_rows], bias])

    def entry_of(self, channels, width=None):
        edges = self.case.edges(width or self.case.backbone.widths[-1])
        units = np.searchsorted(edges, channels, side="right")
        return np.array([self.entries[unit] for unit in units])

    def conv(self, x, name, rows, width, stride=1):
        y = super().conv(x, name, rows, width, stride)
        layer, rows, columns = self.convs[name]
        mask = np.ones((len(rows), len(columns)))
        if name not in READ_UNCUT:
            stored = self.network.get_layer(name).in_channels
            mask = np.less_equal.outer(self.entry_of(rows, stored), self.entry_of(columns, width))
        self.masks[name] = mask
        layer.set_weights([layer.get_weights()[0] * mask])
        return y

    def norm(self, x, name, width, partitioned=True):
        """A task's channels lie in order of entry, behind those of the tasks before."""
        start, order = 0, {}
        for row in range(self.row + 1):
            groups = [self.case.owned(width, group) for group in groups_of(self.case, row)]
            channels = np.concatenate(groups) if partitioned else np.arange(width)
            order = {channel: start + n for n, channel in enumerate(channels)}
            start += len(channels)
        mine = self.case.owned(width, self.units) if partitioned else np.arange(width)
        positions = np.array([order[channel] for channel in mine])
        source = self.network.get_layer(name)
        layer = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        y = layer(x)
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        layer.set_weights([np.asarray(getattr(source, name))[positions] for name in names])
        self.norms[name] = layer, positions
        return y

    def gradient(self, image, labels):
        with tf.GradientTape() as tape:
            logits = self.model(normalized(image), training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        tensors = {w.path: w.value for w in self.model.trainable_weights}
        by_path = tape.gradient(loss, tensors, unconnected_gradients="zero")
        found = {}
        for name, (layer, rows, columns) in self.convs.items():
            whole = np.zeros(self.network.get_layer(name).kernel.shape)
            block = np.ix_(range(len(whole)), range(len(whole)), rows, columns)
            whole[block] = dense(by_path[layer.kernel.path]) * self.masks[name]
            found[name] = [whole]
        for name, (layer, positions) in self.norms.items():
            found[name] = []
            for vector in (layer.gamma, layer.beta):
                whole = np.zeros(self.network.get_layer(name).gamma.shape)
                whole[positions] = dense(by_path[vector.path])
                found[name].append(whole)
        for name, layer in self.stocks.items():
            found[name] = [dense(by_path[w.path]) for w in layer.trainable_weights]
        found[self.head][0] = found[self.head][0][np.argsort(self.head_rows)]
        return found


@pytest.fixture(scope="module")
def causal():
    networks = {}

    def build(name):
        if name not in networks:
            networks[name] = CASES[name].build(causal=True)
        return networks[name]

    return build


def masked_references(case, network, monkeypatch):
    monkeypatch.setattr(reference_networks, "Reference", MaskedReference)
    return reference_networks.references(case, network)


# ---------------------------------------------------------------------- skipped equals masked


@pytest.mark.parametrize("name", CASES)
def test_logits_are_those_of_masked_kernels(causal, name, monkeypatch):
    case, network = CASES[name], causal(name)
    images = batch(case)
    logits = network(images, training=False)
    assert list(logits) == [output for output, *_ in case.virtual_networks]
    for reference, (output, row, _, _) in zip(
        masked_references(case, network, monkeypatch), case.virtual_networks, strict=True
    ):
        expected = reference.model(normalized(images[case.tasks[row].name]), training=False)
        assert_close(logits[output], expected, err_msg=output)


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_the_sums_of_those_of_masked_kernels(causal, name, monkeypatch):
    case, network = CASES[name], causal(name)
    images, rng = batch(case), np.random.default_rng(2)
    labels = {info.name: rng.integers(0, info.num_classes, 4) for info in case.tasks}
    expected = {weight.path: 0 for weight in network.trainable_weights}
    for reference, (_, row, _, _) in zip(
        masked_references(case, network, monkeypatch), case.virtual_networks, strict=True
    ):
        info = case.tasks[row].name
        for layer, gradients in reference.gradient(images[info], labels[info]).items():
            weights = network.get_layer(layer).trainable_weights
            for weight, gradient in zip(weights, gradients, strict=True):
                expected[weight.path] = expected[weight.path] + gradient
    with tf.GradientTape() as tape:
        logits = network(images, training=True)
        loss = sum(
            tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    labels[case.tasks[row].name], logits[output]
                )
            )
            for output, row, *_ in case.virtual_networks
        )
    found = tape.gradient(loss, [weight.value for weight in network.trainable_weights])
    for weight, gradient in zip(network.trainable_weights, found, strict=True):
        assert_close(dense(gradient), expected[weight.path], 2e-5, weight.path)


# ---------------------------------------------------------------------- levels are prefixes


@pytest.mark.parametrize("name", ["ResNet by the rule", "WRN of J3's windows and sizes"])
def test_later_blocks_change_not_one_bit_of_lower_levels(name):
    case = CASES[name]
    network, images = case.build(causal=True), batch(case)
    rng = np.random.default_rng(3)
    before = {key: np.array(value) for key, value in network(images, training=False).items()}
    first, *later = groups_of(case, 0)
    later = [unit for group in later for unit in group]
    for layer in network.layers:
        if isinstance(layer, UnitConv2D):
            # What task a's first level does not use: all but the block first -> first.
            kernel = rng.normal(0, 0.1, layer.kernel.shape)
            rows = case.owned(layer.in_channels, first)
            if not layer.partitioned_input:
                rows = np.arange(layer.in_channels)
            own = np.ix_(
                range(len(kernel)), range(len(kernel)), rows, case.owned(layer.filters, first)
            )
            kernel[own] = np.asarray(layer.kernel)[own]
            layer.kernel.assign(kernel)
    after = {key: np.array(value) for key, value in network(images, training=False).items()}
    np.testing.assert_array_equal(after["a/level1"], before["a/level1"])
    assert not np.allclose(after["a/level2"], before["a/level2"])


def test_features_of_a_level_are_the_first_of_the_next(causal):
    case, network = CASES["ResNet by the rule"], causal("ResNet by the rule")
    heads = [network.get_layer(head_name("c", level)).input for level in (1, 2, 3, 4)]
    features = keras.Model(network.inputs, heads)(batch(case), training=True)
    assert [f.shape[1] for f in features] == [16, 32, 48, 64]
    for low, high in itertools.pairwise(features):
        np.testing.assert_array_equal(low, high[:, : low.shape[1]])


# ---------------------------------------------------------------------- extraction, accounting


@pytest.mark.parametrize("name", CASES)
def test_extracted_networks_have_the_logits_and_stock_layers_only(causal, name):
    case, network = CASES[name], causal(name)
    images = batch(case)
    logits = network(images, training=False)
    costs = network.costs()
    for output, row, level, _ in case.virtual_networks:
        plain = network.extract(case.tasks[row].name, level)
        found = plain(images[case.tasks[row].name], training=False)
        assert_close(found, logits[output], err_msg=output)
        modules = {type(operation).__module__ for operation in plain.operations}
        assert all(module.startswith("keras.") for module in modules), modules
        assert costs[output].parameters == plain.count_params()
        assert costs[output].multiply_adds == multiply_adds(plain)


def multiply_adds(model):
    """Counted from the shapes of the kernels and of what they compute."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            total += np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:-1], dtype=int)
    return total


def test_levels_of_two_and_four_cost_what_the_triangle_has():
    """Shares of the whole backbone's partitioned kernels: 3 of 4 blocks, and 10 of 16."""
    for count, shares in ((2, [1 / 4, 3 / 4]), (4, [1 / 16, 3 / 16, 6 / 16, 10 / 16])):
        tasks = [task(f"t{n}", 32) for n in range(count)]
        network = dvn_tf.DeepVirtualNetwork(
            tasks, UnitTable.by_rule(count), dvn_tf.ResNet(42, 16), causal=True
        )
        costs = list(network.costs().values())
        # The first convolution reads all of the input layer, which is not partitioned.
        first, whole = (
            9 * 16 * 16,
            dvn_tf.costs(tasks[:1], UnitTable((((1,),),)), dvn_tf.ResNet(42, 16))[
                "t0/level1"
            ].parameters_paper,
        )
        for number, share in enumerate(shares):
            for row in range(count):
                cost = costs[row * count + number]
                expected = share * (whole - first) + (number + 1) / count * first
                assert cost.parameters_paper == expected
                assert cost.density == expected / whole
        assert network.stored_parameters()[0] == whole


# ---------------------------------------------------------------------- own backbones


@pytest.mark.parametrize("backbone", [TinyVGG(), TinyDenseNet()], ids=lambda b: b.name)
def test_backbones_that_concatenate_or_pool(backbone):
    rows = (((2, 3), (2, 3, 1)), ((1,), (1, 3)))  # a kernel's rows are not one slice
    tasks = [task("a"), task("b", 16)]
    network = dvn_tf.DeepVirtualNetwork(
        tasks, UnitTable(rows, 3), backbone, UnitPartition((0.5, 0.25, 0.25)), causal=True
    )
    randomize(network)
    images = {
        info.name: np.random.default_rng(0).uniform(0, 255, (2, *info.image_shape))
        for info in tasks
    }
    logits = network(images, training=False)
    for name, (info, level, _) in network.virtual_networks.items():
        plain = network.extract(info.name, level)
        assert_close(plain(images[info.name], training=False), logits[name], err_msg=name)
        assert network.costs()[name].parameters == plain.count_params()
        assert network.costs()[name].multiply_adds == multiply_adds(plain)


# ---------------------------------------------------------------------- saving, refusals


def test_groups_of_a_table_with_equal_levels():
    table = UnitTable((((1,), (1,), (1, 3, 2)), ((2,), (1, 2), (1, 2))))
    assert entry_groups(table, 1, 2) == ((1,),)
    assert entry_groups(table, 1, 3) == ((1,), (2, 3))
    assert entry_groups(table, 2, 3) == ((2,), (1,))


def test_networks_are_saved_and_loaded(causal, tmp_path):
    name = "WRN of J3's windows and sizes"
    case, network = CASES[name], causal(name)
    network.save(tmp_path / "model.keras")
    loaded = load_network(tmp_path / "model.keras")
    assert loaded.causal
    images = batch(case)
    expected = network(images, training=False)
    for key, logits in loaded(images, training=False).items():
        np.testing.assert_array_equal(logits, expected[key])


def test_a_configuration_without_the_setting_is_not_causal():
    config = CASES["WRN by the rule, uneven units"].build().get_config()
    assert config.pop("causal") is False
    assert dvn_tf.DeepVirtualNetwork.from_config(config).causal is False


def test_a_warm_start_is_refused(causal):
    name = "WRN with equal neighbouring levels"
    nested = CASES[name].build()
    for pair in ((nested, causal(name)), (causal(name), nested)):
        with pytest.raises(UserError, match="causal levels cannot start"):
            warm_start(*pair)


# ---------------------------------------------------------------------- groups side by side


def test_a_convolution_reads_groups_of_units_in_their_order():
    """Units 1 and 4 lie before 2 and 3 in the input, each in both of two concatenated layers."""
    conv = UnitConv2D(8, 1, fractions=(0.25,) * 4, in_channels=(8, 4))
    conv.build([(None, 5, 5, 12)])
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 12)).astype("float32")
    [y] = conv([x], in_units=[((1, 4), (2, 3))], out_units=[(2, 3)])
    rows = [0, 1, 6, 7, 8, 11, 2, 3, 4, 5, 9, 10]
    kernel = np.asarray(conv.kernel)[0, 0, rows, 2:6]
    np.testing.assert_allclose(y, x @ kernel, atol=1e-5)
