import math
import os
import tempfile
import unittest

import numpy as np
import scipy.special

from delg.networks.backbones import vit

_WIDTH, _HEADS, _HIDDEN, _DEPTH, _PATCH, _GRID = 8, 2, 12, 2, 4, 3


def _arrays(grid=_GRID, seed=0):
    """Random weights under the names and in the shapes of the published files."""
    generator = np.random.default_rng(seed)
    head = _WIDTH // _HEADS
    shapes = {"embedding/kernel": (_PATCH, _PATCH, 3, _WIDTH), "embedding/bias": (_WIDTH,),
              "cls": (1, 1, _WIDTH), "head/kernel": (_WIDTH, 5), "head/bias": (5,),
              "Transformer/posembed_input/pos_embedding": (1, 1 + grid * grid, _WIDTH),
              "Transformer/encoder_norm/scale": (_WIDTH,), "Transformer/encoder_norm/bias": (_WIDTH,)}
    for number in range(_DEPTH):
        block = f"Transformer/encoderblock_{number}"
        for norm in ("LayerNorm_0", "LayerNorm_2"):
            shapes[f"{block}/{norm}/scale"] = shapes[f"{block}/{norm}/bias"] = (_WIDTH,)
        for module in ("query", "key", "value"):
            shapes[f"{block}/MultiHeadDotProductAttention_1/{module}/kernel"] = (_WIDTH, _HEADS, head)
            shapes[f"{block}/MultiHeadDotProductAttention_1/{module}/bias"] = (_HEADS, head)
        shapes[f"{block}/MultiHeadDotProductAttention_1/out/kernel"] = (_HEADS, head, _WIDTH)
        shapes[f"{block}/MultiHeadDotProductAttention_1/out/bias"] = (_WIDTH,)
        shapes[f"{block}/MlpBlock_3/Dense_0/kernel"] = (_WIDTH, _HIDDEN)
        shapes[f"{block}/MlpBlock_3/Dense_0/bias"] = (_HIDDEN,)
        shapes[f"{block}/MlpBlock_3/Dense_1/kernel"] = (_HIDDEN, _WIDTH)
        shapes[f"{block}/MlpBlock_3/Dense_1/bias"] = (_WIDTH,)
    return {name: generator.normal(size=shape).astype(np.float32) * 0.5 for name, shape in shapes.items()}


def _normal(tokens, arrays, name):
    centred = tokens - tokens.mean(axis=-1, keepdims=True)
    return (centred / np.sqrt(tokens.var(axis=-1, keepdims=True) + 1e-6) * arrays[f"{name}/scale"]
            + arrays[f"{name}/bias"])


def _forward(image, arrays):
    """The network written out in numpy for one image."""
    pixels = image.astype(np.float64) / 127.5 - 1
    patches = [pixels[_PATCH * i:_PATCH * (i + 1), _PATCH * j:_PATCH * (j + 1)]
               for i in range(_GRID) for j in range(_GRID)]
    tokens = [np.tensordot(patch, arrays["embedding/kernel"], 3) + arrays["embedding/bias"]
              for patch in patches]
    tokens = np.stack([arrays["cls"][0, 0], *tokens]) + arrays["Transformer/posembed_input/pos_embedding"][0]
    for number in range(_DEPTH):
        block = f"Transformer/encoderblock_{number}"
        normal = _normal(tokens, arrays, f"{block}/LayerNorm_0")
        attention = f"{block}/MultiHeadDotProductAttention_1"
        query, key, value = (
            np.einsum("tw,whd->htd", normal, arrays[f"{attention}/{part}/kernel"])
            + arrays[f"{attention}/{part}/bias"][:, None] for part in ("query", "key", "value"))
        products = query @ key.transpose(0, 2, 1) / math.sqrt(_WIDTH // _HEADS)
        attended = scipy.special.softmax(products, axis=-1) @ value
        tokens = tokens + np.einsum("htd,hdw->tw", attended, arrays[f"{attention}/out/kernel"])
        tokens = tokens + arrays[f"{attention}/out/bias"]
        hidden = _normal(tokens, arrays, f"{block}/LayerNorm_2")
        first, second = f"{block}/MlpBlock_3/Dense_0", f"{block}/MlpBlock_3/Dense_1"
        hidden = hidden @ arrays[f"{first}/kernel"] + arrays[f"{first}/bias"]
        hidden = hidden * (1 + scipy.special.erf(hidden / math.sqrt(2))) / 2
        tokens = tokens + hidden @ arrays[f"{second}/kernel"] + arrays[f"{second}/bias"]
    return _normal(tokens, arrays, "Transformer/encoder_norm")[0]


def _model(grid=_GRID):
    return vit.build_vit(_PATCH, _PATCH * grid, _WIDTH, _DEPTH, _HEADS, _HIDDEN)


class VitTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "vit.npz")

    def test_equals_the_network_written_out(self):
        arrays = _arrays()
        np.savez(self.path, **arrays)
        model = _model()
        vit.load_vit_weights(model, self.path)
        images = np.random.default_rng(3).integers(0, 256, (2, 12, 12, 3)).astype(np.float32)
        np.testing.assert_allclose(model(images), [_forward(image, arrays) for image in images], atol=1e-4)

    def test_vit_b32_has_the_published_number_of_parameters(self):
        self.assertEqual(vit.build_vit(32, 224).count_params(), 87_455_232)

    def test_positions_are_interpolated_from_corner_to_corner(self):
        arrays = _arrays(grid=2)
        corners = np.array([0.0, 4, 8, 12])
        arrays["Transformer/posembed_input/pos_embedding"][0, 1:, 0] = corners
        np.savez(self.path, **arrays)
        model = _model(grid=3)
        vit.load_vit_weights(model, self.path)
        found = model.get_layer("position").get_weights()[0][0, :, 0]
        np.testing.assert_allclose(found[1:], [0, 2, 4, 4, 6, 8, 8, 10, 12], atol=1e-5)
        self.assertEqual(found[0], arrays["Transformer/posembed_input/pos_embedding"][0, 0, 0])

    def test_refusals(self):
        arrays = _arrays()
        del arrays["Transformer/encoderblock_1/LayerNorm_2/bias"]
        np.savez(self.path, **arrays)
        with self.assertRaisesRegex(ValueError, "lacks the array .*encoderblock_1/LayerNorm_2/bias"):
            vit.load_vit_weights(_model(), self.path)
        np.savez(self.path, **{**_arrays(), "cls": np.zeros((1, 1, 9))})
        with self.assertRaisesRegex(ValueError, r"cls in .* must have shape \(1, 1, 8\). Received: .*9"):
            vit.load_vit_weights(_model(), self.path)
        with open(self.path, "wb") as file:
            file.write(b"no archive")
        with self.assertRaisesRegex(ValueError, "must be a weight file \\(.npz\\)"):
            vit.load_vit_weights(_model(), self.path)
        with self.assertRaisesRegex(FileNotFoundError, "No such file: .*absent.npz"):
            vit.load_vit_weights(_model(), self.path.replace("vit.npz", "absent.npz"))
        with self.assertRaisesRegex(ValueError, "image_size=30, patch size 4"):
            vit.build_vit(4, 30)


if __name__ == "__main__":
    unittest.main()
