"""What TensorFlow Serving sees of an export, by TensorFlow's own tool."""

import contextlib
import io
import pathlib
import re
import sys
import tempfile
import unittest
from unittest import mock

import numpy as np
from tensorflow.python.tools import saved_model_cli

from delg.exports.extraction_module import ExtractionModule
from tests.fixtures.tiny_extraction import RECEPTIVE_FIELD, block_image, tiny_model

CONTROLS = {"input_scales": np.float32([1.0, 0.5]), "input_max_feature_num": np.int32(5),
            "input_abs_thres": np.float32(150.0), "input_global_scales_ind": np.int32([0])}
IMAGES = np.stack([block_image(32, 32, (4, 8), (8, 12)), block_image(32, 32, (0, 0), (0, 0), (0, 0, 0)) + 1])


class ServingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        ExtractionModule(tiny_model(), RECEPTIVE_FIELD, attention_threshold=150.0).save(
            str(cls.folder / "saved_model"))

        commands = [["show", "--all"]]
        for signature, inputs in {"serving_default": {"input_image": IMAGES[0]},
                                  "batch": {"images": IMAGES}}.items():
            folder = cls.folder / signature
            folder.mkdir()
            for name, values in {**inputs, **CONTROLS}.items():
                np.save(folder / f"{name}.npy", values)
            given = ";".join(f"{path.stem}={path}" for path in folder.iterdir())
            commands.append(["run", "--tag_set=serve", f"--signature_def={signature}",
                             f"--outdir={folder / 'outputs'}", f"--inputs={given}"])
        shown = io.StringIO()
        for command, *arguments in commands:
            argv = ["saved_model_cli", command, f"--dir={cls.folder / 'saved_model'}", *arguments]
            with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(shown):
                try:
                    saved_model_cli.main()
                except SystemExit as end:
                    assert not end.code, argv
        cls.shown = shown.getvalue()

    def outputs(self, signature):
        return {path.stem: np.load(path) for path in (self.folder / signature / "outputs").iterdir()}

    def test_signatures_name_every_tensor(self):
        found = {}
        for signature, body in re.findall(r"signature_def\['(\w+)'\]:(.*?)(?=signature_def\[|\Z)", self.shown,
                                          re.S):
            found[signature] = {name: (dtype, shape) for name, dtype, shape in re.findall(
                r"puts\['(\w+)'\] tensor_info:\s+dtype: DT_(\w+)\s+shape: (\S+(?: \S+)*)\n", body)}
        controls = {"input_scales": ("FLOAT", "(-1)"), "input_max_feature_num": ("INT32", "()"),
                    "input_abs_thres": ("FLOAT", "()"), "input_global_scales_ind": ("INT32", "(-1)")}
        self.assertEqual(found["serving_default"], {
            **controls, "input_image": ("UINT8", "(-1, -1, 3)"), "boxes": ("FLOAT", "(-1, 4)"),
            "features": ("FLOAT", "(-1, 3)"), "scales": ("FLOAT", "(-1)"), "scores": ("FLOAT", "(-1, 1)"),
            "global_descriptors": ("FLOAT", "(-1, 3)")})
        self.assertEqual(found["batch"], {
            **controls, "images": ("UINT8", "(-1, -1, -1, 3)"), "boxes": ("FLOAT", "(-1, -1, 4)"),
            "features": ("FLOAT", "(-1, -1, 3)"), "scales": ("FLOAT", "(-1, -1)"),
            "scores": ("FLOAT", "(-1, -1)"), "num_features": ("INT32", "(-1)"),
            "global_descriptors": ("FLOAT", "(-1, -1, 3)")})

    def test_one_image(self):
        outputs = self.outputs("serving_default")
        for name, expected in {"boxes": [[4, 8, 7, 11]], "features": [[200, 0, 0]], "scales": [1],
                               "scores": [[200]], "global_descriptors": [[1, 0, 0]]}.items():
            np.testing.assert_allclose(outputs[name], expected, rtol=1e-6, err_msg=name)

    def test_a_batch_of_images(self):
        outputs = self.outputs("batch")
        self.assertEqual(outputs["num_features"].tolist(), [1, 0])
        np.testing.assert_allclose(outputs["boxes"][0, 0], [4, 8, 7, 11])
        np.testing.assert_allclose(outputs["features"][:, 0], [[200, 0, 0], [0, 0, 0]])
        np.testing.assert_allclose(outputs["global_descriptors"][:, 0], [[1, 0, 0], [3**-0.5] * 3], rtol=1e-6)


if __name__ == "__main__":
    unittest.main()
