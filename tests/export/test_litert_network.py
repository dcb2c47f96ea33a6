"""What LiteRT files carry for other programs, read with LiteRT's own schema."""

import zipfile

import numpy as np
import pytest

import dvn_tf
from dvn_runtime.description import read_description
from dvn_runtime.structure import check_structure
from dvn_tf.export.formats import FORMATS, write_file
from dvn_tf.export.slim import slim_network

schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
FORMAT_NAMES = ("litert", "litert_int8")


@pytest.fixture(scope="module")
def written(network, digits, tmp_path_factory):
    """A function that writes a file and gives its bytes."""
    folder = tmp_path_factory.mktemp("litert")

    def write(format_name, **options) -> bytes:
        path = folder / f"{len(list(folder.iterdir()))}.tflite"
        samples = digits["high"].train.images[:50]
        write_file(format_name, slim_network(network, "high", 2, **options), path, samples)
        return path.read_bytes()

    return write


def model_of(content: bytes):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))


@pytest.mark.parametrize("format_name", FORMAT_NAMES)
def test_batches_have_a_fixed_size_that_can_be_changed(written, network, digits, format_name):
    from ai_edge_litert.interpreter import Interpreter

    content = written(format_name, output="probabilities")
    [graph] = model_of(content).subgraphs
    assert all(tensor.shapeSignature is None for tensor in graph.tensors)
    assert graph.tensors[graph.inputs[0]].shape.tolist() == [1, 8, 8, 1]
    images = digits["high"].test.images[:30]
    interpreter = Interpreter(model_content=content)
    dtype, index = (interpreter.get_input_details()[0][key] for key in ("dtype", "index"))
    whole = {}
    for count in (1, 30, 7):
        interpreter.resize_tensor_input(index, (count, 8, 8, 1))
        interpreter.allocate_tensors()
        interpreter.set_tensor(index, images[:count].astype(dtype))
        interpreter.invoke()
        whole[count] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(whole[30][:7], whole[7], atol=1e-6)
    np.testing.assert_allclose(whole[30][:1], whole[1], atol=1e-6)
    inputs = {name: task.test.images[:30] for name, task in digits.items()}
    logits = network.predict(inputs, verbose=0)["high/level2"].astype(np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(whole[30], expected, atol=1e-5 if format_name == "litert" else 0.05)


def test_eight_bits_do_not_round_probabilities(written, digits):
    """The order of classes is that of the logits: softmax is computed in float, after them."""
    from ai_edge_litert.interpreter import Interpreter

    content = written("litert_int8", output="probabilities")
    model = model_of(content)
    [graph] = model.subgraphs
    last = graph.operators[-1]
    assert model.operatorCodes[last.opcodeIndex].builtinCode == schema.BuiltinOperator.SOFTMAX
    assert graph.tensors[last.inputs[0]].type == schema.TensorType.FLOAT32
    images, answers = digits["high"].test.images[:40], []
    for each in (written("litert_int8", output="logits"), content):
        run = Interpreter(model_content=each).get_signature_runner("serving_default")
        [outputs] = run(images=images).values()
        answers.append(outputs)
    logits, probabilities = answers
    powers = np.exp(logits.astype(np.float64))
    np.testing.assert_allclose(probabilities, powers / powers.sum(-1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("format_name", FORMAT_NAMES)
def test_weights_are_aligned(written, format_name):
    content = written(format_name)
    buffers = schema.Model.GetRootAs(content)
    data = [buffers.Buffers(i).DataAsNumpy() for i in range(buffers.BuffersLength())]
    start = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
    places = [each.__array_interface__["data"][0] - start for each in data if not np.isscalar(each)]
    assert len(places) > 10
    assert all(place % 16 == 0 for place in places)


@pytest.mark.parametrize("format_name", FORMAT_NAMES)
def test_metadata_and_labels_are_there_once(written, format_name, tmp_path):
    content = written(format_name)
    model = model_of(content)
    [entry] = [entry for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    metadata = bytes(model.buffers[entry.buffer].data)
    assert metadata[4:8] == b"M001"
    assert b"labels.txt" in metadata
    assert b"Classifies images of the task high, at memory level 2." in model.description
    (tmp_path / "file.zip").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "file.zip") as archive:
        assert sorted(archive.namelist()) == ["description.json", "labels.txt"]
        assert archive.read("labels.txt") == b"5\n6\n7\n8\n9\n"


def test_classes_without_names_have_no_labels(digits, tmp_path):
    [task] = [digits["low"].info]
    nameless = dvn_tf.TaskInfo(task.name, task.num_classes, task.image_shape)
    table = dvn_tf.UnitTable((((1,),),))
    network = dvn_tf.DeepVirtualNetwork([nameless], table, dvn_tf.WideResNet(8, 1))
    write_file("litert", slim_network(network, task.name, 1), tmp_path / "network.tflite")
    assert b"labels.txt" not in (tmp_path / "network.tflite").read_bytes()
    assert FORMATS["litert"].open(tmp_path / "network.tflite")(
        digits["low"].test.images[:2].astype("float32")
    ).shape == (2, 5)


@pytest.mark.parametrize("format_name", FORMAT_NAMES)
def test_the_same_network_gives_the_same_bytes(written, format_name):
    assert written(format_name) == written(format_name)


@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.parametrize("format_name", FORMAT_NAMES)
def test_the_runtime_s_check_accepts_it(written, format_name, output):
    content = written(format_name, output=output)
    check_structure(memoryview(content)[: read_description(content).network_bytes])
