"""Reads a plan of runs from its TOML file, and checks it; see `experiments.plans`."""

import os
import tomllib

from dvn_runtime.errors import UserError
from experiments import plans

PROGRAMS = ("joint", "sequential")


def read_plan(path: str | os.PathLike) -> plans.Plan:
    """Reads a plan.

    Args:
        path: a TOML file.

    Raises:
        UserError: if it is missing or malformed, or names what it does not define.
    """
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise UserError(f"cannot read the plan {path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no TOML file: {error}") from None
    try:
        _only(content, "studies", "steps")
        studies = {name: _study(facts) for name, facts in content["studies"].items()}
        steps = tuple(plans.Step(**facts) for facts in content["steps"])
        plan = plans.Plan(studies, steps)
        _check(plan)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no plan: {error} (see experiments/plans.py)") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return plan


def _study(facts: dict) -> plans.Study:
    arms = {name: plans.Arm(**settings) for name, settings in facts["arms"].items()}
    return plans.Study(**{**facts, "arms": arms})


def _only(content: dict, *names: str) -> None:
    if unknown := sorted(content.keys() - {*names}):
        raise UserError(f"there is no setting {unknown[0]!r} of a plan: leave it out")


def _check(plan: plans.Plan) -> None:
    for name, study in plan.studies.items():
        if study.program not in PROGRAMS:
            raise UserError(f"study {name}: the program must be one of {', '.join(PROGRAMS)}")
        if name == "search":
            raise UserError("a study cannot be named 'search', the folder of all searches")
        for arm in study.arms:
            _check_rates(f"study {name}, arm {arm}", study, study.arms[arm])
    for step in plan.steps:
        study = plan.studies.get(step.study)
        if study is None:
            raise UserError(f"a step names the study {step.study!r}, which is not there")
        if unknown := [arm for arm in step.arms if arm not in study.arms]:
            raise UserError(f"a step names arm {unknown[0]!r}, which study {step.study} lacks")
        if any(type(seed) is not int or seed < 0 for seed in step.seeds):
            raise UserError(f"a step of study {step.study} has seeds that are no whole numbers")
        if study.search_seed in step.seeds:
            raise UserError(
                f"study {step.study} uses seed {study.search_seed} for its searches: a run with "
                "it would not be independent of them, so choose another"
            )


def _check_rates(where: str, study: plans.Study, arm: plans.Arm) -> None:
    rates = study.rates if arm.rate is None else [arm.rate]
    if not rates or not all(isinstance(rate, float) and rate > 0 for rate in rates):
        raise UserError(f"{where}: give positive rates, such as 0.05")
    if (len(rates) > 1 or arm.choices) and type(study.search_seed) is not int:
        raise UserError(f"{where}: a search needs a search_seed, a whole number")
    if arm.rate_of is None:
        return
    other = study.arms.get(arm.rate_of)
    if other is None or other.rate_of is not None:
        raise UserError(f"{where}: rate_of names no arm with a search of its own")
    if arm.choices or arm.rate is not None:
        raise UserError(f"{where}: rate_of excludes rate and choices")
