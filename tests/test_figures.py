"""The table of results and the picture of a task x level table."""

import numpy as np
from PIL import Image

from dvn_tf.figures import draw_table
from dvn_tf.training.results import results_text
from dvn_tf.units import UnitPartition, UnitTable

OUTPUT = {"accuracy": 0.91234, "parameters": 1860090, "parameters_paper": 1849344, "density": 0.25}


def test_results_table_has_a_line_for_each_output():
    outputs = {"a/level1": OUTPUT | {"units": [1]}, "long-name/level2": OUTPUT | {"units": [1, 2]}}
    head, rule, first, second = results_text({"outputs": outputs}).splitlines()
    assert head.split()[:5] == ["task", "level", "size", "units", "parameters"]
    assert set(rule) == {"-", " "}
    assert first.split() == ["a", "1", "25", "%", "1", "1,860,090", "1,849,344", "91.23%"]
    assert second.split()[:6] == ["long-name", "2", "25", "%", "1", "2"]


def _colours(path) -> list[tuple]:
    """The colours of at least a hundredth of the picture, white and grey left out."""
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    values, counts = np.unique(pixels, axis=0, return_counts=True)
    return {
        tuple(map(int, value)): int(count)
        for value, count in zip(values, counts, strict=True)
        if count > len(pixels) / 100 and np.ptp(value) > 20
    }


def test_picture_shows_each_unit_as_often_as_the_table_uses_it(tmp_path):
    table = UnitTable.by_rule(4)
    path = draw_table(tmp_path / "table.png", table)
    areas = sorted(_colours(path).values())
    uses = sorted(sum(unit in units for row in table.rows for units in row) for unit in range(1, 5))
    assert uses == [8, 9, 11, 12]
    np.testing.assert_allclose(np.divide(areas, areas[0]), np.divide(uses, uses[0]), rtol=0.05)


def test_picture_shows_the_share_of_the_channels(tmp_path):
    table = UnitTable((((1, 2),),))
    path = draw_table(tmp_path / "table.png", table, partition=UnitPartition((0.75, 0.25)))
    small, large = sorted(_colours(path).values())
    assert 2.6 < large / small < 3.6


def test_other_formats(tmp_path):
    path = draw_table(tmp_path / "table.svg", UnitTable.prefix(3), ["a", "b", "c"], title="J2")
    assert "<svg" in path.read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["table.svg"]
