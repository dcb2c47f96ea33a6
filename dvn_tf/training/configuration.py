"""gin files: what they may set, and how they are read.

A gin file sets fields of `Scenario`, `Recipe`, `Task`, the backbones and the methods. An unknown
name is an error, so that a typo is noticed. `gin_files` reads the text as data; here its values
are bound, and gin makes the objects. gin itself reads no text but the imports that the user allows:
it could run any function.
"""

import contextlib
import dataclasses
import importlib
from collections.abc import Sequence

import gin
from dvn_tf import settings
from dvn_tf.data import Task, check_dataset
from dvn_tf.errors import UserError, one_line
from dvn_tf.methods import DVN, METHODS
from dvn_tf.methods.scenario import Scenario
from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.training import gin_files
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.gin_files import GIN_ROOT, Binding, Macro, Reference
from dvn_tf.training.recipe import Recipe
from gin import config as gin_config

# What gin files may set. `experiments.gin_names` reads this tuple from the source.
CONFIGURABLES = (Scenario, Recipe, Task, WideResNet, ResNet, *METHODS, Experiment)
for _configurable in CONFIGURABLES:
    gin.register(module="dvn_tf")(_configurable)

_BUILT_IN = ("gin.macro", "gin.singleton")  # gin.constant would give what other packages define

__all__ = [
    "CONFIGURABLES",
    "GIN_ROOT",
    "import_modules",
    "read_config",
    "read_experiment",
    "read_run_config",
]


def read_config(
    files: Sequence[str], params: Sequence[str] = (), imports: Sequence[str] = ()
) -> tuple[Scenario, Recipe, str]:
    """Reads gin files and single bindings; later ones override earlier ones.

    Args:
        files: paths of gin files, such as "gin/j2_tiny.gin".
        params: bindings such as "Recipe.epochs = 10".
        imports: as for `read_experiment`.

    Returns:
        The scenario, the recipe, and the operative configuration: a gin file with every value
        that was used, including the defaults.

    Raises:
        UserError: if a file is missing or malformed, sets what does not exist, or sets values that
            make no sense.
    """
    experiment = read_experiment(files, params, imports)
    return experiment.scenario, experiment.recipe, experiment.config


def read_experiment(
    files: Sequence[str], params: Sequence[str] = (), imports: Sequence[str] = ()
) -> Experiment:
    """Reads gin files and single bindings; later ones override earlier ones.

    A method's file goes on top of a scenario's: ["gin/j1_cifar.gin", "gin/methods/packnet.gin"].

    Args:
        files: paths of gin files.
        params: bindings such as "Recipe.epochs = 10".
        imports: Python modules that are imported first. The files may import these and no others,
            and may name what these register with gin.

    Raises:
        UserError: as `read_config`.
    """
    return _experiment(gin_files.read_files(files, params, imports), imports)


def read_run_config(path, imports: Sequence[str] = ()) -> Experiment:
    """Reads the config.gin of a run folder, as data: it includes no files and runs nothing.

    Args:
        path: the file.
        imports: as for `read_experiment`.

    Raises:
        UserError: as `read_config`.
    """
    return _experiment(gin_files.read_run_config(path, imports), imports)


def import_modules(imports: Sequence[str]) -> None:
    """Imports modules that the user names, as gin files may then do.

    Raises:
        UserError: if one cannot be imported.
    """
    gin_files.check_module_names(imports)
    for module in imports:
        try:
            with gin.unlock_config():  # the module may register classes
                importlib.import_module(module)
        except Exception as error:  # a module may raise anything
            raise UserError(
                f"cannot import the module {module} (--gin_import): {type(error).__name__}: "
                f"{_first_line(error)}"
            ) from error


def _experiment(read: gin_files.Settings, imports: Sequence[str]) -> Experiment:
    import_modules(imports)
    with gin.unlock_config():
        gin.clear_config()
        try:
            # Only so that gin writes these lines into the operative configuration.
            others = sorted({*imports} - read.imports.keys())
            gin.parse_config([*read.imports.values(), *(f"import {name}" for name in others)])
            for binding in read.bindings:
                _bind(binding, imports)
            gin.finalize()
            experiment = gin.get_configurable(Experiment)(
                scenario=gin.get_configurable(Scenario)(),
                recipe=gin.get_configurable(Recipe)(),
                config="",
                imports=tuple(imports),
                **_default_method(),
            )
            for task in experiment.scenario.tasks:
                check_dataset(task)  # what is registered is registered by now
            config = gin.operative_config_str()
        except UserError as error:
            # gin appends to the message where it came from, on further lines.
            raise UserError(_first_line(error)) from error
        except RecursionError as error:
            raise UserError("cannot use the gin settings: they are nested too deeply") from error
        except (ValueError, TypeError, SyntaxError, RuntimeError, LookupError) as error:
            raise UserError(f"cannot use the gin settings: {one_line(error, 1000)}") from error
    return dataclasses.replace(experiment, config=config)


def _bind(binding: Binding, imports: Sequence[str]) -> None:
    """Binds a value in gin, after checking what it names and the value itself."""
    value = _resolved(binding.value, imports, binding.where)
    if not binding.field and not binding.is_block:
        name = "/".join(filter(None, (binding.scope, binding.selector)))
        key = (name, "gin.macro", "value")
    else:
        key = (binding.scope, binding.selector, binding.field)
        cls = _checked_name(binding.selector, imports, binding.where).wrapped
        if binding.is_block:
            return
        if cls is Experiment and binding.field not in ("method", "variant"):
            raise UserError(
                f"Experiment.{binding.field} cannot be set: set fields of Scenario and Recipe, "
                f"Experiment.method or Experiment.variant ({binding.where})"
            )
        hint = settings.field_hints(cls).get(binding.field) if cls in CONFIGURABLES else None
        if hint is not None:  # also of a class that no other setting names, and that is never made
            with contextlib.suppress(_Unknown):
                settings.checked(hint, _stand_in(binding.value), f"{cls.__name__}.{binding.field}")
    try:
        gin.bind_parameter(key, value)
    except (ValueError, LookupError) as error:
        raise UserError(f"{_first_line(error)} ({binding.where})") from error


def _checked_name(name: str, imports: Sequence[str], where: str) -> gin_config.Configurable:
    """What gin knows by a name, after checking that gin files may name it."""
    try:
        found = gin_config.ConfigurableReference(name, False).configurable
    except (ValueError, LookupError) as error:
        raise UserError(f"{_first_line(error)} ({where})") from error
    if found.wrapped in CONFIGURABLES or found.selector in _BUILT_IN:
        return found
    modules = (found.wrapped.__module__, found.module or "")
    if any(f"{module}.".startswith(f"{allowed}.") for module in modules for allowed in imports):
        return found
    raise UserError(
        f"{name} is registered by the module {modules[0]}, which gin files may not use ({where}): "
        f"if you trust it, add --gin_import={modules[0]} (in Python, imports={[modules[0]]})"
    )


class _Unknown(Exception):
    """What a value will be is known only when gin makes it."""


def _stand_in(value):
    """A value with an object of the right class in place of each reference to a class.

    Raises:
        _Unknown: if it has a macro, or a reference to a function.
    """
    match value:
        case Macro():
            raise _Unknown
        case Reference(name, evaluate):
            wrapped = gin_config.ConfigurableReference(name, evaluate).configurable.wrapped
            if not isinstance(wrapped, type):
                raise _Unknown
            text = f"@{name}()" if evaluate else f"@{name}, which lacks ()"
            bases = (wrapped,) if evaluate else ()
            return object.__new__(type(name, bases, {"__repr__": lambda self: text}))
        case list() | tuple():
            return type(value)(map(_stand_in, value))
    return value


def _resolved(value, imports: Sequence[str], where: str):
    """A value with gin's own references."""
    match value:
        case Macro(name):
            return gin_config.ConfigurableReference(f"{name}/gin.macro", True)
        case Reference(name, evaluate):
            _checked_name(name.rpartition("/")[2], imports, where)
            return gin_config.ConfigurableReference(name, evaluate)
        case list() | tuple():
            return type(value)(_resolved(item, imports, where) for item in value)
        case dict():
            return {
                _resolved(key, imports, where): _resolved(item, imports, where)
                for key, item in value.items()
            }
    return value


def _default_method() -> dict:
    """The method where no file chooses one; made by gin, so that its settings can be bound."""
    try:
        gin.query_parameter("Experiment.method")
    except ValueError:
        return {"method": gin.get_configurable(DVN)()}
    return {}


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
