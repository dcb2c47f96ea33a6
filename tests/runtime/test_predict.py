import numpy as np
import pytest
from PIL import Image

from dvn_runtime import BudgetedPredictor, predict, read_image
from dvn_runtime.errors import UserError


@pytest.fixture
def photo(tmp_path):
    """A smooth RGB image, larger than the task's and of another aspect."""
    ramp = np.linspace(0, 255, 40 * 20 * 3).reshape(40, 20, 3).astype("uint8")
    Image.fromarray(ramp).save(tmp_path / "photo.png")
    Image.fromarray(ramp).save(tmp_path / "photo.jpg", quality=95)
    return tmp_path / "photo.png"


def run(export, *arguments, task="colours"):
    return predict.main([f"--export_dir={export.folder}", f"--task={task}", *map(str, arguments)])


def test_prints_the_three_likeliest_classes_of_each_image(pristine, photo, capsys):
    jpeg = photo.with_suffix(".jpg")
    budget = pristine.entry("colours", 2)["bytes"]
    assert run(pristine, f"--budget={budget}", photo, jpeg) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [str(photo), str(jpeg)]
    with BudgetedPredictor(pristine.folder, budget, tasks=["colours"]) as predictor:
        answers = predictor.predict("colours", read_image(photo, predictor.task("colours")))[0]
    best = answers.argmax()
    assert lines[0].split(": ")[1].startswith(f"colours {best} {answers[best]:.1%}, colours ")
    assert lines[0].count("%") == 3
    assert "colours: level 2" in err and "digits" not in err


def test_an_unreadable_image_is_one_line_and_the_others_are_classified(pristine, photo, capsys):
    cut = photo.with_name("cut.png")
    cut.write_bytes(photo.read_bytes()[:200])
    other = photo.with_name("notes.jpg")
    other.write_text("no image")
    missing = photo.with_name("missing.png")
    assert run(pristine, cut, other, missing, photo.parent, photo) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1 and out.startswith(str(photo))
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 4
    for line, path in zip(errors, (cut, other, missing, photo.parent), strict=True):
        assert f"cannot read the image {path}: " in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget=10"], "error: a budget of 10 bytes is too small for colours"),
        (["--budget=much"], "error: 'much' is no budget"),
        (["--format=onnx"], "error: format must be one of"),
        (["--resident=3MB"], "error: a budget of 3,000,000 bytes of resident memory is too small"),
        (["--resident=1M params"], "error: resident takes bytes"),
        (["--budget=1MB", "--resident=8MB"], "error: budget and resident exclude each other"),
        (["--threads=20000"], "error: num_threads must be a whole number from 1 to 128"),
    ],
)
def test_errors_are_one_line(pristine, photo, capsys, arguments, message):
    assert run(pristine, *arguments, photo) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith(message)


def test_a_budget_of_resident_memory(pristine, photo, capsys):
    assert run(pristine, "--resident=8MB", "--threads=2", photo) == 0
    out, err = capsys.readouterr()
    assert out.startswith(str(photo)) and "budget 8,000,000 bytes of resident memory" in err
    assert "colours: level 3" in err and ", packed" in err


def test_arguments_that_cannot_be_parsed_are_one_line(pristine, photo, capsys):
    arguments = [f"--export_dir={pristine.folder}", "--task=colours", str(photo)]
    for wrong in ("--threads=1.5", "--unknown"):
        assert predict.run([*arguments, wrong]) == 1
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and err.startswith("error: ")


def test_an_unknown_task_is_one_line(pristine, photo, capsys):
    assert run(pristine, photo, task="letters") == 1
    assert "task 'letters'; there are colours, digits" in capsys.readouterr().err


def test_a_damaged_network_is_a_warning_and_another_answers(export, photo, capsys):
    export.path("colours", 3).unlink()
    assert run(export, photo) == 0
    out, err = capsys.readouterr()
    assert err.startswith("warning: refused litert/colours_level3.tflite: the file is missing\n")
    assert "level 2" in err and out.startswith(str(photo))


def test_images_are_brought_to_the_task(pristine, tmp_path):
    with BudgetedPredictor(pristine.folder) as predictor:
        colours, digits = predictor.task("colours"), predictor.task("digits")

    def saved(array, name="x.png", mode=None, **arguments):
        image = Image.fromarray(array)
        (image.convert(mode) if mode else image).save(tmp_path / name, **arguments)
        return tmp_path / name

    grey = saved(np.full((5, 9), 80, "uint8"))
    assert read_image(grey, digits).shape == (10, 6, 1)
    assert (read_image(grey, digits) == 80).all()
    assert (read_image(grey, colours) == 80).all() and read_image(grey, colours).shape == (8, 8, 3)
    rgb = np.broadcast_to(np.uint8([200, 100, 50]), (8, 8, 3)).copy()
    assert (read_image(saved(rgb), colours) == rgb).all()
    assert (read_image(saved(rgb), digits) == 124).all()  # luminance
    assert (read_image(saved(rgb, mode="RGBA"), colours) == rgb).all()
    Image.fromarray(rgb).quantize(2).save(tmp_path / "palette.png")
    assert (read_image(tmp_path / "palette.png", colours) == rgb).all()
    wide = saved(np.full((8, 8), 40_000, "uint16"))  # 40,000 of 65,535
    assert (read_image(wide, digits) == 156).all()

    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me to the right"
    sideways = np.zeros((8, 8, 3), "uint8")
    sideways[:4] = 255
    turned = read_image(saved(sideways, "turned.png", exif=exif), colours)
    assert turned[:, 4:].min() == 255 and turned[:, :4].max() == 0


def test_tasks_of_other_channels_have_no_files(export):
    manifest = export.manifest()
    manifest["tasks"]["digits"]["image_shape"] = [10, 6, 2]
    for entry in manifest["files"]:
        if entry["task"] == "digits":
            entry["input"]["shape"] = [10, 6, 2]
    export.write_manifest(manifest)
    with BudgetedPredictor(export.folder, tasks=["colours"]):
        pass
    from dvn_runtime.manifest import read_manifest

    with pytest.raises(UserError, match="takes 2 channels"):
        read_image("x.png", read_manifest(export.folder).tasks["digits"])
