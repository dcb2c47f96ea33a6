"""The small distribution for the device: `pip install ./device`, from a checkout.

The same sources as the main distribution's, of which it takes only what `dvn_tf.runtime` needs;
so that neither TensorFlow nor Keras is installed. Install one of the two distributions in an
environment, never both: they own the same files.
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
    package_dir={"dvn_tf": "../dvn_tf", "experiments": "../experiments"},
    packages=["dvn_tf.runtime"],
    # Single modules, so that the rest of their packages stays away.
    py_modules=["dvn_tf.__init__", "dvn_tf.errors", "experiments.__init__", "experiments.predict"],
    install_requires=["ai-edge-litert", "numpy", "pillow"],
)
