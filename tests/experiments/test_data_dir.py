"""--data_dir: a folder that does not exist is refused before anything is done."""

import pytest

PROGRAMS = {
    "joint": ["--gin_file=gin/quickstart.gin"],
    "sequential": ["--gin_file=gin/quickstart_sequential.gin"],
    "affinity": ["--run_dir=runs"],
    "export": ["--run_dir=runs"],
    "latency": ["--run_dir=runs"],
}


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("is_file", [False, True])
def test_a_data_dir_that_is_no_folder(run_program, tmp_path, program, is_file):
    path = tmp_path / "data"
    if is_file:
        path.write_text("")
    (tmp_path / "runs").mkdir()  # where --run_dir leads
    done = run_program(
        f"experiments.{program}", *PROGRAMS[program], f"--data_dir={path}", cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: flag --data_dir={path}: there is no such folder: ")
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == [*([path] if is_file else []), tmp_path / "runs"]
    assert not any((tmp_path / "runs").iterdir())


def test_an_export_with_a_wrong_data_dir_is_refused_in_the_library_too(tmp_path):
    from dvn_tf.errors import UserError
    from dvn_tf.export.accuracy import load_images
    from dvn_tf.training.run_folder import RunFolder

    with pytest.raises(UserError, match="mispelt does not exist: check --data_dir"):
        load_images(RunFolder(tmp_path), ["any"], tmp_path / "mispelt")
    assert list(tmp_path.iterdir()) == []
