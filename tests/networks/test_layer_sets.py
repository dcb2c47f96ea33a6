"""The contract of layer sets: one declaration, several implementations."""

import inspect

import numpy as np
import pytest

from dvn_tf.errors import UserError
from dvn_tf.export.bundle import BundledLayers
from dvn_tf.export.increments import RecordingLayers
from dvn_tf.export.slim import FoldedLayers, FoldFinder
from dvn_tf.networks.accounting import CountingLayers, Maps
from dvn_tf.networks.causal_layers import CausalLayers
from dvn_tf.networks.layer_sets import Features, LayerSet
from dvn_tf.networks.plain_layers import PlainLayers
from dvn_tf.networks.virtual_layers import VirtualLayers
from dvn_tf.units import UnitPartition

SETS = (
    VirtualLayers, CausalLayers, PlainLayers, CountingLayers, FoldedLayers, FoldFinder,
    BundledLayers, RecordingLayers,
)  # fmt: skip
OPERATIONS = [name for name, value in vars(LayerSet).items()
              if inspect.isfunction(value) and not name.startswith("_")]  # fmt: skip


def test_the_operations_are_declared_once():
    assert OPERATIONS == [
        "conv", "norm", "relu", "add", "concatenate", "shortcut", "max_pool", "pool",
    ]  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("layers", SETS)
def test_every_set_has_every_operation_with_the_declared_arguments(layers, operation):
    method, declared = getattr(layers, operation), getattr(LayerSet, operation)
    assert method is not declared, f"{layers.__name__} lacks {operation}"
    assert list(inspect.signature(method).parameters) == list(
        inspect.signature(declared).parameters
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_set_that_lacks_an_operation_says_so(operation):
    class Bare(LayerSet):
        """Has none."""

    arguments = [None] * (len(inspect.signature(getattr(LayerSet, operation)).parameters) - 1)
    keywords = {"name": arguments.pop()} if operation in ("conv", "norm") else {}
    with pytest.raises(UserError, match=f"Bare has no operation '{operation}'"):
        getattr(Bare(), operation)(*arguments, **keywords)


def test_a_parameter_free_shortcut_of_a_concatenation_is_refused():
    partition = UnitPartition.even(1)
    for layers, x in (
        (CountingLayers(partition, (1,)), Maps(8, 8, 12, (8, 4))),
        (PlainLayers(partition, (1,), 0.0, "float32"), Features([None], (8, 4), True)),
    ):
        with pytest.raises(UserError, match="not from a concatenation of 2"):
            layers.shortcut(x, 16, 2)


def test_a_concatenation_keeps_the_order_of_its_layers():
    """Of an input layer, which is not partitioned, unit 2 takes its own channels 2 and 3 of 4."""
    layers = PlainLayers(UnitPartition.even(2), (2,), 0.0, "float32")
    x, y = np.arange(4.0).reshape(1, 1, 1, 4), np.array([[[[9.0]]]])
    joined = layers.concatenate(Features([x], (4,)), Features([y], (2,), partitioned=True))
    assert (joined.widths, joined.width, joined.partitioned) == ((4, 2), 6, True)
    np.testing.assert_array_equal(np.ravel(joined.tensors[0]), [2, 3, 9])
