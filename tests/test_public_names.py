"""The public names of the package: typed, documented, and registered with Keras by the import."""

import inspect

import keras
import numpy as np
import pytest

import dvn_tf

OBJECTS = {name: getattr(dvn_tf, name) for name in dvn_tf.__all__}
CALLABLES = {name: value for name, value in OBJECTS.items() if callable(value)}


def functions_of(name):
    """{name: function} of a public function, or of the public methods of a public class."""
    value = CALLABLES[name]
    if not inspect.isclass(value):
        return {name: value}
    own = {
        f"{name}.{key}": getattr(value, key)
        for key, member in vars(value).items()
        if not key.startswith("_") and inspect.isroutine(getattr(value, key))
        and not isinstance(member, property)
    }  # fmt: skip
    return own | ({name: value.__init__} if "__init__" in vars(value) else {})


@pytest.mark.parametrize("name", CALLABLES)
def test_every_argument_and_result_has_a_type(name):
    for path, function in functions_of(name).items():
        signature = inspect.signature(function)
        untyped = [
            parameter.name
            for parameter in signature.parameters.values()
            if parameter.annotation is parameter.empty
            and parameter.name not in ("self", "cls")
            and parameter.kind is not parameter.VAR_KEYWORD
        ]
        assert not untyped, f"{path}: {untyped}"
        if function.__name__ != "__init__":
            assert signature.return_annotation is not signature.empty, path


@pytest.mark.parametrize("name", CALLABLES)
def test_every_public_object_says_what_it_takes(name):
    for path, function in functions_of(name).items():
        value = CALLABLES[name] if function.__name__ == "__init__" else function
        assert inspect.getdoc(value), path


def test_a_saved_network_loads_with_keras_alone_after_the_import(tmp_path):
    tasks = [dvn_tf.TaskInfo("a", 3, (8, 8, 3))]
    network = dvn_tf.DeepVirtualNetwork(tasks, dvn_tf.UnitTable.by_rule(1, 2), dvn_tf.ResNet(10, 4))
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    images = {"a": np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3))}
    for name, logits in network.predict(images, verbose=0).items():
        np.testing.assert_array_equal(loaded.predict(images, verbose=0)[name], logits)
