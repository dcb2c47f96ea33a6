"""Metadata of the package; tool settings are in pyproject.toml."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "dvn_tf/__init__.py").read_text())[1]

EXPORT = ["ai-edge-litert", "onnx", "onnxruntime", "tf2onnx"]

setup(
    name="dvn_tf",
    version=VERSION,
    description="Deep Virtual Networks: one network, several tasks, each at several memory levels",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=find_packages(include=["dvn_tf*", "dvn_runtime*", "experiments*"]),
    package_data={"dvn_tf.comparison": ["*.csv"]},
    install_requires=[
        "absl-py",
        "gin-config>=0.5",
        "importlib_resources",  # tensorflow-datasets prepares data with it, and does not ask for it
        "keras>=3.12",
        "matplotlib",
        "numpy",
        "pandas>=2.2",
        "pillow",
        "requests",
        "scikit-learn",
        "scipy",
        "tensorboard>=2.19",
        "tensorflow>=2.19",
        "tensorflow-datasets>=4.9.7",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.19"],
        # What writes and runs ONNX, and runs LiteRT; the formats keras and tf_saved_model
        # need none of it.
        "export": EXPORT,
        "test": [*EXPORT, "hypothesis", "jax", "markdown-it-py", "pytest", "ruff"],
    },
)
