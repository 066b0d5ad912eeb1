"""Tests of vae.latents.translating, by a translator whose work can be done by hand."""

import json
import os
import tempfile
import unittest
from unittest import mock

import cv2
import numpy as np

from data_prep.images import intake
from data_prep.records import pipeline
from data_prep.records.manifest import load_manifest
from delg.photometric.relighting import relit
from tests.fixtures import tiny_day_night, tiny_translator
from tests.fixtures.temporary_files import FilesTest
from vae.latents import translating


def setUpModule():
    global _folder, _model, _other
    _folder = tempfile.TemporaryDirectory()
    _model, _other = (os.path.join(_folder.name, name) for name in ("model", "other"))
    tiny_translator.save(_model)
    tiny_translator.save(_other, size=(8, 8))


def tearDownModule():
    _folder.cleanup()


class TranslateFolderTest(FilesTest):
    def setUp(self):
        super().setUp()
        self.pixels = np.random.default_rng(0).integers(0, 120, (12, 10, 3)).astype(np.uint8)
        os.makedirs(self.path("photos/far"))
        for name in ("a.png", "far/b.png", "far/c.png"):
            cv2.imwrite(self.path(f"photos/{name}"), self.pixels[..., ::-1])
        cv2.imwrite(self.path("photos/d.jpg"), self.pixels[:6, :, ::-1])

    def translate(self, model=None, output="out", relight=False, **others):
        return translating.translate_folder(model or _model, "night_to_day", self.path("photos"),
                                            self.path(output), relight=relight, **others)

    def written(self, output="out"):
        return {os.path.relpath(os.path.join(folder, name), self.path(output)): os.stat(
            os.path.join(folder, name)).st_mtime_ns for folder, _, names in os.walk(self.path(output))
            for name in names if name.endswith(("jpg", "png"))}

    def test_translates_all_under_their_paths(self):
        self.assertEqual(self.translate(), {})
        self.assertEqual(set(self.written()), {"a.png", "far/b.png", "far/c.png", "d.jpg"})
        np.testing.assert_array_equal(intake.read_picture(self.path("out/far/b.png")), 2 * self.pixels)
        self.assertEqual(intake.read_picture(self.path("out/d.jpg")).shape, (6, 10, 3))

    def test_goes_on_where_it_stopped_and_makes_anew_what_is_older(self):
        real, calls = translating.intake.encode_pixels, []

        def failing(*arguments):
            calls.append(arguments)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return real(*arguments)

        with mock.patch.object(translating, "_TOGETHER", 1):
            with mock.patch.object(translating.intake, "encode_pixels", failing), \
                    self.assertRaises(KeyboardInterrupt):
                self.translate()
            first = self.written()
            self.assertEqual(len(first), 1)
            self.translate()
            self.assertEqual(first.items() - self.written().items(), set())
            before = self.written()
            os.utime(self.path("photos/d.jpg"), ns=(1 << 62, 1 << 62))
            self.translate()
            self.assertEqual({name for name, time in self.written().items() if time != before[name]},
                             {"d.jpg"})

    def test_leaves_out_what_does_not_decode(self):
        with open(self.path("photos/e.png"), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n nothing")
        with self.assertRaisesRegex(ValueError, "`max_bad_fraction` = 0.1 of 5 images.*e.png"):
            self.translate(max_bad_fraction=0.1)
        self.assertEqual(list(self.translate(max_bad_fraction=0.5)), ["e.png"])
        with open(self.path("out/translated.json"), encoding="utf-8") as file:
            self.assertEqual(list(json.load(file)["left_out"]), ["e.png"])

    def test_refuses_before_anything_is_written(self):
        with self.assertRaisesRegex(ValueError, "`output_dir` must not lie in `images_dir`"):
            self.translate(output="photos/day")
        with self.assertRaisesRegex(ValueError, "`translation` must be a signature of .*Received: 'to_day'"):
            translating.translate_folder(_model, "to_day", self.path("photos"), self.path("out"))
        with self.assertRaisesRegex(FileNotFoundError, "No saved_model.pb in: nowhere"):
            self.translate(model="nowhere")
        os.makedirs(self.path("empty"))
        with self.assertRaisesRegex(ValueError, "`images_dir` must hold images .*Received: none in"):
            translating.translate_folder(_model, "night_to_day", self.path("empty"), self.path("out"))
        self.assertFalse(os.path.exists(self.path("out")))

    def test_refuses_the_folder_of_another_model(self):
        self.translate()
        with self.assertRaisesRegex(ValueError, "no translations of another model.*of night_to_day by"):
            self.translate(model=_other)
        with self.assertRaisesRegex(ValueError, "or by another `relight`. Received: .*, relight=False"):
            self.translate(relight=True)

    def test_takes_the_light_alone_by_itself(self):
        self.translate(relight=True)
        found = cv2.imread(self.path("out/a.png"))[..., ::-1]
        np.testing.assert_array_equal(found, relit(self.pixels, 2 * self.pixels))


class TranslateShardsTest(FilesTest):
    def setUp(self):
        super().setUp()
        os.makedirs(self.path("shards"))
        tiny_day_night.write_shards(self.path("shards"))
        self.pattern = self.path("shards/validation-*")

    def translate(self, model=None, output="out", pattern=None):
        return translating.translate_shards(model or _model, "night_to_day", pattern or self.pattern,
                                            self.path(output), relight=False)

    def test_translates_one_domain_and_keeps_all_else(self):
        self.assertEqual(self.translate(), load_manifest(self.path("out")))
        before, after = (list(pipeline.iterate_examples(pattern))
                         for pattern in (self.pattern, self.path("out/validation-*")))
        self.assertEqual([each._replace(encoded=b"") for each in before],
                         [each._replace(encoded=b"") for each in after])
        for given, made in zip(before, after):
            old, new = (intake.decode_pixels(each.encoded, "PNG") for each in (given, made))
            np.testing.assert_array_equal(new, old * (2 if given.domain == "night" else 1))
        old, new = load_manifest(self.path("shards")), load_manifest(self.path("out"))
        self.assertEqual(list(new.splits), ["validation"])
        for name in ("num_examples", "num_classes", "label_range"):
            self.assertEqual(getattr(new.splits["validation"], name), getattr(old.splits["validation"], name))

    def test_finished_shards_are_kept_and_lost_ones_made_again_with_the_same_bytes(self):
        made = self.translate().splits["validation"]
        kept, lost = (self.path(f"out/validation-0000{part}-of-00002") for part in range(2))
        before = os.stat(kept).st_mtime_ns
        os.remove(lost)
        self.assertEqual(self.translate().splits["validation"], made)
        self.assertEqual(os.stat(kept).st_mtime_ns, before)

    def test_leaves_out_what_does_not_decode(self):
        real = translating.intake.decode_pixels
        with mock.patch.object(translating.intake, "decode_pixels", side_effect=[
                ValueError("damaged"), *[real(each.encoded, "PNG") for each in pipeline.iterate_examples(
                    self.path("shards/train-*"))]]):
            manifest = translating.translate_shards(_model, "night_to_day", self.path("shards/train-*"),
                                                    self.path("out"), max_bad_fraction=0.5)
        [left_out] = manifest.left_out
        self.assertEqual((left_out["split"], left_out["reason"]), ("train", "damaged"))
        self.assertEqual(manifest.splits["train"].num_examples, 23)

    def test_refuses_what_does_not_belong(self):
        self.translate()
        with self.assertRaisesRegex(ValueError, "must be what would be made now.*another model"):
            self.translate(model=_other)
        with self.assertRaisesRegex(ValueError, "no shards but those of `pattern`.*validation-00000"):
            self.translate(pattern=self.path("shards/train-*"))
        with self.assertRaisesRegex(ValueError, "another folder than that of the shards"):
            self.translate(output="shards")


if __name__ == "__main__":
    unittest.main()
