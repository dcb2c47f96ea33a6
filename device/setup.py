"""The small distribution for the device: `pip install ./device`, from a checkout.

The package `dvn_runtime` of the main distribution by itself, so that neither TensorFlow nor Keras
is installed. Install one of the two distributions in an environment: both own its files.
"""

import pathlib
import re

from setuptools import setup

ROOT = pathlib.Path(__file__).resolve().parents[1]
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "dvn_tf/__init__.py").read_text())[1]

setup(
    name="dvn-tf-runtime",
    version=VERSION,
    description="Inference of Deep Virtual Networks under a memory budget, for the device",
    python_requires=">=3.11",
    package_dir={"dvn_runtime": "../dvn_runtime"},
    packages=["dvn_runtime"],
    package_data={"dvn_runtime": ["py.typed"]},
    install_requires=["ai-edge-litert", "numpy", "pillow"],
)
