"""Small export folders, as the exporter writes them, with answers computed by Keras."""

import dataclasses
import hashlib
import json
import pathlib
import zipfile

import numpy as np


@dataclasses.dataclass
class Export:
    """An export folder and what its networks must answer.

    Attributes:
        folder: holds the manifest and the files.
        images: {task: uint8 images}.
        answers: {(task, level): probabilities by Keras}, of the float networks.
    """

    folder: pathlib.Path
    images: dict
    answers: dict

    def manifest(self) -> dict:
        return json.loads((self.folder / "manifest.json").read_text())

    def write_manifest(self, manifest) -> None:
        (self.folder / "manifest.json").write_text(json.dumps(manifest))

    def entry(self, task, level, format="litert") -> dict:
        """The manifest's entry of one network."""
        wanted = {"task": task, "level": level, "format": format}
        return next(f for f in self.manifest()["files"] if wanted.items() <= f.items())

    def path(self, task, level) -> pathlib.Path:
        return self.folder / self.entry(task, level)["file"]

    def rewrite(self, entry, network=None, manifest_says=(), **description) -> None:
        """Writes another network or description into a file; the manifest vouches for it.

        Args:
            entry: of the file, in the manifest.
            network: another network; None keeps the file's own.
            manifest_says: further changes of the entry.
            **description: changes of the description; a value of None removes a key.
        """
        path = self.folder / entry["file"]
        with zipfile.ZipFile(path) as archive:
            before = json.loads(archive.read("description.json"))
            end = min(member.header_offset for member in archive.infolist())
        network = path.read_bytes()[:end] if network is None else network
        described = before | {"network_sha256": sha256(network)} | description
        described = {key: value for key, value in described.items() if value is not None}
        facts = write_described(path, network, described) | dict(manifest_says)
        manifest = self.manifest()
        for listed in manifest["files"]:
            if listed["file"] == entry["file"]:
                listed.update(facts)
        self.write_manifest(manifest)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_described(path, network: bytes, description: dict) -> dict:
    """Writes a network and its description as the exporter does; gives the manifest's facts."""
    path.write_bytes(network)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo("description.json"), json.dumps(description))
        archive.writestr(zipfile.ZipInfo("labels.txt"), "\n".join(description["class_names"]))
    content = path.read_bytes()
    return {
        "bytes": len(content),
        "sha256": sha256(content),
        "network_sha256": sha256(network),
    }


def _keras_network(shape, classes, width, depth, softmax):
    import keras

    inputs = keras.Input(shape)
    x = keras.layers.Rescaling(1 / 128, -1)(inputs)
    x = keras.layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(x)
    for _ in range(depth):
        x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    # Large weights, so that the levels answer differently.
    head = keras.layers.Dense(classes, kernel_initializer=keras.initializers.RandomNormal(0, 3))
    x = head(x)
    return keras.Model(inputs, keras.layers.Softmax()(x) if softmax else x)


def _litert(model, images=None) -> bytes:
    """Float bytes, or with images full int8 that takes and gives uint8."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if images is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([i[None].astype("float32")] for i in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    return converter.convert()


def write_export(folder, tasks, depth=1, int8=False) -> Export:
    """Writes an export folder of untrained networks.

    Args:
        folder: to write to.
        tasks: {name: (image shape, number of classes, widths by level, accuracies by level,
            "logits" or "probabilities")}.
        depth: number of convolutions after the first.
        int8: whether the quantized networks are written too.
    """
    import keras

    from dvn_tf.export.litert_network import finished
    from dvn_tf.export.metadata import network_metadata
    from dvn_tf.tasks import TaskInfo

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    export = Export(folder, {}, {})
    files, infos = [], {}
    for task, (shape, classes, widths, accuracies, output) in tasks.items():
        images = rng.integers(0, 256, (6, *shape), dtype=np.uint8)
        export.images[task] = images
        names = [f"{task} {label}" for label in range(classes)]
        info = TaskInfo(task, classes, shape, class_names=names)
        infos[task] = {
            "image_shape": list(shape),
            "mean": [127.5],
            "std": [127.5],
            "num_classes": classes,
            "class_names": names,
        }
        for level, (width, accuracy) in enumerate(zip(widths, accuracies, strict=True), start=1):
            model = _keras_network(shape, classes, width, depth, output == "probabilities")
            answers = model.predict(images.astype("float32"), verbose=0)
            if output == "logits":
                answers = keras.ops.convert_to_numpy(keras.ops.softmax(answers))
            export.answers[task, level] = answers
            for format in ("litert", "litert_int8") if int8 else ("litert",):
                quantized = format == "litert_int8"
                units, dtype = range(1, level + 1), "uint8" if quantized else "float32"
                description = network_metadata(info, level, units, dtype, output)
                network = _litert(model, images if quantized else None)
                network = finished(network, f"{task}_level{level}", description)
                file = f"{format}/{task}_level{level}.tflite"
                (folder / format).mkdir(parents=True, exist_ok=True)
                keys = ("task", "level", "units", "input", "output")
                description["network_sha256"] = sha256(network)
                facts = write_described(folder / file, network, description)
                files.append(
                    {
                        "file": file,
                        "format": format,
                        **{key: description[key] for key in keys},
                        "parameters": model.count_params(),
                        "parameters_paper": model.count_params() // 2,
                        "accuracy": accuracy,
                        "test_examples": 1000,
                        **facts,
                    }
                )
    manifest = {
        "format_version": 1,
        "scenario": "test",
        "method": "dvn",
        "seed": 0,
        "backbone": "test",
        "tasks": infos,
        "files": files,
    }
    export.write_manifest(manifest)
    return export
