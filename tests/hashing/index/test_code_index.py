import importlib
import os
import tempfile
import unittest
from unittest import mock

import numpy as np

from delg.index.files import IndexFiles, read_description
from delg.index.searching import ExactIndex
from hashing.codes import codes
from hashing.index import code_index
from hashing.index import config as index_config
from hashing.index.code_index import CodeIndex
from hashing.index.config import CodeIndexConfig
from hashing.index.flat import FlatFinder
from hashing.index.inverted_lists import ListFinder
from hashing.index.kinds import CODE_INDEX_KINDS
from tests.fixtures import scripts
from tests.fixtures.saved_index import save_index


def _codes(num_codes, seed=0):
    """64-bit codes around a few centres."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(9).integers(0, 2, (10, 64))
    bits = centres[generator.integers(0, 10, num_codes)] ^ (generator.random((num_codes, 64)) < 0.05)
    return codes.pack(bits.astype(np.uint8))


def _names(count, start=0):
    return [f"photo-é{number}" for number in range(start, start + count)]


class CodeIndexTest(unittest.TestCase):
    def setUp(self):
        self.codes, self.queries = _codes(500), _codes(6, seed=1)
        bits = (codes.unpack(part, 64) for part in (self.queries, self.codes))
        self.distances = np.sort(codes.hamming_distances(*bits), axis=1)

    def test_flat_finds_the_true_distances(self):
        rows, distances = CodeIndex(self.codes, _names(500), 64).search(self.queries, 20)
        np.testing.assert_array_equal(distances, self.distances[:, :20])
        ordered = distances.astype(np.int64) * 500 + rows
        self.assertTrue(np.all(np.diff(ordered, axis=1) > 0))

    def test_the_others_find_nearly_all(self):
        for config in (CodeIndexConfig("ivf", num_lists=8, num_probes=4), CodeIndexConfig("hash")):
            with self.subTest(config.index_type):
                rows, distances = CodeIndex(self.codes, _names(500), 64, config).search(self.queries, 20)
                self.assertGreater(np.mean((rows >= 0) & (distances <= self.distances[:, 19:20])), 0.9)

    def test_what_is_added_is_found_by_name(self):
        for index_type in ("flat", "ivf", "hash"):
            with self.subTest(index_type):
                index = CodeIndex(self.codes, _names(500), 64, CodeIndexConfig(index_type, num_lists=8))
                index.add(~self.codes[:3], _names(3, 500))
                rows, distances = index.search(~self.codes[1:2], 1)
                self.assertEqual((index.ids(rows[0]), distances[0, 0], len(index)), (["photo-é501"], 0, 503))

    def test_many_equal_codes_hide_no_image(self):
        equal = np.repeat(_codes(1, seed=2), 5000, axis=0)
        for index_type in CODE_INDEX_KINDS:
            with self.subTest(index_type):
                index = CodeIndex(np.concatenate([equal, self.codes[:20]]), _names(5020), 64,
                                  CodeIndexConfig(index_type))
                rows, distances = index.search(self.codes[:20], 3)
                np.testing.assert_array_equal(rows[:, 0], 5000 + np.arange(20))
                np.testing.assert_array_equal(distances[:, 0], 0)
                rows, distances = index.search(equal[:1], 30)
                self.assertTrue(np.all((rows < 5000) & (distances == 0) & (np.diff(rows, prepend=-1) > 0)))

    def test_saved_and_loaded_gives_the_same_answers(self):
        for index_type in ("flat", "ivf", "hash"):
            with self.subTest(index_type), tempfile.TemporaryDirectory() as folder:
                index = CodeIndex(self.codes, _names(500), 64, CodeIndexConfig(index_type, num_lists=8), "m")
                index.save(folder)
                index.add(~self.codes[:3], _names(3, 500))
                index.save(folder)  # replaces
                loaded = CodeIndex.load(folder)
                for expected, found in zip(index.search(self.queries, 9), loaded.search(self.queries, 9)):
                    np.testing.assert_array_equal(found, expected)
                self.assertEqual((loaded.fingerprint, loaded.code_size, len(loaded)), ("m", 64, 503))
                loaded.add(self.queries, _names(6, 1000))

    def test_a_made_up_type_takes_one_module_and_one_line(self):
        line = {"counting": "tests.fixtures.made_up_code_index:CountingFinder"}
        self.addCleanup(setattr, index_config, "CodeIndexConfig", CodeIndexConfig)
        with mock.patch.dict(CODE_INDEX_KINDS.places, line), tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(code_index, "CodeIndexConfig",
                                  importlib.reload(index_config).CodeIndexConfig):  # made of the table anew
            text = " ".join(scripts.run("hashing.build_index", "--help").stdout.split())
            self.assertIn("--index_type: <flat|ivf|hash|counting>", text)
            self.assertIn("--added_bits: Bits that counting adds to every distance.", text)
            config = index_config.CodeIndexConfig("counting", added_bits=3)
            index = CodeIndex(self.codes, _names(500), 64, config)
            index.add(~self.codes[:3], _names(3, 500))
            index.save(folder)
            loaded = CodeIndex.load(folder)
            expected = CodeIndex(loaded.codes, _names(503), 64).search(self.queries, 9)[1]
            np.testing.assert_array_equal(loaded.search(self.queries, 9)[1], expected + 3)
            self.assertEqual(loaded._finder.first.tolist(), [500])
            CodeIndex(self.codes, _names(500), 64).save(folder)
            self.assertEqual(len(os.listdir(folder)), 3)  # codes, ids, index.json
        with self.assertRaisesRegex(ValueError, "must be one of flat, ivf, hash. Received: .*'counting'"):
            CodeIndexConfig("counting")

    def test_a_finder_of_other_codes_is_refused(self):
        saved = {}
        for name, some, config in (("more", self.codes, CodeIndexConfig("ivf")),
                                    ("fewer", self.codes[:9], CodeIndexConfig("ivf")),
                                    ("hash", self.codes, CodeIndexConfig("hash"))):
            with tempfile.TemporaryDirectory() as folder:
                CodeIndex(some, _names(len(some)), 64, config).save(folder)
                saved[name] = IndexFiles(folder, read_description(folder)).read_bytes("faiss")
        for name, message in (("fewer", "IndexBinaryIVF of 500 codes of 64 bits. Received: .* of 9 codes"),
                              ("hash", "a IndexBinaryIVF of .* Received: IndexBinaryMultiHash of 500")):
            files = mock.Mock(read_bytes=lambda stem, name=name: saved[name])
            with self.assertRaisesRegex(ValueError, message):
                ListFinder.load(files, self.codes, CodeIndexConfig("ivf"))
        with self.assertRaisesRegex(ValueError, "one id per code. Received: 500 codes, 9 ids"):
            CodeIndex(self.codes, _names(9), 64, finder=FlatFinder(self.codes))

    def test_a_damaged_file_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            CodeIndex(self.codes, _names(500), 64).save(folder)
            path = next(os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("codes"))
            with open(path, "r+b") as file:
                file.seek(300)
                file.write(b"\xff\x00\xff")
            with self.assertRaisesRegex(ValueError, "codes-00000.npy must have the SHA-256"):
                CodeIndex.load(folder)

    def test_an_id_is_known_again_whatever_the_length_of_others(self):
        names = ["a", "b" * 8, "c" * 9, "d" * 23, ""]
        index = CodeIndex(self.codes[:5], names, 64)
        for number, name in enumerate(names):
            with self.assertRaisesRegex(ValueError, f"Received: '{name}' more than once"):
                index.add(self.codes[:2], ["e" * (1 + 7 * number), name])
        index.add(self.codes[:3], ["e" * 40, "a" * 9, "c" * 8])
        self.assertEqual(len(index), 8)

    def test_more_results_than_codes_gives_all(self):
        self.assertEqual(CodeIndex(self.codes[:3], _names(3), 64).search(self.queries, 9)[0].shape, (6, 3))

    def test_an_empty_index_finds_nothing(self):
        index = CodeIndex(np.empty((0, 8), np.uint8), [], 64)
        self.assertEqual(index.search(self.queries, 5)[0].shape, (6, 0))

    def test_refusals(self):
        index = CodeIndex(self.codes, _names(500), 64)
        for message, call in (
                ("unique in an index. Received: 'photo-é3' more than once",
                 lambda: index.add(self.codes[:1], ["photo-é3"])),
                ("one id per code. Received: 2 codes, 1 ids", lambda: index.add(self.codes[:2], ["a"])),
                (r"64 bits must be uint8 \[n, 8\]. Received: uint8 \(1, 4\)",
                 lambda: index.search(self.codes[:1, :4], 1)),
                ("`code_size` must be at least 1. Received: code_size=0",
                 lambda: CodeIndex(np.zeros((1, 0), np.uint8), ["a"], 0)),
                (r"12 bits must be uint8 \[n, 2\]. Received: uint8 \(1, 1\)",
                 lambda: CodeIndex(np.zeros((1, 1), np.uint8), ["a"], 12)),
                ("pieces of 1 to 32 bits.*num_tables=1, num_flips=2, 64 bits",
                 lambda: CodeIndex(self.codes, _names(500), 64, CodeIndexConfig("hash", num_tables=1))),
                ("`index_type` must be one of flat, ivf, hash. Received: index_type='x'",
                 lambda: CodeIndexConfig("x")),
                ("`num_probes` must be at least 1. Received: num_probes=0",
                 lambda: CodeIndexConfig(num_probes=0))):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                call()

    def test_refuses_an_index_of_descriptors(self):
        with tempfile.TemporaryDirectory() as folder:
            save_index(ExactIndex(np.eye(4, dtype=np.float32), list("abcd")), folder)
            with self.assertRaisesRegex(ValueError, "index of binary codes. Received: .* of type 'exact'"):
                CodeIndex.load(folder)


if __name__ == "__main__":
    unittest.main()
