"""Settings of how levels learn together that leave each other nothing to do, or count wrongly."""

import pytest

from dvn_tf.errors import UserError
from dvn_tf.methods import DVN
from dvn_tf.methods.level_learning import LevelLearning
from dvn_tf.networks.backbones import WideResNet
from dvn_tf.networks.lower_batches import LowerBatches
from dvn_tf.networks.network import DeepVirtualNetwork
from dvn_tf.networks.one_level import OneLevel
from dvn_tf.tasks import TaskInfo
from dvn_tf.units import UnitTable

SHARE, ONE = {"lower_batches": "share"}, {"level_steps": "one"}
MEAN, SOFT, CAUSAL = {"gradients": "mean"}, {"self_distillation": 1.0}, {"causal": True}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SHARE, ONE), (SHARE, SOFT), (SHARE, MEAN), (ONE, SOFT), (ONE, MEAN),
        (CAUSAL, SHARE), (CAUSAL, ONE), (CAUSAL, MEAN),
    ],
)  # fmt: skip
def test_two_that_exclude_each_other_are_one_line(first, second):
    with pytest.raises(UserError, match="excludes") as raised:
        DVN(**first, **second)
    assert len(str(raised.value).splitlines()) == 1
    for name in (*first, *second):
        assert f"DVN.{name}" in str(raised.value)


@pytest.mark.parametrize("settings", [SOFT | MEAN, SOFT | CAUSAL, SHARE, ONE, MEAN, {}])
def test_others_go_together(settings):
    DVN(**settings)
    if "causal" not in settings:
        LevelLearning(**settings)


def test_a_causal_network_is_refused_where_levels_need_layers_of_their_own():
    def network(**settings):
        info = TaskInfo("a", 2, (8, 8, 1))
        return DeepVirtualNetwork(
            [info], UnitTable((((1,), (1, 2)),)), WideResNet(8, 1), **settings
        )

    causal = network(causal=True)
    with pytest.raises(UserError, match="one pass"):
        OneLevel(causal)
    with pytest.raises(UserError, match="one pass"):
        LowerBatches(causal, 4)
    with pytest.raises(UserError, match="'mean' does not count"):
        network(causal=True, gradients="mean")
