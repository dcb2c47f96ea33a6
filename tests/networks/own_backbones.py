"""Two backbones as a user would add them: stacked like VGG, and densely connected."""

import dataclasses

import keras

from dvn_tf.networks.backbones import Backbone


@keras.saving.register_keras_serializable("tests")
@dataclasses.dataclass(frozen=True)
class TinyVGG(Backbone):
    """Stages of two 3x3 convolutions, halved by max pooling (Simonyan and Zisserman, 2015)."""

    base_width: int = 8

    name = "TinyVGG"
    input_width = 6

    @property
    def widths(self):
        return (self.base_width, 2 * self.base_width)

    def __call__(self, x, layers):
        for stage, width in enumerate(self.widths, start=1):
            for number in (1, 2):
                x = layers.conv(x, width, 3, 1, name=f"stage{stage}_conv{number}")
                x = layers.relu(layers.norm(x, name=f"stage{stage}_norm{number}"))
            x = layers.max_pool(x, 2)
        return layers.pool(x)


@keras.saving.register_keras_serializable("tests")
@dataclasses.dataclass(frozen=True)
class TinyDenseNet(Backbone):
    """Each layer reads all maps before it in its block (Huang et al., 2017)."""

    growth: int = 6

    name = "TinyDenseNet"
    input_width = 8

    @property
    def widths(self):
        return (self.input_width, self.growth, 2 * self.growth)

    def __call__(self, x, layers):
        for block in (1, 2):
            for number in (1, 2):
                y = layers.relu(layers.norm(x, name=f"block{block}_norm{number}"))
                y = layers.conv(y, self.growth, 3, 1, name=f"block{block}_conv{number}")
                x = layers.concatenate(x, y)
            if block == 1:  # the transition
                x = layers.relu(layers.norm(x, name="transition_norm"))
                x = layers.conv(x, 2 * self.growth, 1, 1, name="transition_conv")
                x = layers.max_pool(x, 2)
        x = layers.relu(layers.norm(x, name="final_norm"))
        return layers.pool(x)
