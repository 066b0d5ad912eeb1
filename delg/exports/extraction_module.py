"""The exported form of a DELG model: image pyramid in, global descriptors and the strongest features out.

Inputs and outputs have the names of the published DELG models, so either serves code written for the
other. Two things differ on purpose. The global head runs only at the scales it was asked for, and the local
head not at all for `input_max_feature_num` = 0. Shrinking averages over the area of each new pixel
where the reference samples bilinearly, which aliases and costs accuracy.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from delg.exports import receptive_fields

OUTPUTS = ("global_descriptor", "attention_scores", "local_descriptors")  # of the Keras model
_NOT_KEPT = float("-inf")
_CONTROLS = (
    tf.TensorSpec([None], tf.float32, "input_scales"),
    tf.TensorSpec([], tf.int32, "input_max_feature_num"),
    tf.TensorSpec([], tf.float32, "input_abs_thres"),
    tf.TensorSpec([None], tf.int32, "input_global_scales_ind"),
)


def resize_images(images, new_size):
    """Images at another size: averaged over areas when shrinking, bilinear when enlarging.

    Args:
        images: uint8 or float, [B, H, W, 3].
        new_size: int32, [2]; height and width.

    Returns:
        Float32 tensor [B, *new_size, 3].
    """
    shrinks = tf.reduce_prod(new_size) < tf.reduce_prod(tf.shape(images)[1:3])
    return tf.cond(shrinks, lambda: tf.image.resize(images, new_size, method="area"),
                   lambda: tf.image.resize(images, new_size, method="bilinear"))


class ExtractionModule(tf.Module):
    """DELG with its image pyramid, ready to be saved.

    Args:
        model: Keras model with the outputs `global_descriptor` [B, D], `attention_scores` [B, h, w, 1] and
            `local_descriptors` [B, h, w, d] of images [B, H, W, 3], 0..255.
        receptive_field: size, stride, padding of a cell of the local map, pixels.
        attention_threshold: the score that training learnt to keep features from; 0 keeps all.

    Attributes:
        attention_threshold: float32 variable, for callers to pass on as `input_abs_thres`.
    """

    def __init__(self, model: keras.Model, receptive_field: tuple[int, int, int],
                 attention_threshold: float = 0.0):
        super().__init__(name="delg_extraction")
        self.attention_threshold = tf.Variable(attention_threshold, trainable=False, dtype=tf.float32,
                                               name="attention_threshold")
        self._receptive_field = receptive_field
        # One sub-model per set of outputs, so that a pass computes no head that is not asked for. They stay
        # in a closure: tracked as attributes they would be saved a second time, as Keras models.
        models = {names: keras.Model(model.input, {name: model.output[name] for name in names})
                  for names in (OUTPUTS, OUTPUTS[:1], OUTPUTS[1:])}
        self.model_variables = models[OUTPUTS].variables
        self._run = lambda names, images: models[names](images, training=False)
        self._local_dim = model.output["local_descriptors"].shape[-1]
        self._global_dim = model.output["global_descriptor"].shape[-1]

    def save(self, path: str) -> None:
        """Writes the SavedModel with the signatures `serving_default` and `batch`."""
        tf.saved_model.save(self, path, signatures={
            "serving_default": self.extract, "batch": self.extract_batch})

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8, "input_image"), *_CONTROLS])
    def extract(self, input_image, input_scales, input_max_feature_num, input_abs_thres,
                input_global_scales_ind):
        """Features of one image.

        Args:
            input_image: uint8, [H, W, 3], RGB.
            input_scales: float32, [S]; factors to resize the image by.
            input_max_feature_num: int32; how many local features to keep at most; 0: global only.
            input_abs_thres: float32; least attention score of a local feature.
            input_global_scales_ind: int32, [G]; places in `input_scales` to take a global descriptor at.

        Returns:
            Dict of float32 tensors; N features, best first, equal scores in the order of scales and rows:
            `boxes` [N, 4] ymin, xmin, ymax, xmax of the receptive field, pixels of the image (centres of
            its outermost pixels), whose centre is the keypoint; `features` [N, d], not normalised;
            `scales` [N], 1 / input scale; `scores` [N, 1]; `global_descriptors` [G, D] in the order of
            scales.
        """
        strongest, global_descriptors = self._pyramid(
            input_image[tf.newaxis], input_scales, input_max_feature_num, input_abs_thres,
            input_global_scales_ind)
        kept = strongest["scores"][0] > _NOT_KEPT
        outputs = {name: tf.boolean_mask(values[0], kept) for name, values in strongest.items()}
        outputs["scores"] = outputs["scores"][:, tf.newaxis]
        return {**outputs, "global_descriptors": global_descriptors[0]}

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, "images"), *_CONTROLS])
    def extract_batch(self, images, input_scales, input_max_feature_num, input_abs_thres,
                      input_global_scales_ind):
        """Features of images of one size.

        Args:
            images: uint8, [B, H, W, 3], RGB. The others: as for one image.

        Returns:
            Dict: `boxes` [B, K, 4], `features` [B, K, d], `scales` [B, K], `scores` [B, K] as for one image,
            zero from `num_features` on; `num_features` int32 [B]; `global_descriptors` [B, G, D].
        """
        strongest, global_descriptors = self._pyramid(
            images, input_scales, input_max_feature_num, input_abs_thres, input_global_scales_ind)
        kept = strongest["scores"] > _NOT_KEPT
        outputs = {name: tf.where(tf.reshape(kept, tf.concat([tf.shape(kept), [1] * (values.shape.rank - 2)],
                                                             axis=0)), values, 0.0)
                   for name, values in strongest.items()}
        return {**outputs, "num_features": tf.math.count_nonzero(kept, axis=1, dtype=tf.int32),
                "global_descriptors": global_descriptors}

    def _pyramid(self, images, scales, max_num_features, threshold, global_indices):
        num_scales = tf.size(scales)
        check = tf.debugging.Assert(
            tf.reduce_all((global_indices >= 0) & (global_indices < num_scales)),
            ["`input_global_scales_ind` must be places in `input_scales`. Received:", global_indices])
        with tf.control_dependencies([check]):
            batch_size = tf.shape(images)[0]
        max_num_features = tf.maximum(max_num_features, 0)
        num_outputs = 2 * tf.cast(max_num_features > 0, tf.int32)

        def next_scale(index, strongest, global_descriptors):
            is_global = tf.reduce_any(global_indices == index)
            cells, descriptor = tf.switch_case(num_outputs + tf.cast(is_global, tf.int32), [
                lambda: (self._no_cells(batch_size), tf.zeros([batch_size, 0, self._global_dim])),
                lambda: self._at_scale(OUTPUTS[:1], images, scales[index], threshold),
                lambda: self._at_scale(OUTPUTS[1:], images, scales[index], threshold),
                lambda: self._at_scale(OUTPUTS, images, scales[index], threshold)])
            names = [name for name in cells if name != "scores"]
            joined = {name: tf.concat([strongest[name], cells[name]], axis=1) for name in cells}
            scores, values = receptive_fields.keep_strongest(
                joined["scores"], [joined[name] for name in names], max_num_features)
            return (index + 1, {"scores": scores, **dict(zip(names, values))},
                    tf.concat([global_descriptors, descriptor], axis=1))

        strongest = self._no_cells(batch_size)
        global_descriptors = tf.zeros([batch_size, 0, self._global_dim])
        _, strongest, global_descriptors = tf.while_loop(
            lambda index, *_: index < num_scales, next_scale,
            (0, strongest, global_descriptors), parallel_iterations=1,  # one scale's maps in memory at a time
            shape_invariants=(tf.TensorShape([]), {name: tf.TensorShape([None, None, *values.shape[2:]])
                                                   for name, values in strongest.items()},
                              tf.TensorShape([None, None, self._global_dim])))
        return strongest, global_descriptors

    def _no_cells(self, batch_size):
        return {"boxes": tf.zeros([batch_size, 0, 4]), "features": tf.zeros([batch_size, 0, self._local_dim]),
                "scales": tf.zeros([batch_size, 0]), "scores": tf.zeros([batch_size, 0])}

    def _at_scale(self, names, images, scale, threshold):
        """All cells of the local map, and a global descriptor, as far as `names` has them."""
        size = tf.cast(tf.shape(images)[1:3], tf.float32)
        batch_size = tf.shape(images)[0]
        new_size = tf.maximum(tf.cast(tf.round(size * scale), tf.int32), 1)
        outputs = self._run(names, resize_images(images, new_size))
        descriptor = tf.zeros([batch_size, 0, self._global_dim])
        if "global_descriptor" in names:
            descriptor = tf.cast(outputs["global_descriptor"], tf.float32)[:, tf.newaxis]
        if "attention_scores" not in names:
            return self._no_cells(batch_size), descriptor
        map_size = tf.shape(outputs["attention_scores"])[1:3]
        fields = receptive_fields.receptive_field_boxes(map_size, self._receptive_field,
                                             tf.cast(new_size, tf.float32) / size)
        num_cells = tf.shape(fields)[0]
        scores = tf.reshape(tf.cast(outputs["attention_scores"], tf.float32), [batch_size, num_cells])
        features = tf.cast(outputs["local_descriptors"], tf.float32)
        return {"boxes": tf.tile(fields[tf.newaxis], [batch_size, 1, 1]),
                "features": tf.reshape(features, [batch_size, num_cells, self._local_dim]),
                "scales": tf.fill([batch_size, num_cells], 1.0 / scale),
                "scores": tf.where(scores >= threshold, scores, _NOT_KEPT)}, descriptor
