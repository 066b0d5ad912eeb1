"""SavedModels with the signatures of the published DELG and DELF models, for tests of what opens them.

A cell is the mean colour of 4 x 4 pixels times a gain of 2, which is a variable; its score is the red of it.
A scale's global descriptor is the maximum over its cells.
"""

import tensorflow as tf

GAIN = 2.0
LOCAL = ("boxes", "features", "scales", "scores")
SPECS = {
    "input_image": tf.TensorSpec([None, None, 3], tf.uint8, "input_image"),
    "input_scales": tf.TensorSpec([None], tf.float32, "input_scales"),
    "input_max_feature_num": tf.TensorSpec([], tf.int32, "input_max_feature_num"),
    "input_abs_thres": tf.TensorSpec([], tf.float32, "input_abs_thres"),
    "input_global_scales_ind": tf.TensorSpec([None], tf.int32, "input_global_scales_ind"),
}
INPUTS = {  # by kind
    "local": ("input_image", "input_scales", "input_max_feature_num", "input_abs_thres"),
    "global": ("input_image", "input_scales", "input_global_scales_ind"),
    "both": tuple(SPECS),
    "pooled": ("input_image", "input_scales", "input_global_scales_ind"),
    "fixed": ("input_image",),
}
OUTPUTS = {"local": LOCAL, "global": ("global_descriptors",), "both": (*LOCAL, "global_descriptors"),
           "pooled": ("global_descriptor",), "fixed": ("global_descriptor",)}


def features_of(gain, input_image, input_scales=(0.5, 1.0), input_max_feature_num=0, input_abs_thres=0.0,
                input_global_scales_ind=(0, 1)):
    """All outputs by name, in operations that eager functions and TensorFlow 1 graphs share."""
    image = tf.cast(input_image, tf.float32)[tf.newaxis]
    scales = tf.convert_to_tensor(input_scales)
    size = tf.cast(tf.shape(image)[1:3], tf.float32)

    def at_scale(place, boxes, features, found_scales, scores, descriptors):
        new_size = tf.cast(tf.round(size * scales[place]), tf.int32)
        cells = gain * tf.nn.avg_pool2d(tf.image.resize(image, new_size), 4, 4, "VALID")[0]
        rows, columns = tf.meshgrid(tf.range(tf.shape(cells)[0]), tf.range(tf.shape(cells)[1]), indexing="ij")
        corners = tf.reshape(tf.cast(4 * tf.stack([rows, columns, rows, columns], -1), tf.float32), [-1, 4])
        flat = tf.reshape(cells, [-1, 3])
        kept = flat[:, 0] >= input_abs_thres
        inverse = tf.fill(tf.shape(kept), 1 / scales[place])
        return (place + 1,
                tf.concat([boxes, tf.boolean_mask((corners + [0, 0, 3, 3]) / scales[place], kept)], 0),
                tf.concat([features, tf.boolean_mask(flat, kept)], 0),
                tf.concat([found_scales, tf.boolean_mask(inverse, kept)], 0),
                tf.concat([scores, tf.boolean_mask(flat[:, :1], kept)], 0),
                tf.concat([descriptors, tf.reduce_max(flat, 0, keepdims=True)], 0))

    empty = [tf.zeros([0, width]) for width in (4, 3)] + [tf.zeros([0])] + [tf.zeros([0, n]) for n in (1, 3)]
    _, boxes, features, found_scales, scores, descriptors = tf.while_loop(
        lambda place, *_: place < tf.size(scales), at_scale, (0, *empty),
        shape_invariants=(tf.TensorShape([]), *(tf.TensorShape([None, *value.shape[1:]]) for value in empty)))
    best = tf.math.top_k(scores[:, 0], tf.minimum(input_max_feature_num, tf.shape(scores)[0])).indices
    chosen = tf.gather(descriptors, tf.convert_to_tensor(input_global_scales_ind, tf.int32))
    pooled = tf.reduce_sum(tf.math.l2_normalize(chosen, axis=1), 0)
    values = [*(tf.gather(value, best) for value in (boxes, features, found_scales, scores)), chosen, pooled]
    return dict(zip((*LOCAL, "global_descriptors", "global_descriptor"), values))


def save_tf2(path, kind):
    """A SavedModel of TensorFlow 2: one signature, nothing else."""
    module = tf.Module()
    module.gain = tf.Variable(GAIN)

    @tf.function(input_signature=[SPECS[name] for name in INPUTS[kind]])
    def serve(*inputs):
        outputs = features_of(module.gain, **dict(zip(INPUTS[kind], inputs)))
        return {name: outputs[name] for name in OUTPUTS[kind]}

    module.serve = serve
    tf.saved_model.save(module, path, signatures=serve.get_concrete_function(
        *(tf.TensorSpec(SPECS[name].shape, SPECS[name].dtype, name) for name in INPUTS[kind])))


def save_tf1(path, kind):
    """A SavedModel of TensorFlow 1: tag `serve`, no signature, tensors known by their names."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        gain = v1.get_variable("gain", initializer=GAIN, use_resource=False)
        inputs = {name: v1.placeholder(SPECS[name].dtype, SPECS[name].shape, name) for name in INPUTS[kind]}
        for name, value in features_of(gain, **inputs).items():
            if name in OUTPUTS[kind]:
                tf.identity(value, name)
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(path)
        builder.add_meta_graph_and_variables(session, ["serve"])
        builder.save()
