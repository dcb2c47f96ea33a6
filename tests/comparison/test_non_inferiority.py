"""Virtual networks against networks of their own: numbers against SciPy, words, and families."""

import json

import numpy as np
import pytest
from scipy import stats

import dvn_tf
from dvn_tf.comparison import differences, own_network_section
from dvn_tf.comparison.comparison import read_comparison
from dvn_tf.comparison.non_inferiority import (
    EXPLORATORY,
    PRIMARY,
    SECONDARY,
    own_network_tests,
    resampled_intervals,
)
from dvn_tf.comparison.report import write_report

OUTPUTS = [(task, level) for task in ("cifar10", "cifar100") for level in (1, 2)]
NAMES = [f"{task}/level{level}" for task, level in OUTPUTS]
NOT_WORSE = "not worse than its own network by more than 1.0 point"


def shares(folder, method, names, seeds=range(4)):
    """The average test accuracies of a method, in per cent, by seed."""
    values = []
    for seed in seeds:
        file = folder / method / f"seed{seed}" / "results.json"
        outputs = json.loads(file.read_text())["outputs"]
        values.append(100 * np.mean([outputs[name]["accuracy"] for name in names]))
    return np.array(values)


@pytest.fixture
def set_points(made):
    """Gives every output of a method's seeds so many correct images of 10,000."""

    def set_points(folder, method, counts):
        for seed, count in enumerate(counts):
            file = folder / method / f"seed{seed}" / "results.json"
            results = json.loads(file.read_text())
            results["outputs"] = {
                name: output | made.counted(count, output["total"])
                for name, output in results["outputs"].items()
            }
            file.write_text(json.dumps(results))

    return set_points


def test_every_level_and_output(own):
    found = own_network_tests(read_comparison(own), 0.7)
    assert [(one.role, one.method, one.title) for one in found[:3]] == [
        (PRIMARY, "dvn", "all outputs"),
        (SECONDARY, "dvn_causal", "all outputs"),
        (SECONDARY, "dvn_distilled", "all outputs"),
    ]
    titles = [
        "level 1 (25 %)", "level 2 (full)",
        "Task 1 (cifar10), level 1 (25 %)", "Task 1 (cifar10), level 2 (full)",
        "Task 2 (cifar100), level 1 (25 %)", "Task 2 (cifar100), level 2 (full)",
    ]  # fmt: skip
    assert [(one.role, one.method, one.title) for one in found[3:]] == [
        (EXPLORATORY, method, title)
        for method in ("dvn", "dvn_causal", "dvn_distilled")
        for title in titles
    ]
    averaged = dict(
        zip(titles, [NAMES[::2], NAMES[1::2], *([name] for name in NAMES)], strict=True)
    )
    for one in found:
        names = averaged.get(one.title, NAMES)
        ours, theirs = (shares(own, method, names) for method in (one.method, "separate"))
        tests = 2 if one.role == SECONDARY else 1
        expected = stats.ttest_rel(ours + 0.7, theirs, alternative="greater")
        assert one.test.p == pytest.approx(min(1, tests * expected.pvalue))
        low, _ = expected.confidence_interval(1 - 0.05 / tests)
        assert one.ends == pytest.approx(
            (low - 0.7, 2 * np.mean(ours - theirs) - low + 0.7), abs=1e-9
        )
        assert one.seeds == (0, 1, 2, 3) and one.tests == tests


def test_words(made, tmp_path, set_points):
    folder = made.write_runs(tmp_path, "J1", "joint", made.OWN, seeds=range(6))
    separate = [8000, 8100, 8050, 8020, 8110, 8090]
    noise = [10, -10, 5, 0, 2, -3]
    set_points(folder, "separate", separate)
    for method, shift, scale in (("dvn", -20, 1), ("dvn_causal", -300, 1), ("dvn_distilled", 0, 9)):
        pairs = zip(separate, noise, strict=True)
        set_points(folder, method, [count + shift + scale * step for count, step in pairs])
    comparison = read_comparison(folder)
    found = own_network_tests(comparison)
    verdicts = [own_network_section.verdict(one) for one in found[:3]]
    assert verdicts == [NOT_WORSE, "worse by more than 1.0 point", NOT_WORSE]
    narrow = own_network_tests(comparison, 0.5)
    verdicts = [own_network_section.verdict(one) for one in narrow[:3]]
    assert verdicts == [
        NOT_WORSE.replace("1.0 point", "0.5 points"), "worse by more than 0.5 points", "undecided",
    ]  # fmt: skip
    first, *_ = own_network_section.sentences(comparison, found)
    low, high = stats.t.interval(0.9, 5, -0.2 + np.mean(noise) / 100, stats.sem(noise) / 100)
    assert first == (
        "DVN against separate networks, average over all 4 outputs: -0.19 points, 90 % interval "
        f"[{low:+.2f}, {high:+.2f}] (6 seeds: 0 to 5): {NOT_WORSE}"
    )
    note = own_network_section.note(found)
    assert "undecided, which does not mean equal" in note
    assert "primary comparison, variants are secondary. The intervals of the 2 variants" in note
    assert "are at 95 %, so that all 2 hold together (Bonferroni)" in note
    assert "secondary" not in own_network_section.note(found[:1])


@pytest.mark.slow
def test_the_power_table_says_how_many_seeds(made, tmp_path, set_points):
    folder = made.write_runs(tmp_path, "J1", "joint", made.OWN, seeds=range(3))
    set_points(folder, "separate", [8000, 8000, 8000])
    set_points(folder, "dvn", [8000, 7800, 7900])  # a standard deviation of one point
    write_report(folder)
    text = (folder / "report" / "report.md").read_text()
    row = next(
        line for line in text.partition("### Seeds needed")[2].splitlines() if "| DVN  " in line
    )
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["DVN", "3", "1.00", "8", "27"]  # d = 1 and d = 1/2


def test_variants_and_separate_networks_are_no_part_of_the_papers_comparison(made, tmp_path):
    made.write_runs(tmp_path, "J1", "joint", made.JOINT)
    alone = differences.differences(read_comparison(tmp_path))
    more = {name: spec for name, spec in made.OWN.items() if name != "dvn"}
    made.write_runs(tmp_path, "J1", "joint", more)
    found = differences.differences(read_comparison(tmp_path))
    assert list(found["method"]) == list(alone["method"])
    assert list(found["half"]) == list(alone["half"])  # the same family, the same correction


@pytest.mark.slow
def test_a_report_without_the_papers_methods(made, own, capsys):
    write_report(own)
    sections = made.sections((own / "report" / "report.md").read_text())
    assert list(sections) == [
        "Accuracy", "Against separate networks", "Variants of the DVN", "Cost", "Settings",
        "How to write this report",
    ]  # fmt: skip
    assert "images resampled" not in sections["Against separate networks"]
    assert "DVN, causal against separate networks" in capsys.readouterr().out


@pytest.mark.slow
def test_only_variants_have_no_primary_comparison(made, tmp_path):
    methods = {name: spec for name, spec in made.OWN.items() if name != "dvn"}
    write_report(made.write_runs(tmp_path, "J1", "joint", methods))
    found = own_network_tests(read_comparison(tmp_path))
    assert [one.role for one in found[:2]] == [SECONDARY, SECONDARY]
    text = (tmp_path / "report" / "report.md").read_text()
    assert text.splitlines()[2].startswith("- DVN, causal against separate networks")
    assert "primary" not in text.partition("## Accuracy")[0]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_have_no_verdict(made, tmp_path, seeds):
    write_report(made.write_runs(tmp_path, "J1", "joint", made.OWN, seeds=range(seeds)))
    text = (tmp_path / "report" / "report.md").read_text()
    ours, theirs = (shares(tmp_path, method, NAMES, range(seeds)) for method in ("dvn", "separate"))
    each = ", ".join(f"{value:+.2f}" for value in ours - theirs)
    assert f"all 4 outputs: {each} points ({seeds} seed" in text
    assert "no verdict (fewer than three seeds)" in text
    for word in ("±", "interval [", "undecided", "Seeds needed"):
        assert word not in text, word


@pytest.mark.slow
def test_other_seeds_and_other_outputs_have_no_verdict(made, tmp_path):
    one_level = {place: density for place, density in made.JOINT["dvn"][2].items() if place[1] == 1}
    methods = made.OWN | {"dvn_small": ("DVN, small", 1, one_level)}
    folder = made.write_runs(tmp_path, "J1", "joint", methods)
    for seed in range(3):
        (folder / "dvn" / f"seed{seed}").rename(folder / "dvn" / f"moved{seed}")
        file = folder / "dvn" / f"moved{seed}" / "results.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"seed": seed + 9}))
    found = own_network_tests(read_comparison(folder))
    reasons = {one.method: own_network_section.verdict(one) for one in found[:4]}
    assert reasons["dvn"] == "no verdict (no seed in common)"
    assert reasons["dvn_small"] == "no verdict (the outputs are not the same)"
    assert {one.tests for one in found[:4] if one.test} == {2}
    write_report(folder)


@pytest.mark.slow
def test_images_are_resampled_with_the_seeds(made, own):
    correct = {
        (method, seed): made.write_correct(own / method / f"seed{seed}", seed)
        for method in ("separate", "dvn", "dvn_causal")
        for seed in range(4)
    }
    comparison = read_comparison(own)
    tests = own_network_tests(comparison)
    drawn = resampled_intervals(comparison, tests)
    assert [ends is not None for ends in drawn] == [one.method != "dvn_distilled" for one in tests]
    # Brute force, with few resamples: the images of a task are the same for both of its outputs.
    generator = np.random.default_rng(3)
    means = []
    for _ in range(400):
        seeds, total = generator.integers(4, size=4), 0
        for task in ("cifar10", "cifar100"):
            images = generator.integers(10_000, size=10_000)
            for seed in seeds:
                for level in (1, 2):
                    name = f"{task}/level{level}"
                    ours, theirs = (correct[method, seed][name] for method in ("dvn", "separate"))
                    total += ours[images].mean() - theirs[images].mean()
        means.append(100 * total / 16)
    assert drawn[0] == pytest.approx(tuple(np.quantile(means, (0.05, 0.95))), abs=0.12)
    centre = tests[0].test.difference.mean
    assert np.mean(drawn[0]) == pytest.approx(centre, abs=0.05)
    text = "\n".join(own_network_section.section(comparison, tests))
    assert "Runs without a correct.json have none." in text


@pytest.mark.slow
def test_a_margin_is_a_number_of_points(own, run_forked):
    for margin in ("0", "-1", "nan", "1000"):
        done = run_forked("experiments.compare", f"--runs={own}", f"--margin={margin}")
        assert done.returncode == 1 and not (own / "report").exists()
        assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
        assert "--margin" in done.stderr
    done = run_forked("experiments.compare", f"--runs={own}", "--margin=30")
    assert done.returncode == 0, done.stderr
    text = (own / "report" / "report.md").read_text()
    assert f"python -m experiments.compare --runs={own} --margin=30\n" in text
    assert NOT_WORSE.replace("1.0 point", "30.0 points") in text


@pytest.mark.slow
def test_real_runs(made, tmp_path, run_forked):
    """Digits, an epoch: what the programs write is what reports read."""
    for name in ("separate", "dvn"):
        done = run_forked(
            "experiments.joint",
            "--gin_file=gin/quickstart.gin",
            f"--gin_file=gin/methods/{name}.gin",
            "--gin_param=Recipe.epochs = 1",
            "--seeds=0,1",
            f"--runs_dir={tmp_path}",
        )
        assert done.returncode == 0, done.stderr
    folder = tmp_path / "quickstart"
    comparison = read_comparison(folder)
    costs = comparison.methods["training_multiply_adds"]
    assert costs["dvn"] == pytest.approx(costs["separate"])  # Eq. 4 trains all of them
    write_report(folder)
    text = (folder / "report" / "report.md").read_text()
    assert "DVN against separate networks, average over all 4 outputs: " in text
    sizes = dvn_tf.read_runs(folder).groupby("method")["density"].unique()
    assert list(sizes["dvn"]) == pytest.approx(list(sizes["separate"]))
    assert (folder / "report" / "accuracy_over_cost.png").exists()
