"""The compared methods. Each is a sequence of stages; all share backbone, pipeline and trainer.

A method says which networks are trained on what, and in which order; see `Stage`. Training itself
is the same for all of them (`dvn_tf.training.runs`), so that reports compare methods, not code.
"""

from dvn_tf.methods.baseline import Baseline
from dvn_tf.methods.da_cnn import DACNN
from dvn_tf.methods.dvn import DVN
from dvn_tf.methods.feature_extraction import FeatureExtraction
from dvn_tf.methods.lwf import LwF
from dvn_tf.methods.method import Method, Stage
from dvn_tf.methods.nestednet import NestedNet, NestedNetSingle
from dvn_tf.methods.packnet import PackNet
from dvn_tf.methods.separate import Separate

METHODS = (
    DVN,
    NestedNet,
    NestedNetSingle,
    PackNet,
    Baseline,
    Separate,
    LwF,
    FeatureExtraction,
    DACNN,
)

__all__ = [method.__name__ for method in METHODS] + ["METHODS", "Method", "Stage"]
