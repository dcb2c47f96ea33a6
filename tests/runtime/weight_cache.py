"""What XNNPACK's weight cache gives and risks; prints the figures of docs/speed.md.

    python tests/runtime/weight_cache.py NETWORK.tflite OTHER.tflite

runs the first network without a cache, with one that is written, read, and damaged, and with that
of the other network, each in a process of its own. Both networks have the same shape.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np


def main(network: str, other: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        own, others = (pathlib.Path(folder, name) for name in ("own", "others"))
        plain = _ask(network, "")
        _print("without a cache", plain, plain)
        _print("cache written", _ask(network, own), plain)
        _print("cache read", _ask(network, own), plain)
        content = bytearray(own.read_bytes())
        middle = len(content) // 2
        content[middle : middle + 1000] = b"\xff" * 1000
        own.write_bytes(content)
        _print("cache damaged", _ask(network, own), plain)
        _ask(other, others)
        _print("cache of another network", _ask(network, others), plain)


def _ask(network: str, cache) -> dict:
    command = [sys.executable, __file__, "--one", network, str(cache)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def _print(case: str, found: dict, plain: dict) -> None:
    difference = np.abs(np.subtract(found["answers"], plain["answers"])).max()
    print(
        f"{case:<25}{found['grown']:7.1f} MB more, {found['own']:6.1f} MB of these its own, loaded "
        f"in {found['load']:6.1f} ms, answers differ by {difference:.2g}"
    )


def _one(network: str, cache: str) -> None:
    """Runs a network in this process, on one thread, and prints what that takes and gives."""
    from ai_edge_litert.compiled_model import CompiledModel, CpuOptions, Options
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator

    before = _memory()
    cpu = CpuOptions(num_threads=1, xnnpack_weight_cache_path=cache)
    options = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=cpu)
    started = time.perf_counter()
    model = CompiledModel.from_file(network, options=options)
    seconds = time.perf_counter() - started
    [taken], [given] = model.create_input_buffers(0), model.create_output_buffers(0)
    signature = next(iter(model.get_signature_list()))
    [[shape, dtype]] = [
        (port["shape"], port["dtype"])
        for port in model.get_input_tensor_details(signature).values()
    ]
    [classes] = [p["shape"][-1] for p in model.get_output_tensor_details(signature).values()]
    taken.write(np.random.default_rng(0).integers(0, 256, shape).astype(dtype))
    model.run_by_index(0, [taken], [given])
    grown, own = (1e-6 * (now - then) for now, then in zip(_memory(), before, strict=True))
    answers = given.read(int(classes), np.float32).tolist()
    print(json.dumps({"grown": grown, "own": own, "load": 1e3 * seconds, "answers": answers}))


def _memory() -> tuple[int, int]:
    """The resident bytes of this process, and those of them that are not pages of files."""
    lines = pathlib.Path("/proc/self/smaps_rollup").read_text().splitlines()
    found = dict(line.split(":", 1) for line in lines if ":" in line)
    return tuple(1024 * int(found[key].split()[0]) for key in ("Rss", "Anonymous"))


if __name__ == "__main__":
    _one(*sys.argv[2:]) if sys.argv[1] == "--one" else main(*sys.argv[1:])
