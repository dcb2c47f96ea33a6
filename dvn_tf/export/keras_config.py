"""Configurations of Keras objects that earlier versions of Keras understand."""

import importlib
import inspect
from collections.abc import Mapping


def without_defaults(config):
    """Leaves arguments at their defaults out of a configuration.

    A version of Keras refuses arguments that it does not know, even if they change nothing: files
    of Keras 3.15 name `input_axes` of `GlorotUniform`, which came with it.

    Args:
        config: what `get_config` of Keras objects gives, as JSON holds it.

    Returns:
        The configuration of the same objects, for all versions that have the other arguments.
    """
    if isinstance(config, list):
        return [without_defaults(value) for value in config]
    if not isinstance(config, Mapping):
        return config
    shorter = {key: without_defaults(value) for key, value in config.items()}
    if {"module", "class_name", "config"} <= shorter.keys():
        defaults = _defaults(shorter["module"], shorter["class_name"])
        shorter["config"] = {
            key: value
            for key, value in (shorter["config"] or {}).items()
            if key not in defaults or defaults[key] != value
        }
    return shorter


def _defaults(module: str | None, name: str) -> dict:
    """The default values of a Keras class's arguments, as JSON holds them."""
    if not (module or "").startswith("keras"):
        return {}
    kind = getattr(importlib.import_module(module), name)
    return {
        parameter.name: list(default) if isinstance(default, tuple) else default
        for parameter in inspect.signature(kind.__init__).parameters.values()
        if (default := parameter.default) is not inspect.Parameter.empty
    }
