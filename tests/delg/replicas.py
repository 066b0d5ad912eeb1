"""Two replicas on one machine without accelerators, for the tests of tf.distribute.

Import it at the top of a test module: processors can be split only before TensorFlow's first operation.
"""

import tensorflow as tf

from delg.strategies import build_strategy


def two_replicas() -> tf.distribute.Strategy:
    """MirroredStrategy over two logical processors, which importing this module has set up."""
    return build_strategy("mirrored")


def _split_processor() -> None:
    processor = tf.config.list_physical_devices("CPU")[0]
    if not tf.config.get_logical_device_configuration(processor):
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)


_split_processor()
