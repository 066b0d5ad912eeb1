"""What an exported hashing model computes, as functions of fixed signatures."""

from __future__ import annotations

import keras
import tensorflow as tf

from delg.networks.batch_norm_folding import fold_batch_norm
from hashing.data.image_batches import middle, resized_size


class CodeModule(tf.Module):
    """Images to codes, in two signatures of the same outputs.

    `serving_default` takes `images` uint8 [B, H, W, 3] of any one size and resizes them as the images of
    shards are; `batch` takes `images` uint8 [B, S, S, 3] that are resized and cut already. Outputs: `codes`
    float32 [B, K] in (-1, 1); `packed_codes` uint8 [B, ceil(K / 8)], the bits that `codes.pack` packs;
    `features` float32 [B, D], what the code layer sees.

    Args:
        model: from `build_hashing`.
        image_size: S.
        code_size: K, the first bits of the model's codes; 0: all.
    """

    def __init__(self, model: keras.Model, image_size: int, code_size: int = 0):
        super().__init__(name="hashing")
        self._model = fold_batch_norm(model)
        self._image_size = image_size
        self._code_size = code_size or model.output["codes"].shape[1]
        any_size = tf.TensorSpec([None, None, None, 3], tf.uint8, "images")
        one_size = tf.TensorSpec([None, image_size, image_size, 3], tf.uint8, "images")
        self.serving_default = tf.function(self._resized_and_encoded, input_signature=[any_size])
        self.batch = tf.function(self._encoded, input_signature=[one_size])

    def save(self, directory: str) -> None:
        """Writes the SavedModel."""
        tf.saved_model.save(self, directory, {"serving_default": self.serving_default, "batch": self.batch})

    def _resized_and_encoded(self, images):
        size = [resized_size(self._image_size)] * 2
        shrinks = tf.reduce_all(tf.shape(images)[1:3] >= size)  # as augment.resize_whole
        resized = tf.cond(shrinks, lambda: tf.image.resize(images, size, method="area"),
                          lambda: tf.image.resize(images, size, antialias=True))
        return self._encoded(middle(tf.cast(resized + 0.5, tf.uint8), self._image_size))

    def _encoded(self, images):
        outputs = self._model(tf.cast(images, tf.float32), training=False)
        codes = outputs["codes"][:, :self._code_size]
        return {"codes": codes, "packed_codes": packed(codes), "features": outputs["features"]}


def packed(values):
    """Bits of real-valued codes, packed: float [B, K] to uint8 [B, ceil(K / 8)], as numpy's `codes.pack`."""
    bits = tf.pad(tf.cast(values >= 0, tf.int32), [[0, 0], [0, -values.shape[1] % 8]])
    bits = tf.reshape(bits, [-1, bits.shape[1] // 8, 8])
    return tf.cast(tf.reduce_sum(bits * [128, 64, 32, 16, 8, 4, 2, 1], axis=2), tf.uint8)
