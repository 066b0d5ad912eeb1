import os
import tempfile
import unittest

import numpy as np
import tensorflow as tf

from delg.photometric.relighting import relit
from delg.photometric.translation import Translator
from tests.fixtures import tiny_translator

_IMAGE = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)


class TranslatorTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "translator")

    def test_an_image_goes_through_the_signature_at_its_own_size(self):
        tiny_translator.save(self.path)
        np.testing.assert_array_equal(Translator(self.path, "night_to_day", False)(_IMAGE), _IMAGE * 2)
        np.testing.assert_array_equal(Translator(self.path, "day_to_night", False)(_IMAGE), _IMAGE // 2)
        np.testing.assert_array_equal(Translator(self.path, "night_to_day")(_IMAGE),
                                      relit(_IMAGE, _IMAGE * 2))

    def test_a_size_that_the_signature_insists_on_is_gone_to_and_back_from(self):
        tiny_translator.save(self.path, size=(2, 2))
        image = np.full((6, 4, 3), 30, np.uint8)
        image[:, 2:] = 90
        translated = Translator(self.path, "night_to_day", False)(image)
        # Columns 0 to 3 lie at -1/4, 1/4, 3/4 and 5/4 between the centres of the two halves, 60 and 180.
        np.testing.assert_array_equal(translated[:, :, 0], [[60, 90, 150, 180]] * 6)

    def test_settings_name_the_signature_and_the_weights(self):
        tiny_translator.save(self.path)
        first, other = (Translator(self.path, name).settings for name in ("night_to_day", "day_to_night"))
        self.assertEqual((first["translation"], other["translation"]), ("night_to_day", "day_to_night"))
        self.assertRegex(first["translator"], "^[0-9a-f]{64}$")
        self.assertEqual(first["translator"], other["translator"])
        plain = Translator(self.path, "night_to_day", False).settings  # as features from before have them
        self.assertEqual({**plain, "relit": True}, first)

    def test_refuses_what_is_no_translator(self):
        with self.assertRaisesRegex(FileNotFoundError, "`translator` .* as vae.export_model makes it. No "):
            Translator(self.path, "night_to_day")
        tiny_translator.save(self.path, describe=lambda images: {"descriptor": tf.zeros((1, 4))},
                             two=lambda images: {"images": images, "mask": images})
        with self.assertRaisesRegex(ValueError, "a signature of .*: day_to_night, describe, night_to_day, "
                                                "two. Received: 'dusk'"):
            Translator(self.path, "dusk")
        for name in ("describe", "two"):
            with self.assertRaisesRegex(ValueError, f"take and give images.*Received: '{name}' of .*, from "
                                                    "images uint8"):
                Translator(self.path, name)


if __name__ == "__main__":
    unittest.main()
