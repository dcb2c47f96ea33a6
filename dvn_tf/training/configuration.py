"""gin files: what they may set, and how they are read.

No other module of the library knows gin. A gin file sets fields of `Scenario`, `Recipe`, `Task`,
the backbones and the methods. An unknown name is an error, so that a typo is noticed.
"""

import contextlib
import dataclasses
import logging
import pathlib
import tokenize
from collections.abc import Iterator, Sequence

import gin
from dvn_tf.data import Task
from dvn_tf.errors import UserError
from dvn_tf.methods import DVN, METHODS, Method
from dvn_tf.methods.scenario import Scenario
from dvn_tf.networks.backbones import ResNet, WideResNet
from dvn_tf.training.experiment import Experiment
from dvn_tf.training.recipe import Recipe
from gin import resource_reader

# What gin files may set. `experiments.gin_names` reads this tuple from the source.
CONFIGURABLES = (Scenario, Recipe, Task, WideResNet, ResNet, *METHODS, Experiment)
for _configurable in CONFIGURABLES:
    gin.register(module="dvn_tf")(_configurable)

_LIBRARY = pathlib.Path(__file__).resolve().parents[1]
# Where to look for "gin/j1_cifar.gin" if the current folder has no such file. The gin files lie
# beside the library in a checkout, and inside it in a wheel.
GIN_ROOT = _LIBRARY if (_LIBRARY / "gin").is_dir() else _LIBRARY.parent
gin.add_config_file_search_path(str(GIN_ROOT))


def read_config(files: Sequence[str], params: Sequence[str] = ()) -> tuple[Scenario, Recipe, str]:
    """Reads gin files and single bindings; later ones override earlier ones.

    Args:
        files: paths of gin files, such as "gin/j2_tiny.gin".
        params: bindings such as "Recipe.epochs = 10".

    Returns:
        The scenario, the recipe, and the operative configuration: a gin file with every value
        that was used, including the defaults.

    Raises:
        UserError: if a file is missing or malformed, sets what does not exist, or sets values that
            make no sense.
    """
    experiment = read_experiment(files, params)
    return experiment.scenario, experiment.recipe, experiment.config


def read_experiment(files: Sequence[str], params: Sequence[str] = ()) -> Experiment:
    """Reads gin files and single bindings; later ones override earlier ones.

    A method's file goes on top of a scenario's: ["gin/j1_cifar.gin", "gin/methods/packnet.gin"].

    Args:
        files: paths of gin files.
        params: bindings such as "Recipe.epochs = 10".

    Raises:
        UserError: as `read_config`.
    """
    if not files:
        raise UserError("no gin file: pass one, as in --gin_file=gin/quickstart.gin")
    with gin.unlock_config(), _without_search_log():
        gin.clear_config()
        try:
            gin.parse_config_files_and_bindings(list(files), list(params), skip_unknown=False)
            experiment = gin.get_configurable(Experiment)(
                scenario=gin.get_configurable(Scenario)(),
                recipe=gin.get_configurable(Recipe)(),
                config="",
                **_default_method(),
            )
        except UserError as error:
            # gin appends to the message where it came from, on further lines.
            raise UserError(_first_line(error)) from error
        except OSError as error:
            raise UserError(f"cannot read the gin files: {_first_line(error)}") from error
        except (
            ValueError,
            TypeError,
            SyntaxError,
            RuntimeError,
            LookupError,
            tokenize.TokenError,
        ) as error:
            raise UserError(
                f"cannot use the gin settings: {' '.join(str(error).split())}"
            ) from error
    if not isinstance(experiment.method, Method):
        raise UserError(
            f"Experiment.method must be a method such as @DVN(), not {experiment.method!r}"
        )
    return dataclasses.replace(experiment, config=gin.operative_config_str())


@contextlib.contextmanager
def _without_search_log() -> Iterator[None]:
    """Drops the errors that gin logs for each place where it does not find a file."""

    def is_other(record: logging.LogRecord) -> bool:
        return record.pathname != resource_reader.__file__

    logging.getLogger().addFilter(is_other)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(is_other)


def _default_method() -> dict:
    """The method where no file chooses one; made by gin, so that its settings can be bound."""
    try:
        gin.query_parameter("Experiment.method")
    except ValueError:
        return {"method": gin.get_configurable(DVN)()}
    return {}


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))
