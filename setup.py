"""Metadata of the distribution; tool settings are in pyproject.toml."""

import pathlib
import re

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "dvn_tf/__init__.py").read_text())[1]

# What writes and runs ONNX, and what runs LiteRT. The formats keras and tf_saved_model need none.
EXPORT = ["ai-edge-litert", "onnx", "onnxruntime", "tf2onnx"]
JAX = ["jax>=0.7"]  # the other backend of Keras, on which several devices work together
SIGN = ["cryptography"]  # what signs exports and checks signatures
CLUSTER = ["jax", "submitit"]  # several devices and machines; many runs on a cluster

setup(
    name="dvn_tf",
    version=VERSION,
    description="Deep Virtual Networks: one network, several tasks, each at several memory levels",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    keywords=[
        "deep learning",
        "keras",
        "tensorflow",
        "multi-task learning",
        "continual learning",
        "model compression",
        "memory-efficient inference",
        "edge devices",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["dvn_tf", "dvn_tf.*", "dvn_runtime", "experiments"]),
        "dvn_tf.gin",
    ],
    # A wheel holds the gin files inside the library: a package `gin` would hide gin-config.
    package_dir={"dvn_tf.gin": "gin"},
    package_data={
        "": ["*.csv", "py.typed"],
        "dvn_tf.gin": ["**/*.gin"],
        "dvn_tf.demo": ["static/*"],
    },
    install_requires=[
        "absl-py",
        "filelock>=3.16",
        "gin-config>=0.5",
        "importlib_resources",  # tensorflow-datasets needs it and does not ask for it
        "keras>=3.13",  # the first whose Model.export writes LiteRT, which the latency tables time
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
        "tqdm",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.19"],
        "jax": JAX,
        "jax-gpu": ["jax[cuda12]>=0.7"],
        "export": EXPORT,
        "sign": SIGN,
        "cluster": CLUSTER,
        "test": [
            *CLUSTER,
            *EXPORT,
            *JAX,
            *SIGN,
            "hypothesis",
            "markdown-it-py",
            "playwright",
            "pytest",
            "pytest-xdist",
            "pyyaml",
            "ruff",
        ],
    },
)
