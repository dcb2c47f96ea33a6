"""A checkpoint is whole or it is not loaded: bits, pages, names, runs and networks are checked."""

import dataclasses
import json
import os
import pathlib

import keras
import numpy as np
import pytest

from dvn_tf.errors import UserError
from dvn_tf.training.checkpoints import Checkpoints, Reached

HISTORY = [{"loss": 1 / 3, "seconds": 1.5}, {"loss": 0.1, "seconds": 1.25}, {"loss": 1e-12}]


def build(units: int = 4, name: str = "network") -> keras.Model:
    """A compiled network with random numbers in all of its variables."""
    image = keras.Input((3,))
    network = keras.Model(image, keras.layers.Dense(units, name="dense")(image), name=name)
    network.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss="mse")
    network.optimizer.build(network.trainable_variables)
    return network


def all_values(network):
    variables = [*network.variables, *network.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def fill(network, seed):
    rng = np.random.default_rng(seed)
    for variable in [*network.variables, *network.optimizer.variables]:
        variable.assign(rng.integers(1, 1000, variable.shape) / 7)


@pytest.fixture(scope="module")
def network():
    return build()


@pytest.fixture
def saved(tmp_path, network):
    """Checkpoints of two epochs, and the values that each has."""
    checkpoints, values = Checkpoints(tmp_path / "checkpoints", "run 1"), {}
    for epoch in (1, 2):
        fill(network, epoch)
        checkpoints.save(network, Reached(epoch, HISTORY[:epoch]))
        values[epoch] = all_values(network)
    return checkpoints, values


def assert_restored(checkpoints, network, values, epoch):
    fill(network, 99)
    assert checkpoints.restore(network) == Reached(epoch, HISTORY[:epoch])
    for restored, value in zip(all_values(network), values[epoch], strict=True):
        np.testing.assert_array_equal(restored, value)
        assert restored.dtype == value.dtype


def test_the_newest_checkpoint_gives_everything_back(saved):
    checkpoints, values = saved
    # In another process, Keras may give the optimizer another number.
    assert_restored(checkpoints, build(), values, 2)


def test_no_checkpoint(tmp_path, network):
    assert Checkpoints(tmp_path / "none").restore(network) == Reached(0, [])


def test_the_same_state_has_the_same_bytes(saved, tmp_path):
    checkpoints, _ = saved
    other = build()
    checkpoints.restore(other)
    again = Checkpoints(tmp_path / "again", "run 1")
    again.save(other, Reached(2, HISTORY[:2]))
    assert again.files()[2].read_bytes() == checkpoints.files()[2].read_bytes()


def test_only_the_newest_are_kept(saved, network):
    checkpoints, _ = saved
    old = checkpoints.files()[1]
    content = old.read_bytes()
    checkpoints.save(network, Reached(3, HISTORY))
    assert list(checkpoints.files()) == [2, 3]
    old.write_bytes(content)  # as if the program had been killed before it was removed
    checkpoints.restore(network)
    assert list(checkpoints.files()) == [2, 3]


def damage(file, change):
    content = bytearray(file.read_bytes())
    change(content)
    file.write_bytes(content)


def test_any_flipped_bit_is_noticed(saved, network, capsys):
    """Every bit of the hash and the line after it, and some hundreds of the others."""
    checkpoints, values = saved
    file = checkpoints.files()[2]
    whole = file.read_bytes()
    rng = np.random.default_rng()
    bits = [*range(8 * 66), *rng.integers(8 * 66, 8 * len(whole), 300)]
    for bit in map(int, bits):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        assert checkpoints.restore(network).epochs == 1, f"bit {bit} of {len(whole)} bytes"
        file.with_suffix(".damaged").unlink()
    assert len(capsys.readouterr().out.splitlines()) == len(bits)
    file.write_bytes(whole)
    assert_restored(checkpoints, network, values, 2)


CHANGES = {
    "a page of zeros": lambda content: content.__setitem__(slice(100, 600), bytes(500)),
    "cut": lambda content: content.__delitem__(slice(len(content) // 2, None)),
    "empty": lambda content: content.clear(),
    "longer": lambda content: content.extend(b"\0"),
    "other bytes": lambda content: content.__setitem__(slice(None), b"x" * 5000),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_loaded(
    change, saved, network, capsys
):
    checkpoints, values = saved
    file = checkpoints.files()[2]
    damage(file, CHANGES[change])
    damaged = file.read_bytes()
    assert_restored(checkpoints, network, values, 1)
    [line] = capsys.readouterr().out.splitlines()
    assert str(file) in line and "epoch-0002.damaged" in line
    assert file.with_suffix(".damaged").read_bytes() == damaged
    assert list(checkpoints.files()) == [1]


def test_none_left(saved, network):
    checkpoints, _ = saved
    for file in checkpoints.files().values():
        damage(file, CHANGES["cut"])
    for _ in range(2):  # nor does a second start begin anew
        with pytest.raises(UserError, match=r"no checkpoint .* is whole .*--run_dir") as raised:
            checkpoints.restore(network)
        assert "\n" not in str(raised.value)


def test_a_checkpoint_with_the_name_of_another_epoch(saved, network, capsys):
    checkpoints, values = saved
    file = checkpoints.files()[2]
    file.rename(file.with_name("epoch-0003.checkpoint"))
    assert_restored(checkpoints, network, values, 1)
    assert "of another epoch" in capsys.readouterr().out


def test_a_checkpoint_of_another_run(saved, network, tmp_path, capsys):
    checkpoints, values = saved
    other = Checkpoints(tmp_path / "other", "run 2")
    fill(network, 5)
    other.save(network, Reached(3, HISTORY))
    other.files()[3].rename(checkpoints.folder / "epoch-0003.checkpoint")
    assert_restored(checkpoints, network, values, 2)
    assert "of another run" in capsys.readouterr().out


@pytest.mark.parametrize("options", [{"units": 5}, {"name": "another"}])
def test_a_checkpoint_of_another_network(saved, network, options, capsys):
    checkpoints, values = saved
    checkpoints.save(build(**options), Reached(3, HISTORY))
    assert_restored(checkpoints, network, values, 2)
    assert "of another network" in capsys.readouterr().out


def test_a_checkpoint_with_a_hash_of_its_own_and_nonsense_inside(saved, network, capsys):
    from dvn_tf.training.checkpoints import _with_hash

    checkpoints, values = saved
    for content in (b"", b"{}\n", b"[]\nx", b"[" * 10**5 + b"\n", json.dumps({"a": 1}).encode()):
        (checkpoints.folder / "epoch-0003.checkpoint").write_bytes(_with_hash(content))
        assert_restored(checkpoints, network, values, 2)


@pytest.mark.parametrize("make", [pathlib.Path.mkdir, os.mkfifo])
def test_what_is_no_file_in_the_place_of_a_checkpoint(saved, network, capsys, make):
    checkpoints, values = saved
    make(checkpoints.folder / "epoch-0003.checkpoint")
    assert_restored(checkpoints, network, values, 2)
    assert "is damaged (it is no regular file): set aside" in capsys.readouterr().out


def test_a_checkpoint_that_was_made_huge(saved, network, capsys):
    checkpoints, values = saved
    os.truncate(checkpoints.files()[2], 2**42)
    assert_restored(checkpoints, network, values, 1)
    assert "is damaged (it is larger than a checkpoint" in capsys.readouterr().out


def test_weights_of_version_0_3_are_still_loaded(saved, network):
    """They have no hash, and their history lies elsewhere."""
    checkpoints, _ = saved
    for file in checkpoints.files().values():
        file.unlink()
    fill(network, 7)
    expected = all_values(network)
    network.save_weights(checkpoints.folder / "epoch-0007.weights.h5")
    fill(network, 8)
    assert checkpoints.restore(network) == Reached(7, None)
    for restored, value in zip(all_values(network), expected, strict=True):
        np.testing.assert_array_equal(restored, value)
    file = checkpoints.files()[7]
    damage(file, CHANGES["cut"])
    with pytest.raises(UserError, match="is cut short or damaged: delete it"):
        checkpoints.restore(network)
    assert file.exists()


def within(network, epochs, step):
    """What a stop within an epoch saves."""
    rng = np.random.default_rng(step)
    metrics = {
        number: rng.uniform(size=variable.shape).astype("float32")
        for number, variable in enumerate(network.metrics_variables)
    }
    return Reached(epochs, HISTORY[:epochs], step, 1.25, metrics)


def assert_same(reached, other):
    assert dataclasses.replace(reached, metrics={}) == dataclasses.replace(other, metrics={})
    assert reached.metrics.keys() == other.metrics.keys()
    for number, value in reached.metrics.items():
        np.testing.assert_array_equal(value, other.metrics[number])


def names(checkpoints):
    return sorted(file.name for file in checkpoints.folder.iterdir())


def test_a_checkpoint_within_an_epoch_gives_everything_back(saved, network):
    checkpoints, _ = saved
    fill(network, 5)
    values, reached = all_values(network), within(network, 2, 458)
    assert reached.metrics
    checkpoints.save(network, reached)
    assert names(checkpoints) == [
        "epoch-0001.checkpoint", "epoch-0002.checkpoint", "epoch-0003-step-000458.checkpoint"
    ]  # fmt: skip
    assert list(checkpoints.files()) == [1, 2]
    other = build()
    assert_same(checkpoints.restore(other), reached)
    for restored, value in zip(all_values(other), values, strict=True):
        np.testing.assert_array_equal(restored, value)


def test_of_the_steps_of_an_epoch_the_last_stays_until_the_epoch_is_done(saved, network):
    checkpoints, _ = saved
    for step in (7, 10, 9):  # 9: trained again from a step before, after damage
        checkpoints.save(network, within(network, 2, step))
    assert names(checkpoints)[2:] == ["epoch-0003-step-000010.checkpoint"]
    checkpoints.save(network, Reached(3, HISTORY))
    assert names(checkpoints) == ["epoch-0002.checkpoint", "epoch-0003.checkpoint"]
    checkpoints.save(network, within(network, 3, 1))
    assert names(checkpoints)[2:] == ["epoch-0004-step-000001.checkpoint"]


def test_a_damaged_step_gives_way_to_the_epoch_before(saved, network, capsys):
    checkpoints, values = saved
    checkpoints.save(network, within(network, 2, 3))
    file = checkpoints.all_files()[2, 3]
    damage(file, CHANGES["a page of zeros"])
    assert_restored(checkpoints, network, values, 2)
    assert "set aside as epoch-0003-step-000003.damaged." in capsys.readouterr().out


@pytest.mark.parametrize("name", ["epoch-0003-step-000004", "epoch-0004-step-000003", "epoch-0003"])
def test_a_step_with_the_name_of_another(name, saved, network, capsys):
    checkpoints, values = saved
    checkpoints.save(network, within(network, 2, 3))
    checkpoints.all_files()[2, 3].rename(checkpoints.folder / f"{name}.checkpoint")
    assert_restored(checkpoints, network, values, 2)
    assert "it is of another" in capsys.readouterr().out


def test_a_step_of_other_metrics(saved, network, capsys):
    checkpoints, values = saved
    reached = within(network, 2, 3)
    checkpoints.save(network, dataclasses.replace(reached, metrics={0: reached.metrics[0]}))
    assert_restored(checkpoints, network, values, 2)
    assert "of another network" in capsys.readouterr().out
