"""What Vision Transformers are made of: tokens put before patches, positions, and the block."""

from __future__ import annotations

import keras
import tensorflow as tf

EPSILON = 1e-6  # of the layer normalisations of all published models


@keras.saving.register_keras_serializable(package="hashing")
class ClassToken(keras.layers.Layer):
    """Puts a learnt token before the others. Source: ViT, equation 1, https://arxiv.org/abs/2010.11929.

    Input shape: [B, T, width]. Output shape: [B, T + 1, width].
    """

    def build(self, input_shape):
        self.token = self.add_weight(name="token", shape=(1, 1, input_shape[-1]), initializer="zeros")
        self.built = True

    def call(self, inputs):
        token = tf.cast(self.token, inputs.dtype)
        return tf.concat([tf.repeat(token, tf.shape(inputs)[0], axis=0), inputs], axis=1)


@keras.saving.register_keras_serializable(package="delg")
class RegisterTokens(keras.layers.Layer):
    """Puts learnt tokens between the first token and the others, which the network keeps its notes in.

    Source: https://arxiv.org/abs/2309.16588, section 2.2.

    Args:
        count: R.

    Input shape: [B, T, width]. Output shape: [B, T + R, width].
    """

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def build(self, input_shape):
        self.tokens = self.add_weight(name="tokens", shape=(1, self.count, input_shape[-1]),
                                      initializer="zeros")
        self.built = True

    def call(self, inputs):
        tokens = tf.repeat(tf.cast(self.tokens, inputs.dtype), tf.shape(inputs)[0], axis=0)
        return tf.concat([inputs[:, :1], tokens, inputs[:, 1:]], axis=1)

    def get_config(self):
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable(package="hashing")
class PositionEmbedding(keras.layers.Layer):
    """Adds a learnt vector to each token. Input and output shape: [B, T, width].

    Source: ViT, equation 1, https://arxiv.org/abs/2010.11929.
    """

    def build(self, input_shape):
        self.embedding = self.add_weight(
            name="embedding", shape=(1, *input_shape[1:]),
            initializer=keras.initializers.RandomNormal(stddev=0.02))
        self.built = True

    def call(self, inputs):
        return inputs + tf.cast(self.embedding, inputs.dtype)


@keras.saving.register_keras_serializable(package="delg")
class ResampledPositions(keras.layers.Layer):
    """Adds to a class token and the tokens of a map learnt vectors, resampled to the size of the map.

    Source: DINOv2, https://arxiv.org/abs/2304.07193, whose code resamples as `resampling_matrix` says.

    Args:
        grid: cells, side of the square that vectors are learnt for.
        antialias: as of `resampling_matrix`.

    Input shape:
        a pair: tokens [B, 1 + h * w, width] and the map that they come from, [B, h, w, width].

    Output shape:
        [B, 1 + h * w, width].
    """

    def __init__(self, grid, antialias=False, **kwargs):
        super().__init__(**kwargs)
        self.grid = grid
        self.antialias = antialias

    def build(self, input_shape):
        width = input_shape[0][-1]
        self.embedding = self.add_weight(
            name="embedding", shape=(1, 1 + self.grid**2, width),
            initializer=keras.initializers.RandomNormal(stddev=0.02))
        self.built = True

    def call(self, inputs):
        tokens, patches = inputs
        size = tf.shape(patches)[1:3]
        embedding = tf.cast(self.embedding, tf.float32)  # 37 cells become 64 in more digits than bfloat16 has
        width = embedding.shape[-1]
        rows, columns = (resampling_matrix(self.grid, side, self.antialias) for side in tf.unstack(size))
        by_rows = tf.matmul(rows, tf.reshape(embedding[0, 1:], [self.grid, self.grid * width]))
        cells = tf.matmul(columns, tf.reshape(by_rows, [-1, self.grid, width]))  # of each row
        positions = tf.concat([embedding[0, :1], tf.reshape(cells, [-1, width])], axis=0)
        return tokens + tf.cast(positions, tokens.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "grid": self.grid, "antialias": self.antialias}


def resampling_matrix(old_size: int, new_size, antialias: bool = False):
    """What turns values at `old_size` places into values at `new_size` places over the same length.

    Cubic convolution, as PyTorch does it: pixel i lies at (i + 0.5) * old / new - 0.5. Without antialias the
    kernel has a = -0.75 and the first and the last value go on beyond the ends. With it a = -0.5, the
    kernel is widened where places become fewer, and what of it lies beyond the ends is left out.
    (TensorFlow's bicubic has a = -0.5 in both.)
    Source: Keys, "Cubic convolution interpolation for digital image processing", 1981, equation 4; constants:
    aten/src/ATen/native/cpu/UpSampleKernel.cpp of github.com/pytorch/pytorch.

    Args:
        old_size: int.
        new_size: int or int32 scalar tensor.
        antialias: see above.

    Returns:
        Float32 tensor [new_size, old_size], rows of sum 1.
    """
    step = old_size / tf.cast(new_size, tf.float32)
    centres = (tf.range(tf.cast(new_size, tf.float32)) + 0.5) * step - 0.5
    if antialias:
        distances = tf.range(old_size, dtype=tf.float32) - centres[:, tf.newaxis]
        weights = _cubic(distances / tf.maximum(step, 1.0), -0.5)
        return weights / tf.reduce_sum(weights, axis=1, keepdims=True)
    first = tf.floor(centres)
    taps = tf.range(-1.0, 3.0)  # the four places around
    weights = _cubic(taps - (centres - first)[:, tf.newaxis], -0.75)
    places = tf.clip_by_value(tf.cast(first[:, tf.newaxis] + taps, tf.int32), 0, old_size - 1)
    return tf.reduce_sum(weights[..., tf.newaxis] * tf.one_hot(places, old_size), axis=1)


def _cubic(distances, a: float):
    """Keys's kernel."""
    x = tf.abs(distances)
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = ((x - 5) * x + 8) * x * a - 4 * a
    return tf.where(x < 1, inner, tf.where(x < 2, outer, 0.0))


@keras.saving.register_keras_serializable(package="delg")
class FirstToken(keras.layers.Layer):
    """The first token: [B, T, width] to [B, width]."""

    def call(self, inputs):
        return inputs[:, 0]


@keras.saving.register_keras_serializable(package="delg")
class PatchMap(keras.layers.Layer):
    """The last tokens, as the map that they come from.

    Input shape: a pair: tokens [B, T, width], T at least h * w, and a map [B, h, w, C].
    Output shape: [B, h, w, width].
    """

    def call(self, inputs):
        tokens, patches = inputs
        batch, height, width = tf.unstack(tf.shape(patches)[:3])
        cells = tokens[:, tf.shape(tokens)[1] - height * width:]
        return tf.reshape(cells, [batch, height, width, tokens.shape[-1]])

    def compute_output_shape(self, input_shape):
        tokens, patches = input_shape
        return (*patches[:3], tokens[-1])


@keras.saving.register_keras_serializable(package="delg")
class LayerScale(keras.layers.Layer):
    """A learnt factor of each channel. Any shape.

    Source: https://arxiv.org/abs/2103.17239, section 3, equation 4.

    Args:
        start: first value of the factors.
    """

    def __init__(self, start, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.factors = self.add_weight(name="factors", shape=(input_shape[-1],),
                                       initializer=keras.initializers.Constant(self.start))
        self.built = True

    def call(self, inputs):
        return inputs * tf.cast(self.factors, inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "start": self.start}


@keras.saving.register_keras_serializable(package="delg")
class SlicedAttention(keras.layers.MultiHeadAttention):
    """Multi-head attention that outside of training takes some queries at a time, with the same result.

    All at once, each head needs a number for every pair of tokens: 1 GB for an image of 2048 x 1536 pixels in
    patches of 14.

    Args:
        num_heads, key_dim: as of Keras's layer, and the others.
        slice_size: queries at a time, at most; chosen.

    Input and output shape:
        as of Keras's layer.
    """

    def __init__(self, num_heads, key_dim, slice_size=512, **kwargs):
        super().__init__(num_heads, key_dim, **kwargs)
        self.slice_size = slice_size

    def _compute_attention(self, query, key, value, attention_mask=None, training=None):
        attend = super()._compute_attention
        if training or attention_mask is not None:
            return attend(query, key, value, attention_mask, training)
        count = tf.shape(query)[1]
        num_slices = -(-count // self.slice_size)
        size = -(-count // num_slices)
        padded = tf.pad(query, [[0, 0], [0, num_slices * size - count], [0, 0], [0, 0]])
        slices = tf.map_fn(
            lambda number: attend(padded[:, number * size:(number + 1) * size], key, value)[0],
            tf.range(num_slices), parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([None, None, *value.shape[2:]], query.dtype))
        joined = tf.reshape(tf.transpose(slices, [1, 0, 2, 3, 4]),
                            [tf.shape(query)[0], num_slices * size, *value.shape[2:]])
        return joined[:, :count], None

    def get_config(self):
        return {**super().get_config(), "slice_size": self.slice_size}


def transformer_block(tokens, name: str, num_heads: int, mlp_dim: int, dropout: float = 0.0,
                      layer_scale: float = 0.0, attention: type = keras.layers.MultiHeadAttention):
    """Attention and two dense layers, each normalised first and added to what it was given.

    Source: ViT, equations 2 and 3, https://arxiv.org/abs/2010.11929.

    Args:
        tokens: [B, T, width].
        name: of the block; layers are called `{name}_{norm1,attention,scale1,norm2,dense1,dense2,scale2}`.
        num_heads: divide the width.
        mlp_dim: hidden units.
        dropout: in training, share of values dropped after each sub-layer.
        layer_scale: first value of `LayerScale` after both; 0: none.
        attention: class of the attention.
    """
    def added(before, change, number):
        if layer_scale:
            change = LayerScale(layer_scale, name=f"{name}_scale{number}")(change)
        return keras.layers.Add(name=f"{name}_add{number}")([before, dropped(change)])

    def dropped(values):
        return keras.layers.Dropout(dropout)(values) if dropout else values

    width = tokens.shape[-1]
    normal = keras.layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm1")(tokens)
    attended = attention(num_heads, width // num_heads, name=f"{name}_attention")(normal, normal)
    tokens = added(tokens, attended, 1)
    hidden = keras.layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm2")(tokens)
    hidden = keras.layers.Dense(mlp_dim, keras.activations.gelu, name=f"{name}_dense1")(hidden)
    hidden = keras.layers.Dense(width, name=f"{name}_dense2")(dropped(hidden))
    return added(tokens, hidden, 2)
