"""What an ONNX file says of itself, and the names in its graph."""

import os
import re
import sys

import numpy as np
import pytest

from dvn_tf.export.formats import write_file
from dvn_tf.export.onnx_names import rename
from dvn_tf.export.slim import slim_network

onnx = pytest.importorskip("onnx")
ReferenceEvaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
tf2onnx = pytest.importorskip("tf2onnx")


@pytest.fixture(scope="module")
def written(network, tmp_path_factory):
    """An ONNX file of a network, read again."""
    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    write_file("onnx", slim_network(network, "high", 2, output="probabilities"), path)
    return onnx.load(path)


def test_the_checker_of_onnx_accepts_it(written):
    onnx.checker.check_model(written, full_check=True)


def test_batch_and_graph_are_named(written):
    graph = written.graph
    assert graph.name == "high_level2"
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {"images": ["batch", 8, 8, 1], "probabilities": ["batch", 5]}


def test_names_are_those_of_the_network(written):
    names = [node.name for node in written.graph.node]
    names += [tensor.name for tensor in written.graph.initializer]
    assert len(set(names)) == len(names)
    assert not [name for name in names if re.search("__[0-9]|StatefulPartitionedCall", name)]
    assert any(name.endswith("high_level2_head_1/MatMul") for name in names)


def test_properties_are_plain(written):
    properties = {entry.key: entry.value for entry in written.metadata_props}
    assert (properties["task"], properties["level"]) == ("high", "2")
    assert properties["output"] == "probabilities"
    assert properties["class_names"] == '["5", "6", "7", "8", "9"]'
    assert properties["Image.BitmapPixelFormat"] == "Gray8"
    assert properties["Image.NominalPixelRange"] == "NominalRange_0_255"
    assert "task high, at memory level 2" in written.doc_string
    assert "grey, with pixel values 0 to 255" in written.doc_string


def test_renaming_keeps_what_is_computed_and_takes_no_name_twice():
    helper = onnx.helper
    nodes = [
        helper.make_node("Add", ["x", "c__1"], ["y__7"], name="y__7"),
        helper.make_node("Mul", ["y__7", "c__2"], ["y_2"], name="y_2"),
        helper.make_node("Sub", ["y_2", "y__9"], ["z"], name="y__9"),
    ]
    weights = {"y__9": 5.0, "c__2": 3.0, "c__1": 2.0}
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "graph",
        [helper.make_tensor_value_info("x", kind, [1])],
        [helper.make_tensor_value_info("z", kind, [1])],
        [onnx.numpy_helper.from_array(np.float32([v]), name) for name, v in weights.items()],
    )  # fmt: skip
    model = helper.make_model(graph)
    rename(model)
    onnx.checker.check_model(model, full_check=True)
    [answer] = ReferenceEvaluator(model).run(None, {"x": np.float32([4])})
    assert answer == (4 + 2) * 3 - 5
    assert [tensor.name for tensor in model.graph.initializer] == ["c", "c_2", "y_3"]


@pytest.mark.parametrize("level", [None, "0"])
def test_the_environment_stays_as_it_was(level, network, monkeypatch, tmp_path):
    """tf2onnx, when imported, hides TensorFlow's errors in all child processes."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")  # so that the end of the test undoes all below
    monkeypatch.delattr(tf2onnx, "convert")  # and so imported again
    monkeypatch.delitem(sys.modules, "tf2onnx.convert")
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    if level:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    write_file("onnx", slim_network(network, "high", 1), tmp_path / "network.onnx")
    assert "tf2onnx.convert" in sys.modules
    assert os.environ.get("TF_CPP_MIN_LOG_LEVEL") == level
