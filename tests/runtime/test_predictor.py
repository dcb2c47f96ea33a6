import itertools
import os
import sys
import threading
import time
import warnings

import numpy as np
import pytest

from dvn_runtime import BudgetedPredictor
from dvn_runtime.errors import UserError

TASKS = ("colours", "digits")


def sizes(export, measure="bytes"):
    return {
        (f["task"], f["level"]): f[measure]
        for f in export.manifest()["files"]
        if f["format"] == "litert"
    }


def levels(predictor):
    return {task: network.level for task, network in predictor.plan().networks.items()}


@pytest.mark.parametrize("pack_weights", [True, False])
def test_answers_are_those_of_the_network_in_keras(pristine, pack_weights):
    with BudgetedPredictor(pristine.folder, pack_weights=pack_weights) as predictor:
        assert levels(predictor) == {"colours": 3, "digits": 3}
        for task, images in pristine.images.items():
            probabilities = predictor.predict(task, images)
            assert probabilities.dtype == np.float32
            np.testing.assert_allclose(probabilities, pristine.answers[task, 3], atol=1e-5)
            np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)


def test_every_level_answers_as_its_own_network(pristine):
    size = sizes(pristine)
    for task, level in itertools.product(TASKS, (1, 2, 3)):
        with BudgetedPredictor(pristine.folder, size[task, level], tasks=[task]) as predictor:
            assert levels(predictor) == {task: level}
            answers = predictor.predict(task, pristine.images[task])
            np.testing.assert_allclose(answers, pristine.answers[task, level], atol=1e-5)


def test_quantized_networks_take_the_same_images(pristine):
    with BudgetedPredictor(pristine.folder, format="litert_int8") as predictor:
        for task, images in pristine.images.items():
            answers = predictor.predict(task, images)
            np.testing.assert_allclose(answers, pristine.answers[task, 3], atol=0.15)
            np.testing.assert_array_equal(
                predictor.predict(task, np.minimum(images + 0.25, 255)), answers
            )


def test_one_image_floats_and_an_empty_batch(pristine):
    with BudgetedPredictor(pristine.folder) as predictor:
        images = pristine.images["colours"]
        all_of_them = predictor.predict("colours", images)
        np.testing.assert_array_equal(predictor.predict("colours", images[1]), all_of_them[1:2])
        as_floats = predictor.predict("colours", images.astype("float64"))
        np.testing.assert_array_equal(as_floats, all_of_them)
        assert predictor.predict("colours", images[:0]).shape == (0, 4)


def test_the_plan_keeps_the_budget_and_says_what_is_loaded(pristine):
    size = sizes(pristine)
    budget = size["colours", 1] + size["digits", 3]
    with BudgetedPredictor(pristine.folder, budget, weights={"digits": 9}) as predictor:
        plan = predictor.plan()
        assert levels(predictor) == {"colours": 1, "digits": 3}
        assert plan.bytes == budget and plan.budget.limit == budget
        counts = sizes(pristine, "parameters")
        assert plan.parameters == counts["colours", 1] + counts["digits", 3]
        assert plan.networks["digits"].accuracy == 0.95
        assert f"colours: level 1, {size['colours', 1]:,} bytes" in str(plan)


def test_a_budget_in_parameters(pristine):
    counts = sizes(pristine, "parameters")
    limit = counts["colours", 3] + counts["digits", 1]
    with BudgetedPredictor(pristine.folder, f"{limit} params", weights={"digits": 0.1}) as p:
        assert levels(p) == {"colours": 3, "digits": 1}


def test_weights_minima_and_optional_tasks_reach_the_planner(pristine):
    size = sizes(pristine)
    budget = size["colours", 3] + size["digits", 1]
    arguments = {"weights": {"colours": 9}, "minimum_accuracy": {"digits": 0.5}}
    with BudgetedPredictor(pristine.folder, budget, **arguments) as predictor:
        assert levels(predictor) == {"colours": 3, "digits": 1}
    arguments = {"minimum_accuracy": {"digits": 0.9}, "optional": ["colours"]}
    with BudgetedPredictor(pristine.folder, size["digits", 3], **arguments) as predictor:
        assert levels(predictor) == {"digits": 3}
        assert predictor.plan().left_out == ("colours",)
        with pytest.raises(UserError, match="'colours' is left out: it is optional"):
            predictor.predict("colours", pristine.images["colours"])
        predictor.set_budget(None)
        assert predictor.predict("colours", pristine.images["colours"]).shape == (6, 4)


def test_a_budget_too_small_names_the_least_and_changes_nothing(pristine):
    size = sizes(pristine)
    least = size["colours", 1] + size["digits", 1]
    with pytest.raises(UserError, match=f"give at least {least} bytes"):
        BudgetedPredictor(pristine.folder, least - 1)
    with BudgetedPredictor(pristine.folder) as predictor:
        with pytest.raises(UserError, match="too small"):
            predictor.set_budget(least - 1)
        assert levels(predictor) == {"colours": 3, "digits": 3}
        predictor.set_budget(least)
        assert levels(predictor) == {"colours": 1, "digits": 1}


def _with(value):
    image = np.full((8, 8, 3), 7.0)
    image[0, 0, 0] = value
    return image


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8), "uint8"), r"shape \(8, 8, 3\) or \(n, 8, 8, 3\), not \(8, 8\)"),
        (np.zeros((8, 8, 1), "uint8"), "takes images of shape"),
        (np.zeros((3, 8, 8), "uint8"), "takes images of shape"),
        (np.zeros((1, 1, 8, 8, 3), "uint8"), "takes images of shape"),
        ([np.zeros((8, 8, 3)), np.zeros((9, 8, 3))], "differ in shape"),
        (np.zeros((8, 8, 3), "int64"), "uint8 or floats, not int64"),
        (np.zeros((8, 8, 3), bool), "uint8 or floats, not bool"),
        (np.zeros((8, 8, 3), complex), "uint8 or floats"),
        (np.full((8, 8, 3), "x"), "uint8 or floats"),
        (np.full((8, 8, 3), None), "uint8 or floats"),
        (_with(np.nan), "NaN or infinite"),
        (_with(np.inf), "NaN or infinite"),
        (_with(-1), r"must lie in 0..255, not -1..7"),
        (_with(256), r"must lie in 0..255, not 7..256"),
    ],
)
def test_unusable_images_are_named(pristine, images, message):
    with (
        BudgetedPredictor(pristine.folder) as predictor,
        pytest.raises(UserError, match=message),
    ):
        predictor.predict("colours", images)


def test_pixels_of_0_to_1_are_warned_of(pristine):
    with BudgetedPredictor(pristine.folder) as predictor:
        with pytest.warns(UserWarning, match="not of 0..1") as record:
            predictor.predict("colours", np.full((8, 8, 3), 0.5))
        assert record[0].filename == __file__


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "onnx"}, "format must be one of"),
        ({"tasks": ["letters"]}, "no litert network of task 'letters'; there are colours"),
        ({"weights": {"letters": 1}}, "unknown task 'letters'"),
        ({"optional": ["letters"]}, "unknown task 'letters'"),
        ({"num_threads": 0}, "num_threads"),
        ({"budget": "lots"}, "no budget"),
    ],
)
def test_wrong_arguments_are_named(pristine, arguments, message):
    with pytest.raises(UserError, match=message):
        BudgetedPredictor(pristine.folder, **arguments)


def test_unknown_tasks_and_a_closed_predictor_are_named(pristine):
    predictor = BudgetedPredictor(pristine.folder)
    for ask in (predictor.classes, predictor.task, lambda t: predictor.predict(t, None)):
        with pytest.raises(UserError, match="unknown task 'letters'; there are colours, digits"):
            ask("letters")
    assert predictor.classes("digits") == ("digits 0", "digits 1", "digits 2")
    predictor.close()
    predictor.close()
    with pytest.raises(UserError, match="closed"):
        predictor.predict("digits", pristine.images["digits"])
    with pytest.raises(UserError, match="closed"):
        predictor.set_budget(None)


def test_unmeasured_networks_cannot_be_weighed(export):
    manifest = export.manifest()
    manifest["files"][0]["accuracy"] = None
    export.write_manifest(manifest)
    with pytest.raises(UserError, match=r"accuracy of litert/colours_level1.tflite was not"):
        BudgetedPredictor(export.folder)
    BudgetedPredictor(export.folder, tasks=["digits"]).close()


def test_classes_without_names_are_numbered(export):
    manifest = export.manifest()
    manifest["tasks"]["digits"]["class_names"] = []
    export.write_manifest(manifest)
    for level in (1, 2, 3):
        export.rewrite(export.entry("digits", level), class_names=[])
    with BudgetedPredictor(export.folder) as predictor:
        assert predictor.classes("digits") == ("class 0", "class 1", "class 2")


def test_no_wrong_answer_while_the_budget_changes_under_four_threads(pristine):
    """Ten seconds of it, or as many seconds as DVN_TF_STRESS_SECONDS says."""
    size = sizes(pristine)
    answers = {}
    for task, level in itertools.product(TASKS, (1, 2, 3)):
        with BudgetedPredictor(pristine.folder, size[task, level], tasks=[task]) as single:
            answers[task, level] = single.predict(task, pristine.images[task])
    assert all(
        abs(answers[task, a] - answers[task, b]).max() > 0.01
        for task in TASKS
        for a, b in ((1, 2), (1, 3), (2, 3))
    )
    budgets = sorted(
        size["colours", a] + size["digits", b] for a, b in itertools.product((1, 2, 3), repeat=2)
    )
    deadline = time.monotonic() + float(os.environ.get("DVN_TF_STRESS_SECONDS", 10))
    seen, failures = set(), []

    def work(predictor, seed):
        rng = np.random.default_rng(seed)
        try:
            while time.monotonic() < deadline:
                task = TASKS[rng.integers(2)]
                some = rng.integers(0, 6, rng.integers(1, 6))
                got = predictor.predict(task, pristine.images[task][some])
                errors = {n: abs(got - answers[task, n][some]).max() for n in (1, 2, 3)}
                level = min(errors, key=errors.get)
                seen.add((task, level))
                if not errors[level] <= 1e-6:
                    failures.append((task, errors))
        except Exception as error:
            failures.append(error)

    with BudgetedPredictor(pristine.folder, budgets[0]) as predictor:
        threads = [threading.Thread(target=work, args=(predictor, seed)) for seed in range(4)]
        for thread in threads:
            thread.start()
        rng = np.random.default_rng(9)
        changes = 0
        while time.monotonic() < deadline:
            budget = int(rng.choice(budgets))
            predictor.set_budget(budget)
            assert predictor.plan().bytes <= budget
            changes += 1
        for thread in threads:
            thread.join(30)
    assert not failures, failures[:3]
    assert len(seen) == 6 and changes > 10


def test_without_litert_the_package_is_imported_and_says_what_to_install(pristine, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(UserError, match="pip install ai-edge-litert"):
        BudgetedPredictor(pristine.folder)


def test_nothing_warns_on_the_good_path(pristine):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with BudgetedPredictor(pristine.folder) as predictor:
            predictor.predict("digits", pristine.images["digits"])
