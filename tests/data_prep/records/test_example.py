"""What is written into an example is read out of it, under the published keys."""

import unittest

import numpy as np
import tensorflow as tf

from data_prep.records import example


class ExampleTest(unittest.TestCase):
    def test_round_trip(self):
        serialized = example.encode_example(b"file", "0a1b", "JPEG", 48, 64, label=7,
                                            query_bbox=[1.5, 2, 30, 40], domain="night", pair="frame 3",
                                            orientation=6)
        fields = {name: value.numpy() for name, value in example.parse_example(serialized).items()}
        np.testing.assert_array_equal(fields.pop("query_bbox"), np.float32([1.5, 2, 30, 40]))
        self.assertEqual(fields, {"encoded": b"file", "id": b"0a1b", "label": 7, "height": 48, "width": 64,
                                  "domain": b"night", "pair": b"frame 3", "orientation": 6})

    def test_what_is_absent_reads_as_none(self):
        fields = example.parse_example(example.encode_example(b"file", "a", "PNG", 1, 2))
        self.assertEqual(fields["label"].numpy(), -1)
        self.assertEqual(fields["query_bbox"].numpy().tolist(), [-1] * 4)
        self.assertEqual(fields["domain"].numpy(), b"")
        self.assertEqual(fields["orientation"].numpy(), 1)

    def test_published_keys(self):
        stored = tf.train.Example.FromString(example.encode_example(b"file", "a", "JPEG", 48, 64, label=3))
        feature = stored.features.feature
        self.assertEqual(sorted(feature), ["image/channels", "image/class/label", "image/colorspace",
                                           "image/encoded", "image/format", "image/height", "image/id",
                                           "image/width"])
        self.assertEqual(feature["image/colorspace"].bytes_list.value[0], b"RGB")
        self.assertEqual(feature["image/class/label"].int64_list.value[0], 3)

    def test_equal_arguments_give_equal_bytes(self):
        one, two = (example.encode_example(b"file", "a", "JPEG", 1, 2, label=3) for _ in range(2))
        self.assertEqual(one, two)

    def test_refuses_other_formats(self):
        with self.assertRaisesRegex(ValueError, "one of JPEG, PNG. Received: image_format='GIF' for image"):
            example.encode_example(b"file", "a", "GIF", 1, 2)


if __name__ == "__main__":
    unittest.main()
