"""A new report takes the place of the old one whole, whenever the program is killed."""

import functools
import os

from dvn_tf.comparison import report_folder

ENDINGS = (".md", ".png")
OLD = {"report.md": "old", "gone.png": "old", "a.png": "old"}
NEW = {"report.md": "new", "a.png": "new", "b.png": "new"}


def write(folder, contents):
    for name, text in contents.items():
        (folder / name).write_text(text)


def state(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def killed_at(folder, step: int) -> bool:
    """Writes the new report in a process that ends before its n-th change; whether it did."""
    child = os.fork()
    if child == 0:
        left = [step]

        def change(true, *args, **options):
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return true(*args, **options)

        for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
            setattr(os, name, functools.partial(change, getattr(os, name)))
        status = 1
        try:
            with report_folder.new_report(folder, ENDINGS) as temporary:
                write(temporary, NEW)
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


def test_a_kill_at_any_change_leaves_the_old_report_or_the_new_one(tmp_path):
    outcomes = []
    for step in range(100):
        folder = tmp_path / str(step)
        (folder / "runs").mkdir(parents=True)
        (folder / "runs" / "results.json").write_text("{}")
        write(folder, OLD)
        killed = killed_at(folder, step)
        report_folder.repair(folder, ENDINGS)  # what the next comparison does first
        assert state(folder) in (OLD, NEW), step
        assert [p.name for p in folder.iterdir() if p.is_dir()] == ["runs"]
        assert (folder / "runs" / "results.json").read_text() == "{}"
        outcomes.append(state(folder) == NEW)
        if not killed:
            break
    assert not killed and len(outcomes) > 6
    assert outcomes == sorted(outcomes) and outcomes[0] is False and outcomes.count(True) > 4


def test_a_kill_while_it_is_repaired(tmp_path):
    for step in range(100):
        folder = tmp_path / str(step)
        folder.mkdir()
        write(folder, OLD)
        assert killed_at(folder, 4)
        assert (folder / ".new-report").is_dir()
        if not killed_at(folder, step):
            break
        report_folder.repair(folder, ENDINGS)
        assert state(folder) in (OLD, NEW)
    assert state(folder) == NEW
