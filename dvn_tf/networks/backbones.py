"""The paper's two backbones, each written once, as a function of the layers it is handed.

`backbone(x, layers)` never asks what x is. Handed `VirtualLayers`, it builds the k x n_h virtual
networks of a deep virtual network; handed `PlainLayers`, one network of stock Keras layers; handed
`CountingLayers`, it counts parameters and multiply-adds. See `dvn_tf.networks.layer_sets`.
"""

import dataclasses
from typing import Annotated

import keras

from dvn_tf.errors import UserError
from dvn_tf.networks.layer_sets import LayerSet
from dvn_tf.settings import Between, check_settings


class Backbone:
    """What a backbone is: a frozen dataclass of hyper-parameters that can be called.

    A backbone of your own derives from this class and defines the attributes below and
    `__call__`. Register it with `keras.saving.register_keras_serializable`, so that networks
    built on it can be saved and loaded.

    Attributes:
        name: the field's name, such as "WRN-32-4".
        input_width: channels of the input layer, which is not partitioned.
        widths: the different numbers of channels that its layers have, the last layer's last;
            every unit must get a channel of each.
    """

    name: str
    input_width: int
    widths: tuple[int, ...]

    def __call__(self, x, layers: LayerSet):
        """Builds the backbone.

        Args:
            x: the output of the input layer (b, h, w, `input_width`), in the layer set's form.
            layers: the operations to build it of.

        Returns:
            The pooled features (b, c), in the layer set's form.
        """
        raise NotImplementedError

    def get_config(self) -> dict:
        """The constructor's arguments, for Keras's serialization."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict) -> "Backbone":
        """The inverse of `get_config`."""
        return cls(**config)


@keras.saving.register_keras_serializable("dvn_tf")
@dataclasses.dataclass(frozen=True)
class WideResNet(Backbone):
    """WRN-n-s: three groups of pre-activation blocks, widths 16s, 32s and 64s.

    Args:
        depth: n = 6N+2 as the DVN paper counts (WRN-32-4) or 6N+4 as the WRN paper does
            (WRN-28-10), for N blocks a group.
        width: the scale factor s over the number of feature maps.

    Raises:
        UserError: for a depth that is neither, or a width that is no whole number from 1 to 64.

    Reference:
        Zagoruyko and Komodakis, "Wide residual networks", 2016.
    """

    depth: Annotated[int, Between(1, 1_000)] = 32
    width: Annotated[int, Between(1, 64)] = 4

    def __post_init__(self):
        check_settings(self)
        if self.depth < 8 or self.depth % 6 not in (2, 4):
            raise UserError(
                f"there is no wide residual network of depth {self.depth}: use 6N+2 (8, 14, 20, "
                "26, 32, ...) or 6N+4 (10, 16, 22, 28, 34, 40, ...)"
            )

    @property
    def input_width(self) -> int:
        """Channels of the input layer, which is not partitioned."""
        return 16

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of every group."""
        return (16 * self.width, 32 * self.width, 64 * self.width)

    @property
    def name(self) -> str:
        """The field's name, such as WRN-32-4."""
        return f"WRN-{self.depth}-{self.width}"

    def __call__(self, x, layers):
        blocks = (self.depth - 2) // 6
        for group, width in enumerate(self.widths, start=1):
            for block in range(1, blocks + 1):
                stride = 2 if group > 1 and block == 1 else 1
                x = self._block(x, width, stride, layers, f"group{group}_block{block}")
        x = layers.relu(layers.norm(x, name="final_norm"))
        return layers.pool(x)

    @staticmethod
    def _block(x, width, stride, layers, name):
        activated = layers.relu(layers.norm(x, name=f"{name}_norm1"))
        if x.width == width and stride == 1:
            shortcut = layers.shortcut(x, width, stride)
        else:
            # As in the WRN authors' code, the projection reads the activated input.
            shortcut = layers.conv(activated, width, 1, stride, name=f"{name}_projection")
        y = layers.conv(activated, width, 3, stride, name=f"{name}_conv1")
        y = layers.relu(layers.norm(y, name=f"{name}_norm2"))
        y = layers.conv(y, width, 3, 1, name=f"{name}_conv2")
        return layers.add(shortcut, y)


@keras.saving.register_keras_serializable("dvn_tf")
@dataclasses.dataclass(frozen=True)
class ResNet(Backbone):
    """ResNet-n: four stages of post-activation basic blocks, n = 8N+2 for N blocks a stage.

    Shortcuts that change the width are parameter-free (zero padding, option A), which gives
    the paper's 29.8M parameters for ResNet-42; projections would give 29.96M.

    Args:
        depth: n = 8N+2 (10, 18, 26, 34, 42, ...).
        base_width: channels of the first stage and of the input layer; each stage doubles it.

    Raises:
        UserError: for another depth, or a base width that is no whole number from 1 to 1,024.

    Reference:
        He et al., "Deep residual learning for image recognition", CVPR 2016.
    """

    depth: Annotated[int, Between(1, 1_000)] = 42
    base_width: Annotated[int, Between(1, 1_024)] = 64

    def __post_init__(self):
        check_settings(self)
        if self.depth < 10 or self.depth % 8 != 2:
            raise UserError(
                f"there is no ResNet of depth {self.depth} here: use 8N+2 (10, 18, 26, 34, 42, ...)"
            )

    @property
    def input_width(self) -> int:
        """Channels of the input layer, which is not partitioned."""
        return self.base_width

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of every stage."""
        return tuple(self.base_width * 2**stage for stage in range(4))

    @property
    def name(self) -> str:
        """The field's name, such as ResNet-42."""
        suffix = "" if self.base_width == 64 else f"-w{self.base_width}"
        return f"ResNet-{self.depth}{suffix}"

    def __call__(self, x, layers):
        x = layers.relu(layers.norm(x, name="input_norm"))
        blocks = (self.depth - 2) // 8
        for stage, width in enumerate(self.widths, start=1):
            for block in range(1, blocks + 1):
                stride = 2 if stage > 1 and block == 1 else 1
                x = self._block(x, width, stride, layers, f"stage{stage}_block{block}")
        return layers.pool(x)

    @staticmethod
    def _block(x, width, stride, layers, name):
        y = layers.conv(x, width, 3, stride, name=f"{name}_conv1")
        y = layers.relu(layers.norm(y, name=f"{name}_norm1"))
        y = layers.conv(y, width, 3, 1, name=f"{name}_conv2")
        y = layers.norm(y, name=f"{name}_norm2")
        return layers.relu(layers.add(layers.shortcut(x, width, stride), y))
