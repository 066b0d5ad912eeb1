"""SGD and Adam with decoupled weight decay and a learning rate factor for some of the variables."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import keras
import tensorflow as tf

from data_prep.stage.settings import require_member
from delg.settings.kinds import OPTIMIZERS

_NOT_DECAYED = re.compile(r"/(bias|gamma|beta|power)(:\d+)?$")
_REPLICA = re.compile(r"/replica_\d+")  # tf.distribute renames the copies of a variable


class DecoupledDecay:
    """Mixed into a Keras optimizer: after its own step each variable shrinks by rate * weight_decay.

    Slow variables take `slow_factor` of the optimizer's step and of the decay. It is the step that is scaled,
    not the gradient, which Adam would scale back. Source of the decay: https://arxiv.org/abs/1711.05101.
    Keras' averages of variables, where they are kept, are read by `average_of`.
    """

    def __init__(self, *args, decoupled_decay=0.0, slow_names=(), slow_factor=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.decoupled_decay = decoupled_decay
        self.slow_names = sorted(slow_names)
        self.slow_factor = slow_factor

    def update_step(self, gradient, variable):
        name = _REPLICA.sub("", variable.name)
        factor = self.slow_factor if name in self.slow_names else 1.0
        decay = 0.0 if _NOT_DECAYED.search(name) else self.decoupled_decay
        if factor == 1.0 and decay == 0.0:
            super().update_step(gradient, variable)
            return
        before = tf.identity(variable)
        super().update_step(gradient, variable)
        shrinkage = tf.cast(self.learning_rate * decay, variable.dtype) * before
        variable.assign(before + factor * (variable - before - shrinkage))

    def finalize_variable_values(self, var_list):
        """Leaves them as they are. Keras would put the averages in their place at the end of each `fit`, also
        where a training has more fits to come."""

    def average_of(self, variable: tf.Variable) -> tf.Variable:
        """The moving average of a variable that is trained; `use_ema` must be set."""
        return self._model_variables_moving_average[self._index_dict[self._var_key(variable)]]

    def get_config(self):
        return {**super().get_config(), "decoupled_decay": self.decoupled_decay,
                "slow_names": self.slow_names, "slow_factor": self.slow_factor}


@keras.saving.register_keras_serializable(package="delg")
class DecoupledSGD(DecoupledDecay, keras.optimizers.SGD):
    """SGD with momentum, and the above. Source: https://proceedings.mlr.press/v28/sutskever13.html."""


@keras.saving.register_keras_serializable(package="delg")
class DecoupledAdam(DecoupledDecay, keras.optimizers.Adam):
    """Adam, and the above. Source: https://arxiv.org/abs/1412.6980, algorithm 1."""


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """A rule by which gradients change the weights.

    Attributes:
        make: the optimizer; takes the arguments of `DecoupledDecay` and of Keras' optimizers.
        options: names of the arguments of `build_optimizer` that only some rules have, and this one takes.
    """

    make: Callable[..., keras.optimizers.Optimizer]
    options: tuple[str, ...] = ()


SGD = Optimizer(DecoupledSGD, ("momentum",))
ADAM = Optimizer(DecoupledAdam, ("beta_1", "beta_2"))


def build_optimizer(name, learning_rate, momentum=0.9, weight_decay=0.0, clip_norm=0.0, slow_names=(),
                    slow_factor=1.0, beta_1=0.9, beta_2=0.999, ema_momentum=0.0
                    ) -> keras.optimizers.Optimizer:
    """Optimizer of a training.

    Args:
        name: of OPTIMIZERS.
        learning_rate: number or schedule.
        momentum: of sgd.
        weight_decay: share of each weight, times the learning rate, that is taken away per step; biases,
            BatchNorm and the power of GeM are spared.
        clip_norm: largest norm of all gradients together, after their sum over the replicas; 0: no limit.
        slow_names: names of variables that take smaller steps.
        slow_factor: factor of their steps.
        beta_1: of adam, decay of the mean of gradients.
        beta_2: of adam, decay of the mean square of gradients.
        ema_momentum: share of its former value that the moving average of each variable keeps in a step; 0:
            no averages.

    Raises:
        ValueError: unknown name.
    """
    require_member("optimizer", name, OPTIMIZERS)
    record = OPTIMIZERS[name]
    own = {"momentum": momentum, "beta_1": beta_1, "beta_2": beta_2}
    return record.make(
        learning_rate=learning_rate, global_clipnorm=clip_norm or None, jit_compile=False,
        use_ema=ema_momentum > 0, ema_momentum=ema_momentum, decoupled_decay=weight_decay,
        slow_names=slow_names, slow_factor=slow_factor, **{option: own[option] for option in record.options})
