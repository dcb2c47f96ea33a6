"""One exported network in memory: checked when loaded, safe to share between threads."""

import hashlib
import numbers
import pathlib
import threading

import numpy as np

from dvn_runtime.description import check_description, read_description
from dvn_runtime.errors import RefusedFileError, UserError, shown, was_interrupted
from dvn_runtime.files import read_bytes
from dvn_runtime.manifest import ExportedNetwork, ExportedTask
from dvn_runtime.process import return_memory
from dvn_runtime.resident import NetworkMemory, memory_facts
from dvn_runtime.structure import check_structure

_MOST_THREADS = 128
_MOST_IMAGES = 4096


def import_litert():
    """LiteRT's interpreter module, imported on first use: a training machine may lack it.

    Raises:
        UserError: if it is not installed.
    """
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        if was_interrupted(error):
            raise KeyboardInterrupt from error
        raise UserError(
            "LiteRT, which runs the networks, is not installed: pip install ai-edge-litert"
        ) from error
    return interpreter


def checked_threads(num_threads) -> int:
    """A number of CPU threads, checked: LiteRT crashes or refuses every file for others.

    Args:
        num_threads: a whole number from 1 to 128.

    Raises:
        UserError: if it is something else.
    """
    return _checked_number("num_threads", num_threads, _MOST_THREADS)


def checked_batch_size(batch_size) -> int:
    """A number of images that run at once, checked.

    Args:
        batch_size: a whole number from 1 to 4096.

    Raises:
        UserError: if it is something else.
    """
    return _checked_number("batch_size", batch_size, _MOST_IMAGES)


def _checked_number(name: str, number, most: int) -> int:
    whole = isinstance(number, numbers.Integral) and not isinstance(number, bool)
    if not whole or not 1 <= number <= most:
        raise UserError(f"{name} must be a whole number from 1 to {most}, not {shown(number)}")
    return int(number)


class LoadedNetwork:
    """A LiteRT network that classifies images; threads may share it.

    Args:
        network: its entry in the manifest.
        task: its task.
        content: the bytes of the file, already checked.
        num_threads: CPU threads of a prediction.
        pack_weights: whether XNNPACK runs the network; see `BudgetedPredictor`.
        batch_size: images that run at once; working memory grows with it.

    Raises:
        RefusedFileError: if LiteRT cannot load the bytes, or if the network's input or output
            is not what the manifest says.
        UserError: if LiteRT is not installed, or a number is out of range.
    """

    def __init__(
        self,
        network: ExportedNetwork,
        task: ExportedTask,
        content: bytes,
        num_threads: int = 1,
        pack_weights: bool = True,
        batch_size: int = 1,
    ):
        self.network = network
        num_threads = checked_threads(num_threads)
        self._batch_size = checked_batch_size(batch_size)
        litert = import_litert()
        resolvers = litert.OpResolverType
        resolver = resolvers.AUTO if pack_weights else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            self._interpreter = litert.Interpreter(
                model_content=content,
                num_threads=num_threads,
                experimental_op_resolver_type=resolver,
            )
            inputs = self._interpreter.get_input_details()
            if self._batch_size > 1:
                for port in inputs:
                    shape = [self._batch_size, *port["shape"][1:]]
                    self._interpreter.resize_tensor_input(port["index"], shape)
            self._interpreter.allocate_tensors()
            inputs = self._interpreter.get_input_details()
            outputs = self._interpreter.get_output_details()
        except Exception as error:  # it raises errors of many kinds
            raise refusal(network, "load", error) from None
        shape = (self._batch_size, *task.image_shape)
        self._input = self._port("input", inputs, shape, network.dtype)
        self._output = self._port("output", outputs, (self._batch_size, task.num_classes), None)
        self._lock = threading.Lock()  # an Interpreter must not be shared between threads

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Classifies images, `batch_size` at a time: memory does not grow with their number.

        Args:
            images: (n, height, width, channels), pixels 0..255.

        Returns:
            Probabilities, float32, (n, classes).

        Raises:
            RefusedFileError: if LiteRT cannot run the network.
        """
        outputs = np.empty((len(images), self._output["shape"][1]), np.float32)
        for start in range(0, len(images), self._batch_size):
            batch = images[start : start + self._batch_size]
            count = len(batch)
            if count < self._batch_size:
                batch = np.resize(batch, (self._batch_size, *batch.shape[1:]))
            pixels = _quantize(batch, self._input)
            try:
                answers = _dequantize(self._invoke(pixels), self._output)
                outputs[start : start + count] = answers[:count]
            except MemoryError:  # not the file's fault
                raise UserError("there is not enough memory to classify an image") from None
            except Exception as error:  # the interpreter raises errors of many kinds
                raise refusal(self.network, "run", error) from None
        return softmax(outputs) if self.network.output == "logits" else outputs

    def close(self) -> None:
        """Frees the network. No prediction may be running, and none may follow."""
        self._interpreter = None
        return_memory()

    def _invoke(self, pixels: np.ndarray) -> np.ndarray:
        with self._lock:
            self._interpreter.set_tensor(self._input["index"], pixels)
            self._interpreter.invoke()
            return self._interpreter.get_tensor(self._output["index"])

    def _port(
        self, kind: str, ports: list[dict], shape: tuple[int, ...], dtype: str | None
    ) -> dict:
        """The network's only input or output, checked against the manifest."""
        found = [f"{np.dtype(port['dtype'])} {tuple(port['shape'].tolist())}" for port in ports]
        expected = [f"{dtype or np.dtype(ports[0]['dtype'])} {shape}"] if ports else ["one"]
        if found != expected:
            raise RefusedFileError(
                f"{self.network.file}: its {kind} is {' and '.join(found)}, but the manifest "
                f"says {expected[0]}"
            )
        return ports[0]


def open_network(
    folder: pathlib.Path, network: ExportedNetwork, task: ExportedTask, **options
) -> LoadedNetwork:
    """Loads a file of an export folder after checking that it is what the manifest says.

    The file is read, not mapped into memory: a mapped file could change after the check, and
    would kill the process if it were cut short. Reading takes no more resident memory, since
    loading a mapped file touches all of its pages, too.

    Args:
        folder: the export folder.
        network: the file's entry in the manifest.
        task: its task.
        **options: `num_threads`, `pack_weights` and `batch_size` of `LoadedNetwork`.

    Raises:
        RefusedFileError: if the file is missing, damaged, or another network.
    """
    content = read_network(folder, network, task)
    return LoadedNetwork(network, task, content, **options)


def estimate_memory(
    folder: pathlib.Path, network: ExportedNetwork, task: ExportedTask
) -> NetworkMemory:
    """The memory that a network takes: as the manifest says, or told from its file.

    Args:
        folder: the export folder.
        network: the file's entry in the manifest.
        task: its task.

    Raises:
        RefusedFileError: if the manifest does not say it, and the file is refused.
    """
    if network.memory is not None:
        return network.memory
    content = read_network(folder, network, task)
    try:
        return NetworkMemory(**memory_facts(content))
    finally:
        del content
        return_memory()


def read_network(
    folder: pathlib.Path,
    network: ExportedNetwork,
    task: ExportedTask,
    ports: tuple[int, int] = (1, 1),
) -> bytes:
    """Reads a file of an export folder, which must be what the manifest says.

    Args:
        folder: the export folder.
        network: the file's entry in the manifest.
        task: its task.
        ports: how many inputs and outputs it must have.

    Raises:
        RefusedFileError: if the file is missing, damaged, or another network.
    """
    path = folder / network.file
    try:
        # Again, because the folder may have changed since the manifest was read.
        if not path.resolve().is_relative_to(folder.resolve()):
            raise RefusedFileError(f"{network.file}: its links lead out of the export folder")
        # Size first, to refuse a file that has grown to gigabytes without reading it.
        size = path.stat().st_size if path.is_file() else None
        content = read_bytes(path, size) if size == network.bytes else b""
    except RefusedFileError:
        raise
    except (UserError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        raise RefusedFileError(f"{network.file}: {error}") from None
    except OSError as error:
        raise RefusedFileError(f"{network.file}: cannot read it: {error.strerror}") from None
    if size is None:
        raise RefusedFileError(f"{network.file}: the file is missing")
    if size != network.bytes or len(content) != network.bytes:
        raise RefusedFileError(
            f"{network.file}: it has {size:,} bytes, but the manifest says {network.bytes:,}"
        )
    if hashlib.sha256(content).hexdigest() != network.sha256:
        raise RefusedFileError(
            f"{network.file}: its SHA-256 is not that in the manifest: the file is damaged, or "
            "another one"
        )
    try:
        description = read_description(content)
        check_description(description, content, network, task)
        check_structure(memoryview(content)[: description.network_bytes], *ports)
    except UserError as error:
        raise RefusedFileError(f"{network.file}: {error}") from None
    return content


def refusal(network: ExportedNetwork, what: str, error: Exception) -> RefusedFileError:
    """The error for a file that LiteRT cannot load or run."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return RefusedFileError(f"{network.file}: LiteRT cannot {what} it: {reason:.300}")


def _quantize(pixels: np.ndarray, port: dict) -> np.ndarray:
    """Pixels in the dtype, scale and zero point of the network's input."""
    dtype = np.dtype(port["dtype"])
    if dtype.kind == "f":
        return pixels.astype(dtype)
    scale, zero_point = port["quantization"]
    limits = np.iinfo(dtype)
    steps = np.rint(pixels.astype(np.float32) / (scale or 1)) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def _dequantize(output: np.ndarray, port: dict) -> np.ndarray:
    """The real values that a network's quantized output stands for."""
    if output.dtype.kind == "f":
        return output
    scale, zero_point = port["quantization"]
    return (output.astype(np.float32) - zero_point) * (scale or 1)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities, (n, classes), from logits of the same shape."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(axis=-1, keepdims=True)
