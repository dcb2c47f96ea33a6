"""Draws settings that must be refused, from the annotations of what gin files may set.

The annotations say which kinds and ranges are right; what is wrong is listed here for each kind.
"""

import collections.abc
import random
import types
import typing

from dvn_tf import settings
from dvn_tf.training.configuration import CONFIGURABLES

_NUMBERS = ("True", "False", "'1'", "b'1'", "3j", "(1,)", "[]", "{}", "{'a': 1}", "1e999", "-1e999")
_DEEP = ("[" * 40 + "]" * 40, "(" * 4000 + "1" + ",)" * 4000)
# {kind: values of other kinds, in gin's syntax}
_OTHERS = {
    int: (*_NUMBERS, "8.0", "1.5", "'8'", "1e3", "@Recipe()", "@DVN"),
    float: (*_NUMBERS, "'0.5'", "'nan'", "@Recipe()", "@DVN", "1" + "0" * 400),
    bool: ("0", "1", "1.0", "'True'", "'False'", "'no'", "()", "(True,)", "{}", "@DVN()"),
    str: ("3", "True", "1.5", "b'text'", "('a',)", "[]", "{}", r"'a\x00b'", r"'\ud800'", "@DVN()"),
    collections.abc.Sequence: ("3", "True", "0.5", "1.5", "{}", "{1: 2}", "b'ab'", "@Recipe()"),
    object: ("3", "True", "'text'", "()", "{}", "1.5", "@Recipe()", "@Recipe", "['x']"),
}
# Bindings that are wrong for another reason than their value's kind.
_BINDINGS = (
    "Recipe.epoch = 3",
    "Recipes.epochs = 3",
    "Recipe.epochs = %no_such_macro",
    "loop = %loop\nRecipe.epochs = %loop",
    "Recipe.epochs = @os.system()",
    "import os",
    "from __gin__ import dynamic_registration",
    "include 'no/such/file.gin'",
    "include '/dev/zero'",
    "include '/'",
    "Recipe.epochs = ",
    "Recipe.epochs 3",
    "Recipe.epochs = 3 4",
    "Recipe.epochs = three",
    "Recipe.dtype = 'float32",
    "{[1]: 2} = 3",
    "Task.dataset = {[]: 1}",
    "Scenario.name = @gin.constant()",
    "low/Task.classes = '0-99999999999'",
    "low/Task.classes = '4-0'",
    "low/Task.classes = (0, 0)",
    "Scenario.rows = (((1,), (1, 999999999)), ((2,), (1, 2)))",
    "Scenario.rows = (((1,), (1, 2)),)",
    "Scenario.fractions = (0.999999, 0.000001)",
    "Scenario.num_units = 256",
    "Scenario.tasks = [@low/Task(), @low/Task()]",
    "Scenario.name = '../up'",
    "Scenario.name = '/absolute'",
    "Scenario.name = '..'",
    "Task.dataset = 'kaggle:anything'",
    "Task.dataset = 'huggingface:anything'",
    "Recipe.warmup_epochs = 100000",
    "Recipe.milestones = (0.8, 0.2)",
    "WideResNet.depth = 9",
    "WideResNet.depth = 992\nWideResNet.width = 64",
    "a = (%b, %b, %b, %b, %b, %b, %b, %b, %b, %b)\n"
    + "\n".join(
        f"{one} = ({', '.join([f'%{two}'] * 10)})"
        for one, two in zip("bcdefgh", "cdefghi", strict=True)
    )
    + "\ni = 1\nScenario.rows = %a",
)


def wrong_bindings(rng: random.Random) -> str:
    """A gin binding that must be refused on top of gin/quickstart.gin: "Recipe.epochs = True"."""
    if rng.random() < 0.2:
        return rng.choice(_BINDINGS)
    cls = rng.choice([cls for cls in CONFIGURABLES if settings.field_hints(cls)])
    field, hint = rng.choice(sorted(settings.field_hints(cls).items(), key=lambda item: item[0]))
    return f"{cls.__name__}.{field} = {rng.choice(wrong_values(hint))}"


def wrong_values(hint) -> list[str]:
    """Values in gin's syntax that an annotation does not allow."""
    options = [settings.split_hint(option) for option in _options(hint)]
    kinds = {typing.get_origin(base) or base for base, _ in options}
    wrong = None
    for base, rules in options:
        if base is types.NoneType:
            continue
        kind = typing.get_origin(base) or base
        values = {*_OTHERS.get(kind, _OTHERS[object]), *_DEEP}
        for rule in rules:
            values |= set(_out_of_range(rule, kind))
        if kind is collections.abc.Sequence:
            element = typing.get_args(base)[0]
            values |= {f"({value},)" for value in wrong_values(element)}
        if kind not in (collections.abc.Sequence, object):
            values |= {"None"} if types.NoneType not in kinds else set()
        # Of a choice, what is wrong for each option.
        wrong = values if wrong is None else wrong & values
    return sorted(wrong - ({"None"} if types.NoneType in kinds else set()))


def _options(hint):
    base, _ = settings.split_hint(hint)
    if typing.get_origin(base) in (typing.Union, types.UnionType):
        return typing.get_args(base)
    return (hint,)


def _out_of_range(rule, kind) -> list[str]:
    match rule:
        case settings.Between(low, high, without_low, without_high):
            step = 1 if kind is int else 1e-3
            below = low if without_low else low - step
            above = high if without_high else high + max(step, high // 100)
            return [repr(below), repr(above), repr(-(10**30)), repr(10**50), "0x" + "f" * 9000]
        case settings.OneOf():
            return ["''", "'no such choice'", repr("x" * 100_000)]
        case settings.FileName():
            texts = ["", ".", "..", "a/b", "/a", "a b", "a.b", "ä", "~", "a\n", "x" * 101, "a\\b"]
            return [repr(text) for text in texts]
        case settings.Length(low, high):
            if kind is str:
                return [repr("x" * (low - 1)), repr("x" * (high + 1))]
            return ["()"] if low else []
    return []
