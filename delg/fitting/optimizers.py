"""SGD and Adam with decoupled weight decay, a learning rate factor for some of the variables, and steps of
some rows alone."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import keras
import tensorflow as tf

from data_prep.stage.settings import require_member
from delg.networks.replicas import parted_variables
from delg.networks.replicas.sums import sum_over_replicas
from delg.settings.kinds import OPTIMIZERS

_NOT_DECAYED = re.compile(r"/(bias|gamma|beta|power)(:\d+)?$")
_REPLICA = re.compile(r"/replica_\d+")  # tf.distribute renames the copies of a variable


class DecoupledDecay:
    """Mixed into a Keras optimizer: after its own step each variable shrinks by rate * weight_decay.

    Slow variables take `slow_factor` of the optimizer's step and of the decay. It is the step that is scaled,
    not the gradient, which Adam would scale back. Source of the decay: https://arxiv.org/abs/1711.05101.
    Keras' averages of variables, where they are kept, are read by `average_of`.

    Steps that a LossScaleOptimizer skips, since float16 overflowed, count as `iterations`, so that batches go
    on, but not as `num_updates`, which the schedule of the learning rate goes by then.

    A gradient of some rows (`tf.IndexedSlices`, each row once) moves these rows alone, with their moments and
    their decay; Keras would move all rows by their momentum. Of a parted variable, see
    `networks.replicas.parted_variables`, each replica moves its own part by its own gradient.
    """

    def __init__(self, *args, decoupled_decay=0.0, slow_names=(), slow_factor=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.decoupled_decay = decoupled_decay
        self.slow_names = sorted(slow_names)
        self.slow_factor = slow_factor
        self.num_updates = None

    def build(self, var_list):
        super().build(var_list)
        self._has_parted = any(parted_variables.is_parted(variable) for variable in var_list)
        is_wrapped = getattr(self, "_is_wrapped_by_loss_scale_optimizer", False)
        if is_wrapped and self.num_updates is None:
            self.num_updates = tf.Variable(  # as Keras makes `iterations`
                tf.zeros([], tf.int64), trainable=False, name="num_updates",
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

    def add_variable_from_reference(self, model_variable, variable_name, shape=None, initial_value=None):
        moment = super().add_variable_from_reference(model_variable, variable_name, shape, initial_value)
        if parted_variables.is_parted(model_variable):
            parted_variables.part_rows(moment, model_variable.num_rows)
        return moment

    def aggregate_gradients(self, grads_and_vars):
        grads_and_vars = list(grads_and_vars)
        shared = [pair for pair in grads_and_vars if not parted_variables.is_parted(pair[1])]
        summed = iter(super().aggregate_gradients(shared))
        return [pair if parted_variables.is_parted(pair[1]) else next(summed) for pair in grads_and_vars]

    def apply_gradients(self, grads_and_vars, name=None, skip_gradients_aggregation=False, **kwargs):
        grads_and_vars = list(grads_and_vars)
        if self.global_clipnorm and any(parted_variables.is_parted(each) for _, each in grads_and_vars):
            if not skip_gradients_aggregation:
                grads_and_vars = self.aggregate_gradients(grads_and_vars)
            grads_and_vars, skip_gradients_aggregation = self._clipped(grads_and_vars), True
        done = super().apply_gradients(grads_and_vars, name, skip_gradients_aggregation, **kwargs)
        if self.num_updates is not None:
            self.num_updates.assign_add(1)
        return done

    def _compute_current_learning_rate(self):
        if self.num_updates is None:
            super()._compute_current_learning_rate()
        elif isinstance(self._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            self._current_learning_rate.assign(self._learning_rate(self.num_updates))

    def _clipped(self, grads_and_vars):
        """Clipped by the norm of all gradients; of parted variables each replica has only its own."""
        gradients, variables = zip(*grads_and_vars)
        squares = [tf.constant(0.0), tf.constant(0.0)]
        for gradient, variable in grads_and_vars:
            if gradient is not None:
                values = gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
                squares[parted_variables.is_parted(variable)] += 2.0 * tf.nn.l2_loss(values)
        norm = tf.sqrt(squares[False] + sum_over_replicas(squares[True]))
        return list(zip(tf.clip_by_global_norm(gradients, self.global_clipnorm, norm)[0], variables))

    def _clip_gradients(self, grads):
        return grads if self._has_parted else super()._clip_gradients(grads)

    def _deduplicate_sparse_grad(self, grads):
        return grads

    def _own_moments(self, moments, variable):
        """Of each list of moments that of a variable, on its device."""
        key = self._index_dict[self._var_key(variable)]
        return [_beside(each[key], variable) for each in moments]

    def update_step(self, gradient, variable):
        name = _REPLICA.sub("", variable.name)
        factor = self.slow_factor if name in self.slow_names else 1.0
        decay = 0.0 if _NOT_DECAYED.search(name) else self.decoupled_decay
        if isinstance(gradient, tf.IndexedSlices):
            self._update_rows(gradient, variable, factor, decay)
            return
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

    def _update_rows(self, gradient, variable, factor, decay):
        """Moves the rows of `gradient`, an IndexedSlices, and their momentum, in place: one pass over them,
        another for the decay, where gathering and scattering takes seven."""
        [momentum] = self._own_moments([self.momentums], variable)
        rate = tf.cast(factor * self.learning_rate, variable.dtype)
        if decay:
            tf.raw_ops.ResourceScatterMul(
                resource=variable.handle, indices=gradient.indices, updates=1.0 - rate * decay)
        tf.raw_ops.ResourceSparseApplyKerasMomentum(
            var=variable.handle, accum=momentum.handle, lr=rate, grad=gradient.values,
            indices=gradient.indices, momentum=tf.cast(self.momentum, variable.dtype))


@keras.saving.register_keras_serializable(package="delg")
class DecoupledAdam(DecoupledDecay, keras.optimizers.Adam):
    """Adam, and the above. Source: https://arxiv.org/abs/1412.6980, algorithm 1."""

    def _update_rows(self, gradient, variable, factor, decay):
        """Moves the rows of `gradient`, an IndexedSlices, and their moments."""
        moments = self._own_moments([self._momentums, self._velocities], variable)
        rows, values = gradient.indices, gradient.values
        momentum, velocity = (tf.gather(each, rows) for each in moments)
        momentum = self.beta_1 * momentum + (1.0 - self.beta_1) * values
        velocity = self.beta_2 * velocity + (1.0 - self.beta_2) * tf.square(values)
        for moment, changed in zip(moments, (momentum, velocity)):
            moment.scatter_update(tf.IndexedSlices(changed, rows))
        count = tf.cast(self.iterations + 1, values.dtype)
        rate = tf.cast(self.learning_rate, values.dtype)
        size = rate * tf.sqrt(1.0 - self.beta_2 ** count) / (1.0 - self.beta_1 ** count)
        step = -size * momentum / (tf.sqrt(velocity) + self.epsilon)
        if decay:
            step -= rate * decay * tf.gather(variable, rows)
        variable.scatter_add(tf.IndexedSlices(factor * step, rows))


def _beside(moment: tf.Variable, variable: tf.Variable) -> tf.Variable:
    """Of a moment the copy on the device of `variable`, which is a copy itself, if there are several."""
    copies = tf.distribute.get_strategy().experimental_local_results(moment)
    return next((each for each in copies if each.device == variable.device), moment)


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
