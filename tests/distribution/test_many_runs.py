"""The guide's example of many runs, by submitit's local executor."""

import pytest
from docs.pages import GUIDE, blocks

from dvn_tf import read_runs

pytest.importorskip("submitit")


def test_the_guide_s_submitit_script(tmp_path, run_python):
    [block] = blocks(GUIDE / "cluster.md", "python")
    script = block.text.replace('["dvn", "packnet"], [0, 1]', '["baseline"], [3]')
    script = script.replace(
        'f"--seed={seed}"]', 'f"--seed={seed}", "--gin_param=Recipe.epochs = 1"]'
    )
    assert "baseline" in script and "Recipe.epochs" in script
    done = run_python(script, tmp_path)
    assert done.returncode == 0, done.stderr
    runs = read_runs(tmp_path / "runs")
    assert set(runs["method"]) == {"baseline"} and set(runs["seed"]) == {3}
    assert len(runs) == 2  # tasks
