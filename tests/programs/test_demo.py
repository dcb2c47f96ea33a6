"""The page of `experiments.demo` in a browser: the device's levels, and the device's answers.

`DVN_DEMO_SCREENSHOT=docs/images/demo.png DVN_DEMO_EXPORT=runs/short/export` make
`test_screenshot` write the guide's picture; docs/guide/demo.md has the commands for that export.
"""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from dvn_runtime import BudgetedPredictor, Option, choose_levels, read_image
from tests.programs.demo_page import DemoPage

TOP = 5


@pytest.fixture(scope="module")
def runtime(npm):
    """The folder in which npm has installed LiteRT.js."""
    from dvn_tf.demo import litert_js

    return npm(f"{litert_js.PACKAGE}@{litert_js.VERSION}")


@pytest.fixture
def open_page(browser, runtime):
    """A function that serves an export, opens its page and waits until it is ready."""
    from dvn_tf.demo import server

    with contextlib.ExitStack() as stack:

        def open_one(folder, **options):
            opened = stack.enter_context(server.open_server(folder, runtime_dir=runtime, **options))
            threading.Thread(target=opened.serve_forever, daemon=True).start()
            stack.callback(opened.shutdown)
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            stack.callback(page.close)
            return DemoPage(page, opened.url)

        yield open_one


def networks_of(export, format="litert"):
    return [entry for entry in export.manifest["files"] if entry["format"] == format]


def budgets_of(export, format="litert"):
    """Every budget at which the plan changes, one byte less, and a few between."""
    options = [Option(e["task"], e["level"], e["bytes"], e["accuracy"])
               for e in networks_of(export, format)]  # fmt: skip
    tasks = {option.task for option in options}
    of_task = [[o.cost for o in options if o.task == task] for task in tasks]
    least, most = (sum(pick(costs) for costs in of_task) for pick in (min, max))
    sums = {least}
    for costs in of_task:
        sums = {total + cost for total in sums | {0} for cost in costs} | sums
    candidates = sorted(total for total in sums if least <= total <= most)
    plans = [choose_levels(options, budget) for budget in candidates]
    changes = [b for i, b in enumerate(candidates) if i == 0 or plans[i] != plans[i - 1]]
    return sorted({*changes, *(b - 1 for b in changes[1:]), (least + most) // 2, most})


def some_images(export, folder):
    """Image files: of the test set, and large and small ones of odd sizes."""
    rng = np.random.default_rng(3)
    paths = []
    for task, images in export.images.items():
        for number in (0, 3):
            paths.append(folder / f"{task.replace('-', '_')}_{number}.png")
            image = images[number]
            Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(paths[-1])
    waves = np.sin(np.indices((41, 67, 3)) / [[[[7]]], [[[5]]], [[[2]]]]).sum(0)
    pixels = (127 + 40 * waves + rng.integers(-9, 9, waves.shape)).clip(0, 255).astype(np.uint8)
    paths.append(folder / "odd.png")
    Image.fromarray(pixels).save(paths[-1])
    return paths


def check_answers(shown, predictor, path):
    plan = predictor.plan()
    assert shown.levels() == {task: network.level for task, network in plan.networks.items()}
    for task in plan.networks:
        pixels = read_image(path, predictor.task(task))
        expected = predictor.predict(task, pixels)[0]
        classes = predictor.classes(task)
        answers = shown.answers(task)
        assert len(answers) == min(TOP, len(classes))
        best = np.sort(expected)[::-1]
        for (name, value), nth in zip(answers, best, strict=False):
            assert value == pytest.approx(expected[classes.index(name)], abs=1e-4)
            assert value == pytest.approx(nth, abs=1e-4)  # and none that is higher is left out


def test_levels_and_answers_are_the_device_s(export, open_page, tmp_path):
    shown = open_page(export.folder)
    shown.open()
    paths = some_images(export, tmp_path)
    for budget in budgets_of(export):
        shown.set_budget(budget)
        with BudgetedPredictor(export.folder, budget) as predictor:
            for path in paths if budget % 2 else paths[:1]:
                shown.set_image(path)
                check_answers(shown, predictor, path)
    loaded = sum(e["bytes"] for e in networks_of(export) if shown.levels()[e["task"]] == e["level"])
    assert shown.page.text_content("#budget-note").startswith(f"{loaded:,} of {budget:,} bytes")
    assert shown.errors == []
    assert all(url.startswith(shown.url) for url in shown.requests)


def test_the_other_format(export, open_page, tmp_path):
    shown = open_page(export.folder)
    shown.open()
    shown.page.select_option("#format", "litert_int8")
    shown.settle()
    [path, *_] = some_images(export, tmp_path)
    shown.set_image(path)
    for budget in budgets_of(export, "litert_int8"):
        shown.set_budget(budget)
        with BudgetedPredictor(export.folder, budget, format="litert_int8") as predictor:
            levels = {task: n.level for task, n in predictor.plan().networks.items()}
            assert shown.levels() == levels
            for task in levels:
                expected = predictor.predict(task, read_image(path, predictor.task(task)))[0]
                for name, value in shown.answers(task):
                    # Other kernels round other sums of 8-bit numbers.
                    assert abs(value - expected[predictor.classes(task).index(name)]) < 0.05
    assert shown.errors == []


@pytest.fixture
def digits(make_export, tmp_path):
    """A copy of the digits' export in which higher levels are better, so that all are wanted."""
    import json

    export = make_export("digits")
    folder = tmp_path / "export"
    shutil.copytree(export.folder, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    for entry in manifest["files"]:
        entry["accuracy"] = 0.9 + entry["level"] * (0.02 if entry["task"] == "digits_0-4" else 0.01)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return type(export)("digits", folder, export.images, export.expected, export.classes, manifest)


def test_networks_are_loaded_and_freed_as_the_budget_moves(digits, open_page):
    shown = open_page(digits.folder)
    shown.open()
    by_level = [{"digits_0-4": 1, "digits_5-9": 1}, {"digits_0-4": 2, "digits_5-9": 1}]
    by_level.append({"digits_0-4": 2, "digits_5-9": 2})
    least, _, middle, _, most = budgets_of(digits)
    levels_in_turn = [*by_level, *by_level[-2::-1]]
    for budget, levels in zip((least, middle, most, middle, least), levels_in_turn, strict=True):
        shown.set_budget(budget)
        assert shown.levels() == levels
    shown.page.click("#next")
    shown.settle()
    assert shown.levels() == by_level[1]
    shown.page.focus("#budget")
    shown.page.keyboard.press("End")
    shown.settle()
    assert shown.levels() == by_level[2]
    shown.page.keyboard.press("Home")
    shown.settle()
    assert shown.levels() == by_level[0]
    shown.set_budget(least - 1)
    assert f"at least {least:,} bytes" in shown.page.text_content("#budget-note")
    assert shown.levels() == by_level[0]
    shown.set_budget("nonsense")
    assert "is no budget" in shown.page.text_content("#budget-note")
    assert shown.levels() == by_level[0]
    assert shown.errors == []


def test_weights_and_held_levels(digits, open_page):
    shown = open_page(digits.folder)
    shown.open()
    shown.set_budget(budgets_of(digits)[2])
    assert shown.levels() == {"digits_0-4": 2, "digits_5-9": 1}
    weight = shown.card("digits_5-9").locator(".weight input")
    weight.fill("3")
    weight.press("Enter")
    shown.settle()
    assert shown.levels() == {"digits_0-4": 1, "digits_5-9": 2}
    weight.fill("-1")
    weight.press("Enter")
    assert weight.get_attribute("aria-invalid") == "true"
    shown.card("digits_0-4").get_by_role("button", name="Level 2").press("Enter")
    shown.settle()
    assert shown.levels() == {"digits_0-4": 2, "digits_5-9": 1}
    assert "Level 2 of 2, held" in shown.card("digits_0-4").text_content()
    # The other one does not fit beside it, so the budget rises.
    shown.card("digits_5-9").get_by_role("button", name="Level 2").press("Enter")
    shown.settle()
    assert shown.levels() == {"digits_0-4": 2, "digits_5-9": 2}
    most = budgets_of(digits)[-1]
    assert shown.page.input_value("#budget-text") == f"{most:,}"


def test_images_come_by_click_and_drop(digits, open_page, tmp_path):
    shown = open_page(digits.folder)
    shown.open()
    shown.choose_sample(3, "Test image of 3")
    assert shown.answers("digits_0-4")[0][0] == "3"
    assert "not a class of this task" in shown.card("digits_5-9").text_content()
    path = some_images(digits, tmp_path)[0]
    shown.drop(path)
    shown.wait_for_image(path.name)
    with BudgetedPredictor(digits.folder) as predictor:
        shown.set_budget(predictor.plan().bytes)
        check_answers(shown, predictor, path)
    (tmp_path / "notes.txt").write_text("no image")
    shown.drop(tmp_path / "notes.txt")
    shown.page.wait_for_selector("#error:not([hidden])")
    assert "notes.txt is not an image" in shown.page.text_content("#error")
    shown.drop(path)
    shown.page.wait_for_selector("#error", state="hidden")


def test_a_damaged_file_is_refused_and_the_others_go_on(digits, open_page, tmp_path):
    [damaged] = [e for e in networks_of(digits) if (e["task"], e["level"]) == ("digits_0-4", 2)]
    path = digits.folder / damaged["file"]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    shown = open_page(digits.folder)
    shown.open()
    image = some_images(digits, tmp_path)[0]
    shown.set_image(image)
    most = budgets_of(digits)[-1]
    shown.set_budget(most)
    note = shown.card("digits_0-4").locator(".notes").text_content()
    assert f"Level 2 was refused. {damaged['file']}: its SHA-256" in note
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with BudgetedPredictor(digits.folder, most) as predictor:
            check_answers(shown, predictor, image)
            assert shown.levels() == {"digits_0-4": 1, "digits_5-9": 2}


def test_the_image_that_was_asked_for_last_is_shown(digits, open_page, tmp_path):
    shown = open_page(digits.folder)
    held = []
    shown.page.route("**/samples/0", lambda route: held.append(route))
    shown.open()  # asks for the first test image
    while len(held) < 2:  # its picture on the button, and the image itself
        shown.page.wait_for_timeout(10)
    image = some_images(digits, tmp_path)[0]
    shown.set_image(image)
    for route in held:
        route.continue_()
    shown.page.wait_for_selector("#samples img")
    shown.page.wait_for_load_state("networkidle")
    shown.settle()
    assert shown.page.locator("#original-caption").text_content().startswith(image.name)
    with BudgetedPredictor(digits.folder) as predictor:
        shown.set_budget(budgets_of(digits)[-1])
        check_answers(shown, predictor, image)


def test_the_page_itself_checks_what_arrives(digits, open_page):
    shown = open_page(digits.folder)

    def damage(route):
        body = route.fetch().body()
        route.fulfill(body=body[:-1] + b"x", content_type="application/octet-stream")

    shown.page.route("**/networks/*.tflite", damage)
    shown.open()
    for task in ("digits_0-4", "digits_5-9"):
        assert "its SHA-256 is not that" in shown.card(task).text_content()
        assert "No network" in shown.card(task).text_content()
    assert shown.levels() == {}


def test_the_program(digits, browser, runtime, tmp_path):
    command = [sys.executable, "-m", "experiments.demo", f"--export_dir={digits.folder}"]
    started = subprocess.Popen(
        [*command, f"--runtime_dir={runtime}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = started.stdout.readline()
        url = re.fullmatch(r"The page is at (http://127\.0\.0\.1:\d+/) until .*\n", line)[1]
        shown = DemoPage(browser.new_page(), url)
        shown.open()
        assert set(shown.levels()) == {"digits_0-4", "digits_5-9"}
        assert shown.errors == []
        shown.page.close()
        started.send_signal(signal.SIGINT)
        _, errors = started.communicate(timeout=60)
    finally:
        started.kill()
    assert (started.returncode, errors) == (130, "interrupted: the page is closed\n")
    done = subprocess.run(
        [*command, f"--runtime_dir={tmp_path}/none"], capture_output=True, text=True
    )
    assert done.returncode == 1 and "npm install --prefix" in done.stderr
    assert done.stderr.count("\n") == 1


def test_screenshot(open_page, make_export):
    export = os.environ.get("DVN_DEMO_EXPORT") or make_export("digits").folder
    shown = open_page(pathlib.Path(export))
    shown.open()
    shown.set_budget("1.2 MB")
    shown.choose_sample(14, "Test image of 4")
    shown.page.evaluate("() => document.activeElement.blur()")
    picture = shown.page.screenshot(full_page=True)
    assert picture.startswith(b"\x89PNG")
    if path := os.environ.get("DVN_DEMO_SCREENSHOT"):
        pathlib.Path(path).write_bytes(picture)
