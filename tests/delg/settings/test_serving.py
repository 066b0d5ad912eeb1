"""delg.settings.serving."""

import unittest

from delg.settings.serving import ServeConfig


class ServeConfigTest(unittest.TestCase):
    def test_what_is_searched_is_named_once_and_wholly(self):
        for settings, message in (
                ({}, "`images_dir` or `work_dir`, or else `index_dir`, must be given"),
                ({"images_dir": "a", "index_dir": "b"}, "or else `index_dir`"),
                ({"index_dir": "b"}, "`index_features` must come with `index_dir`"),
                ({"images_dir": "a", "index_features": "b"}, "`index_features` must come with"),
                ({"index_dir": "b", "index_features": "c"}, "`saved_model` must come with"),
                ({"images_dir": "a", "images": "b"}, "`local_index_dir` and `images` must come"),
                ({"images_dir": "a", "token": "short"}, "`token` must have 8 characters.*5 characters"),
                ({"images_dir": "a", "token": "ein Schl\u00fcssel"}, "8 characters of ASCII"),
                ({"images_dir": "a", "port": 70000}, "`port` must be in")):
            with self.subTest(settings), self.assertRaisesRegex(ValueError, message):
                ServeConfig(**settings)

    def test_addresses_of_this_machine(self):
        for hosts, is_local in ((("127.0.0.1", "127.8.0.1", "::1", "localhost"), True),
                                (("0.0.0.0", "::", "192.168.1.1", "a.example"), False)):
            for host in hosts:
                self.assertEqual(ServeConfig(images_dir="a", host=host).is_local, is_local, host)


if __name__ == "__main__":
    unittest.main()
