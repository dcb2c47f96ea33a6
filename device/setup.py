"""The distribution for the device: `pip install ./device`, from a checkout.

It has the package `dvn_runtime` alone, so that it installs neither TensorFlow nor Keras. Do not
install it beside the main distribution, which has `dvn_runtime` too.
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
    extras_require={"sign": ["cryptography"]},
)
