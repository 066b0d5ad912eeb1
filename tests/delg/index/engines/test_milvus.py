"""delg.index.engines: an index in Milvus Lite, built, changed, broken off, resumed, searched and verified."""

import contextlib
import importlib.util
import os
import subprocess
import sys
import unittest
from unittest import mock

import numpy as np

from delg.index import building
from delg.index.engines import collection as collections
from delg.index.engines.collection import Address, Collection
from delg.index.engines.config import MilvusConfig
from delg.index.files import finished_description, read_description
from delg.settings.index import IndexConfig
from tests.delg.index.test_building import descriptors_of, write_features
from tests.fixtures import scripts
from tests.fixtures.temporary_files import FilesTest

HERE = importlib.util.find_spec("milvus_lite") is not None
NEEDED = "Milvus Lite is not installed (it is on Python 3.10 and 3.11)"


def release(path):
    """Ends the embedded server of a file, as the end of its process would."""
    import pymilvus
    from milvus_lite.server_manager import server_manager_instance

    for alias, _ in pymilvus.connections.list_connections():
        pymilvus.connections.remove_connection(alias)
    server_manager_instance.release_server(path)


@unittest.skipUnless(HERE, NEEDED)
class MilvusTest(FilesTest):
    def setUp(self):
        super().setUp()
        self.index_dir, self.uri = self.path("index"), self.path("found.db")
        self.addCleanup(release, self.uri)
        self.addCleanup(release, self.path("index/milvus.db"))
        for shard in range(2):
            write_features(self.path(f"index-{shard:05d}-of-00002.h5"), range(150 * shard, 150 * shard + 150))
        self.features = self.path("index-*.h5")
        self.queries = descriptors_of(range(0, 300, 20)) + 0.01
        small = mock.patch.object(Collection, "batch_rows", staticmethod(lambda dimension: 40))
        small.start()
        self.addCleanup(small.stop)

    def build(self, **settings):
        settings = {"uri": self.uri, "num_candidates": 60, **settings}
        return building.build_index(self.features, self.index_dir,
                                    IndexConfig(index_type="milvus", **settings))

    def nearest(self, numbers, count):
        products = self.queries @ descriptors_of(numbers).T
        products /= np.linalg.norm(self.queries, axis=1, keepdims=True)
        rows = np.argsort(-products, axis=1, kind="stable")[:, :count]
        return rows, np.take_along_axis(products, rows, 1)

    def collection(self, index_dir=None):
        address = Address(**read_description(index_dir or self.index_dir)["collection"])
        return Collection(address, self.index_dir)

    @contextlib.contextmanager
    def broken_after(self, num_batches):
        """Uploads break after some batches; gives the list of first places that were sent."""
        sent, upsert = [], Collection.upsert

        def send(collection, first_place, ids, descriptors):
            if len(sent) == num_batches:
                raise OSError("the line is cut")
            upsert(collection, first_place, ids, descriptors)
            sent.append(first_place)

        with mock.patch.object(Collection, "upsert", send):
            yield sent

    def test_finds_the_true_neighbours_with_every_type_of_index_inside(self):
        rows, similarities = self.nearest(range(300), 5)
        for kind in ("auto", "IVF_FLAT", "HNSW", "AUTOINDEX"):
            with self.subTest(kind):
                built = self.build(milvus_index=kind, num_lists=4, num_probes=4)
                self.assertEqual((built.ids, built.fingerprint, built.dimension),
                                 ([f"i{number}" for number in range(300)], "model", 16))
                loaded = building.load_index(self.index_dir, check_descriptors=True)
                for index in (built, loaded):
                    found = index.search(self.queries, 5)
                    np.testing.assert_array_equal(found[0], rows)
                    np.testing.assert_allclose(found[1], similarities, atol=1e-6)
                np.testing.assert_allclose(loaded.descriptors[[7, 3, 7]], descriptors_of([7, 3, 7]),
                                           atol=1e-7)
        self.assertEqual(self.build().search(self.queries, 0)[0].shape, (15, 60))
        np.testing.assert_array_equal(self.build().search(self.queries, 200)[0],
                                      self.nearest(range(300), 200)[0])

    def test_keeps_beside_ids_where_it_is_and_whose_it_is(self):
        self.build()
        self.assertEqual(sorted(name.split("-")[0] for name in os.listdir(self.index_dir)),
                         [".lock", "digests", "ids", "index.json"])
        description = read_description(self.index_dir)
        self.assertEqual(description["config"]["milvus_index"], "FLAT")
        self.assertEqual(description["collection"]["uri"], self.uri)
        self.assertRegex(description["collection"]["name"], r"^delg_[0-9a-f]{8}$")
        self.assertEqual(self.collection().fingerprint(), "model")

    def test_without_uri_it_moves_with_its_folder(self):
        self.build(uri="")
        self.assertEqual(read_description(self.index_dir)["collection"]["uri"], "milvus.db")
        release(self.path("index/milvus.db"))
        os.rename(self.index_dir, self.path("moved"))
        self.addCleanup(release, self.path("moved/milvus.db"))
        index = building.load_index(self.path("moved"), check_descriptors=True)
        np.testing.assert_array_equal(index.search(self.queries, 5)[0], self.nearest(range(300), 5)[0])

    def test_images_come_and_go_without_a_rebuild(self):
        write_features(self.path("more.h5"), range(300, 360))
        write_features(self.path("new.h5"), [7], descriptors_of([1000]))
        self.build()
        removed = [f"i{number}" for number in range(0, 300, 4)]
        building.update_index(self.index_dir, remove_ids=removed[:20])
        building.update_index(self.index_dir, self.path("more.h5"), removed[20:])
        numbers = [number for number in range(360) if number % 4 or number >= 300]
        index = building.load_index(self.index_dir, check_descriptors=True)
        self.assertEqual((index.ids, index.num_strays), ([f"i{number}" for number in numbers], 0))
        rows, similarities = self.nearest(numbers, 5)
        np.testing.assert_array_equal(index.search(self.queries, 5)[0], rows)
        np.testing.assert_allclose(index.search(self.queries, 5)[1], similarities, atol=1e-6)
        self.assertEqual(self.collection().count(0, 360), len(numbers))
        index = building.update_index(self.index_dir, self.path("new.h5"), ["i7"])
        self.assertEqual((len(index), index.ids[-1]), (len(numbers), "i7"))
        self.assertEqual(index.search(descriptors_of([1000]), 1)[0], [[len(numbers) - 1]])

    def test_an_upload_that_is_cut_goes_on_from_its_last_batch(self):
        with self.broken_after(5) as sent, self.assertRaisesRegex(OSError, "the line is cut"):
            self.build()
        self.assertEqual(sent, [0, 40, 80, 120, 150])
        with open(self.path("index/upload.jsonl"), "a", encoding="utf-8") as file:
            file.write("torn by a ki")
        with self.broken_after(9) as sent:
            index = self.build()
        self.assertEqual(sent, [190, 230, 270])
        self.assertFalse(os.path.exists(self.path("index/upload.jsonl")))
        np.testing.assert_array_equal(index.search(self.queries, 5)[0], self.nearest(range(300), 5)[0])

    def test_after_a_cut_other_images_are_sent_anew(self):
        with self.broken_after(7), self.assertRaisesRegex(OSError, "the line is cut"):
            self.build()
        write_features(self.path("index-00001-of-00002.h5"), range(700, 720))
        with self.broken_after(9) as sent:
            self.build()
        self.assertEqual(sent, [150])
        index = building.load_index(self.index_dir, check_descriptors=True)
        self.assertEqual((len(index), self.collection().count(0, 400)), (170, 170))
        with self.broken_after(1), self.assertRaisesRegex(OSError, "the line is cut"):
            self.build()
        write_features(self.path("index-00001-of-00002.h5"), range(150), fingerprint="other")
        write_features(self.path("index-00000-of-00002.h5"), range(150, 170), fingerprint="other")
        with self.broken_after(9) as sent:
            self.assertEqual(self.build().fingerprint, "other")
        self.assertEqual(sent, [0, 20, 60, 100, 140])

    def test_a_cut_update_leaves_the_index_as_it_was_and_can_go_on(self):
        write_features(self.path("more.h5"), range(300, 400))
        self.build()
        before = self.nearest(range(300), 60)[0]
        with self.broken_after(1), self.assertRaisesRegex(OSError, "the line is cut"):
            building.update_index(self.index_dir, self.path("more.h5"), ["i0"])
        index = building.load_index(self.index_dir, check_descriptors=True)
        np.testing.assert_array_equal(index.search(self.queries, 60)[0], before)
        with self.broken_after(9) as sent:
            index = building.update_index(self.index_dir, self.path("more.h5"), ["i0"])
        self.assertEqual((sent, len(index)), ([340, 380], 399))
        np.testing.assert_array_equal(index.search(self.queries, 60)[0],
                                      self.nearest(range(1, 400), 60)[0])

    def test_removed_images_that_stayed_are_no_results_and_leave_with_the_next(self):
        self.build()
        with mock.patch.object(Collection, "delete", side_effect=OSError("cut")), \
                self.assertRaisesRegex(OSError, "cut"):
            building.update_index(self.index_dir, remove_ids=[f"i{number}" for number in range(50)])
        index = building.load_index(self.index_dir)
        self.assertEqual((index.num_strays, len(index)), (50, 250))
        np.testing.assert_array_equal(index.search(self.queries, 60)[0],
                                      self.nearest(range(50, 300), 60)[0])
        building.update_index(self.index_dir, remove_ids=["i50"])
        self.assertEqual(self.collection().count(0, 300), 249)

    def test_built_again_it_takes_the_place_of_the_old_one(self):
        self.build()
        first = self.collection()
        self.build()
        second = self.collection()
        self.assertEqual((first.exists(), second.exists()), (False, True))
        building.build_index(self.features, self.index_dir, IndexConfig(index_type="exact"))
        self.assertFalse(second.exists())
        self.assertNotIn("digests", {name.split("-")[0] for name in os.listdir(self.index_dir)})

    def test_a_broken_off_build_leaves_the_index_as_it_was(self):
        self.build()
        before = read_description(self.index_dir)
        for broken in (self.broken_after(3), mock.patch.object(Collection, "count", return_value=3)):
            with broken, self.assertRaisesRegex(OSError, "cut|must hold the 300 .*Received: 3."):
                self.build()
            self.assertEqual(finished_description(self.index_dir), before)
        self.assertFalse(os.path.exists(self.path("index/upload.jsonl")))
        building.load_index(self.index_dir, check_descriptors=True)

    def test_what_others_changed_is_found(self):
        self.build()
        collection, message = self.collection(), "changed by others, build the index again"
        collection.upsert(9, ["i9"], descriptors_of([10]))
        self.assertEqual(len(building.load_index(self.index_dir)), 300)
        with self.assertRaisesRegex(ValueError, f"{message}. Received: another one of 'i9'"):
            building.load_index(self.index_dir, check_descriptors=True)
        index = building.load_index(self.index_dir)
        collection.delete(np.array([9, 10]))
        with self.assertRaisesRegex(OSError, f"must hold place 9: .*{message}"):
            index.descriptors[np.array([5, 9])]
        with self.assertRaisesRegex(ValueError, f"the 300 images of .*{message}. Received: 298"):
            building.load_index(self.index_dir)
        with self.assertRaisesRegex(OSError, "must name 300 images for each query: .*Received: 298"):
            index.search(self.queries, 300)
        collection.drop()
        with self.assertRaisesRegex(FileNotFoundError, "found.db must hold collection .*Received: none"):
            building.load_index(self.index_dir)

    def test_damage_of_its_files_is_found(self):
        self.build()
        for name in set(os.listdir(self.index_dir)) - {".lock"}:
            with open(os.path.join(self.index_dir, name), "rb") as file:
                content = file.read()
            for damaged in (content[:-2], content[:40] + bytes([content[40] ^ 255]) + content[41:]):
                with open(os.path.join(self.index_dir, name), "wb") as file:
                    file.write(damaged)
                with self.assertRaisesRegex(ValueError, "damaged, build|build the index again"):
                    building.load_index(self.index_dir, check_descriptors=True)
            with open(os.path.join(self.index_dir, name), "wb") as file:
                file.write(content)

    def test_more_results_than_milvus_gives_are_refused(self):
        index = self.build()
        with mock.patch("delg.index.engines.remote_index.MOST_RESULTS", 200), self.assertRaisesRegex(
                ValueError, "`num_neighbors` must be at most 200 where .* Milvus. Received: 201"):
            index.search(self.queries, 201)

    def test_a_search_needs_no_other_flag_and_compares_features_with_some_of_it(self):
        self.build()
        release(self.uri)
        write_features(self.path("query.h5"), range(1000, 1004), self.queries[:4])
        flags = {"query_features": self.path("query.h5"), "index_features": self.features,
                 "index_dir": self.index_dir, "output": self.path("ranking.h5")}
        done = scripts.run("delg.search_images", **flags, num_neighbors=5)
        self.assertEqual(done.returncode, 0, done.stderr)
        from delg.scores.ranking import read_ranking

        np.testing.assert_array_equal(read_ranking(self.path("ranking.h5")).ranks,
                                      self.nearest(range(300), 5)[0][:4])
        write_features(self.path("index-00001-of-00002.h5"), range(150, 300),
                       descriptors_of(range(900, 1050)))
        done = scripts.run("delg.search_images", **{**flags, "output": self.path("other.h5")})
        self.assertIn("`index_features` must be those that `index_dir` was built from", done.stderr)


class WithoutAnEngineTest(FilesTest):
    def test_the_missing_package_is_one_sentence(self):
        write_features(self.path("index.h5"), range(30))
        collections._package.cache_clear()
        with mock.patch.dict(sys.modules, pymilvus=None), self.assertRaisesRegex(
                ValueError, r"needs the packages pymilvus and milvus-lite: pip install '.\[milvus\]'"):
            building.build_index(self.path("index.h5"), self.path("index"), IndexConfig(index_type="milvus"))

    def test_uri_is_a_server_or_a_file_in_a_folder(self):
        for uri in ("found.sqlite", self.path("none/found.db"), "localhost:19530"):
            with self.assertRaisesRegex(ValueError, "`uri` must be http://HOST:PORT, or a file in"):
                Address.in_folder(uri, "delg", self.path("index"))
        self.assertEqual(Address.in_folder("http://host:19530", "delg", "index").uri, "http://host:19530")

    def test_the_index_inside_is_told_how_it_is_built_and_searched(self):
        on_server = MilvusConfig(uri="http://host:19530").resolved(10_000)
        self.assertEqual((on_server.milvus_index, on_server.build_parameters, on_server.search_parameters(9)),
                         ("AUTOINDEX", {}, {}))
        for kind, built, searched in (("IVF_FLAT", {"nlist": 512}, {"nprobe": 64}),
                                      ("HNSW", {"M": 32, "efConstruction": 200}, {"ef": 1000}),
                                      ("DISKANN", {}, {"search_list": 1000})):
            config = MilvusConfig(milvus_index=kind).resolved(10_000)
            self.assertEqual((config.build_parameters, config.search_parameters(1000)), (built, searched))
            self.assertEqual(config.num_candidates_for(100), 116)
        self.assertEqual([on_server.num_candidates_for(wanted) for wanted in (100, 900)], [800, 900])

    def test_half_descriptors_are_refused(self):
        with self.assertRaisesRegex(ValueError, "`descriptor_dtype` must be float32 where `index_type` is m"):
            building.build_index(self.path("index.h5"), self.path("index"),
                                 IndexConfig(index_type="milvus", descriptor_dtype="float16"))

    @unittest.skipUnless(HERE, NEEDED)
    def test_the_package_closes_no_log(self):  # pymilvus configures logging anew
        code = ("import io, logging\n"
                "from delg.index.engines import collection\n"
                "class Handler(logging.StreamHandler):\n"
                "    def close(self):\n        self.stream.close()\n"
                "handler = Handler(io.StringIO())\ncollection._package()\nprint(handler.stream.closed)")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "False\n")

    @unittest.skipUnless(HERE, NEEDED)
    def test_what_does_not_answer_is_one_sentence(self):
        address, uri = Address.in_folder("", "delg", self.path("")), self.path("milvus.db")
        self.addCleanup(release, uri)
        self.assertFalse(Collection(address, self.path("")).exists())
        code = ("import sys\nfrom delg.index.engines.collection import Address, Collection\n"
                "for uri in sys.argv[1:]:\n"
                "    try:\n        Collection(Address(uri, 'delg'), '.')\n"
                "    except OSError as error:\n        print(error)")
        with mock.patch.dict(os.environ, MILVUS_CONN_TIMEOUT="1"):
            done = subprocess.run([sys.executable, "-c", code, "http://127.0.0.1:9", uri],
                                  capture_output=True, text=True, check=True)
        self.assertRegex(done.stdout, "^Milvus at http://127.0.0.1:9 must answer. Received: ")
        self.assertIn(f"Milvus at {uri} must answer, to one process at a time. Received: ", done.stdout)
        self.assertEqual(len(done.stdout.splitlines()), 2, done.stdout)
        self.assertEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main()
