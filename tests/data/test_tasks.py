import numpy as np
import pytest

from dvn_tf.data import Task, check_tasks, task_info
from dvn_tf.errors import UserError


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (None, None),
        ("0-4", (0, 1, 2, 3, 4)),
        ("0-2,7", (0, 1, 2, 7)),
        (" 3 , 0 - 1 ", (3, 0, 1)),
        ("5", (5,)),
        ((3, 0), (3, 0)),
        ([np.int64(2), 1], (2, 1)),
    ],
)
def test_classes_are_read_in_the_order_given(classes, expected):
    assert Task("t", "digits", classes=classes).class_indices() == expected


@pytest.mark.parametrize(
    "classes", ["", "4-0", "0-", "a", "0,,1", "1,1", "0-3,2", (0, 0), (-1,), (0.5,), (True,), ()]
)
def test_malformed_classes_are_refused(classes):
    with pytest.raises(UserError, match="classes"):
        Task("t", "digits", classes=classes)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "ä", "a.b", None])
def test_names_that_cannot_name_an_output_are_refused(name):
    with pytest.raises(UserError, match="name"):
        Task(name, "digits")


@pytest.mark.parametrize(
    "setting",
    [
        {"image_size": 0},
        {"image_size": 1.5},
        {"train_examples": 0},
        {"crop_padding": -1},
        {"test_fraction": 0.0},
        {"test_fraction": 1.0},
    ],
)
def test_senseless_settings_are_refused_by_name(setting):
    with pytest.raises(UserError, match=next(iter(setting))):
        Task("t", "digits", **setting)


def test_settings_without_effect_are_refused():
    for setting in ({"label_key": "coarse"}, {"train_split": "train"}, {"image_key": "x"}):
        with pytest.raises(UserError, match=next(iter(setting))):
            task_info(Task("t", "digits", **setting))


def test_check_tasks_accepts_a_scenario():
    check_tasks(
        [
            Task("low", "digits", classes="0-4"),
            Task("high", "digits", classes="5-9"),
            Task("fine", "cifar100"),
            Task("coarse", "cifar100", label_key="coarse_label"),
            Task("coarse-part", "cifar100", label_key="coarse_label", classes="0-4"),
            Task("fine-part", "cifar100", classes="0-4"),
            Task("other", "cifar10", classes="0-4"),
        ]
    )


def test_check_tasks_refuses_two_of_a_name():
    with pytest.raises(UserError, match="'same'"):
        check_tasks([Task("same", "digits"), Task("same", "cifar10")])


@pytest.mark.parametrize("second", ["cifar100", "cifar100:3.0.2", "cifar100:3.*.*"])
def test_check_tasks_refuses_a_class_in_two_tasks(second):
    with pytest.raises(UserError, match=r"Class 4 .*'a' and 'b'"):
        check_tasks([Task("a", "cifar100", classes="0-4"), Task("b", second, classes="4-9")])


def test_check_tasks_refuses_an_empty_scenario():
    with pytest.raises(UserError, match="no tasks"):
        check_tasks([])


def test_task_info_needs_no_data(tmp_path):
    info = task_info(Task("h1", "cifar100", label_key="coarse_label"), tmp_path)
    assert (info.name, info.num_classes, info.image_shape) == ("h1", 20, (32, 32, 3))
    info = task_info(Task("j2", "tiny_imagenet", classes="50-99"), tmp_path)
    assert (info.num_classes, info.image_shape) == (50, (64, 64, 3))
    assert task_info(Task("j3", "stl10"), tmp_path).image_shape == (96, 96, 3)
    assert task_info(Task("small", "stl10", image_size=48), tmp_path).image_shape == (48, 48, 3)
    assert list(tmp_path.iterdir()) == []


def test_task_info_names_the_classes_chosen(tfds_dir):
    info = task_info(Task("t", "cifar10", classes=(9, 0)), tfds_dir)
    assert (info.num_classes, info.class_names) == (2, ("truck", "airplane"))
    assert task_info(Task("d", "digits", classes="5-9")).class_names == ("5", "6", "7", "8", "9")


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Task("t", "digits", classes="8-10"), "class 10 is out of range: 'digits' .* 0 to 9"),
        (Task("t", "cifar10", classes=(10,)), "class 10 is out of range"),
        (Task("t", "digits", crop_padding=8), "crop_padding 8 .* at most 7"),
        (Task("t", "cifar11"), "no dataset 'cifar11'.*'cifar10'"),
        (Task("t", "cifar10:1.2.3"), "1.2.3"),
        (Task("t", "no such name"), "'no such name'"),
        (Task("t", "cifar100", label_key="coarse"), "'coarse' .*'coarse_label', 'label'"),
        (Task("t", "cifar100", label_key="image"), "'image' .*'coarse_label', 'label'"),
        (Task("t", "cifar100", image_key="picture"), "'picture' .*'image'"),
        (Task("t", "oxford_flowers102"), "Task.image_size"),
        (Task("t", "folder:no/such/folder"), "no folder no/such/folder"),
    ],
)
def test_task_info_says_in_one_line_what_is_wrong(task, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        task_info(task, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_misspelled_dataset_is_noticed_without_the_network(monkeypatch, tmp_path):
    def connect():
        raise AssertionError("TFDS lists the datasets of its community from the network")

    monkeypatch.setattr("tensorflow_datasets.core.community.community_register", connect)
    with pytest.raises(UserError, match="'cifar10'"):
        task_info(Task("t", "cifar11"), tmp_path)


def test_a_padding_of_one_less_than_the_image_is_the_most():
    task_info(Task("t", "digits", crop_padding=7))
