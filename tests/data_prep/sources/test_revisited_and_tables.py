"""Tables, folders and ground truth are read as published, and refused with the name of what is wrong."""

import json
import os
import pickle
import unittest
from unittest import mock

import numpy as np
from scipy import io

from data_prep.sources import folder, landmarks, revisited
from data_prep.sources.formats import tables
from data_prep.sources.formats.image_names import check_names, path_finder
from tests.fixtures.temporary_files import FilesTest


class TablesTest(FilesTest):
    def read(self, content) -> list:
        table = tables.read_table(self.write("t.csv", content), {"id": str, "landmark_id": int})
        return [list(row) for row in zip(*table.values())]

    def test_wanted_columns_with_their_types(self):
        self.assertEqual(self.read("id,url,landmark_id\n0012,x,7\nNA,y,8\n"), [["0012", 7], ["NA", 8]])

    def test_refuses_a_table_without_the_column(self):
        with self.assertRaisesRegex(ValueError, r"Table .*t.csv must have the columns id, landmark_id, each "
                                                r"once. Received: id, url, landmark.$"):
            self.read("id,url,landmark\na,b,1\n")

    def test_refuses_a_word_for_a_number(self):
        with self.assertRaisesRegex(ValueError, "landmark_id in .*t.csv, line 2, must be whole .*'seven'"):
            self.read("id,landmark_id\na,seven\n")

    def test_optional_columns(self):
        path = self.write("t.csv", "id,b\n1,2\n")
        self.assertEqual(tables.read_table(path, {"id": str}, {"b": int, "c": str}),
                         {"id": ["1"], "b": [2]})

    def test_refuses_no_rows(self):
        with self.assertRaisesRegex(ValueError, "Table .*t.csv must have at least one row. Received: none."):
            self.read("id,landmark_id\n")

    def test_refuses_what_is_no_table(self):
        for content in ("", b"\xff\xd8\xff\xe0 image \x00\x80"):
            with self.subTest(content), self.assertRaisesRegex(ValueError, "t.csv must"):
                self.read(content)


class FolderTest(FilesTest):
    def test_first_folder_is_the_class(self):
        for name in ("b/2.jpg", "a/sub/1.PNG", "a/1.jpeg", "a/notes.txt", "a/.hidden.jpg", ".git/x.jpg",
                     "top.jpg"):
            self.write(name)
        images = folder.read_images(self.directory)
        self.assertEqual(list(images.ids), ["a/1", "a/sub/1", "b/2"])
        self.assertEqual(images.landmarks.tolist(), ["a", "a", "b"])
        self.assertEqual(images.path_of("a/sub/1"), os.path.join("a", "sub", "1.PNG"))

    def test_refuses_a_folder_without_classes(self):
        self.write("top.jpg")
        with self.assertRaisesRegex(ValueError, "a folder per class with images .* Received: none in"):
            folder.read_images(self.directory)

    def test_a_name_that_is_not_utf_8(self):
        self.write(os.fsdecode(b"caf\xe9/\xff.jpg"))
        images = folder.read_images(self.directory)
        self.assertEqual((images.ids, images.landmarks.tolist()), ([r"caf\xe9/\xff"], [r"caf\xe9"]))
        self.assertTrue(os.path.exists(self.path(images.path_of(images.ids[0]))))

    def test_refuses_a_folder_it_cannot_read(self):  # rather than lose a class
        with mock.patch.object(os, "scandir", side_effect=PermissionError(13, "Permission denied", "b")), \
                self.assertRaisesRegex(OSError, "Permission denied: 'b'"):
            folder.read_images(self.directory)

    def test_refuses_names_that_differ_in_suffix_only(self):
        self.write("a/1.jpg")
        self.write("a/1.png")
        with self.assertRaisesRegex(ValueError, "in more than their suffix. Received: .*1.jpg and 1.png"):
            folder.read_images(self.directory)

    def test_refuses_a_missing_folder(self):
        with self.assertRaisesRegex(FileNotFoundError, "must be a folder. Received: images_dir=.*absent"):
            folder.read_images(self.path("absent"))


class LandmarksTest(FilesTest):
    def test_null_is_not_for_training(self):
        self.write("jpg/a.jpg")
        self.write("landmarks.json", json.dumps({"image_landmark": {"a": "tower", "b": None, "c": "gate"}}))
        images = landmarks.read_images(self.directory, landmarks.find_table(self.directory))
        self.assertEqual((list(images.ids), images.landmarks.tolist()), (["a", "c"], ["tower", "gate"]))
        self.assertEqual(images.path_of("a"), os.path.join("jpg", "a.jpg"))

    def test_table_above_the_images(self):
        self.write("jpg/a.jpg")
        self.write("landmarks.json", json.dumps({"image_landmark": {"a": 12, "b": 9}}))
        self.assertEqual(landmarks.find_table(self.path("jpg")), self.path("landmarks.json"))
        images = landmarks.read_images(self.path("jpg"), self.path("landmarks.json"))
        self.assertEqual((images.landmarks.tolist(), images.path_of("a")), ([12, 9], "a.jpg"))

    def test_refuses_other_json(self):
        for content, message in (("[1]", "must hold an object `image_landmark`"), ("{", "must be JSON"),
                                 *((f'{{"image_landmark": {{"b": 1, "a": {value}}}}}', "string that is not "
                                    "blank, an integer of 64 bits or null in .*json. Received: .* image 'a'")
                                   for value in ("[]", "true", '""', '" "', "1.0", str(2**70))),
                                 ('{"image_landmark": {"a": null}}', "must give an image a landmark"),
                                 ('{"image_landmark": {"../a": "x"}}', r"without '..'. Received: '../a'")):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                landmarks.read_images(self.directory, self.write("landmarks.json", content))


class ImageNamesTest(FilesTest):
    def test_suffixes(self):
        self.write("b.png")
        find = path_finder(self.directory)
        self.assertEqual([find(name) for name in ("a", "b", "c.jpeg")], ["a.jpg", "b.png", "c.jpeg"])

    def test_refuses_names_that_lead_elsewhere(self):
        for name in ("../a", "/etc/a", "a/../../b", "..\\a", "c:/a", "", "a\0b", 7):
            with self.subTest(name), self.assertRaisesRegex(ValueError, "relative paths without '..'"):
                check_names([name], "list")

    def test_refuses_a_name_used_twice(self):
        with self.assertRaisesRegex(ValueError, "must be unique. Received: 'a' twice in list"):
            check_names(["a", "b", "a"], "list")


class RevisitedTest(FilesTest):
    KEYS = ("bbx", "easy", "hard", "junk")
    EXPECTED = {"imlist": ["a", "b", "c"], "qimlist": ["p", "q"], "gnd": [
        {"bbx": [1.0, 2.0, 3.5, 4.0], "easy": [0], "hard": [1, 2], "junk": []},
        {"bbx": [0.0, 0.0, 9.0, 9.0], "easy": [], "hard": [], "junk": [2]}]}

    def changed(self, **entry) -> str:
        stored = json.loads(json.dumps(self.EXPECTED))
        stored["gnd"][1].update(entry)
        return self.write("gnd.json", json.dumps(stored))

    def test_json(self):
        self.assertEqual(revisited.read_ground_truth(self.changed()), self.EXPECTED)

    def test_pickle_of_every_protocol(self):
        stored = {"imlist": np.array(["a", "b", "c"], object), "qimlist": np.array(["p", "q"]), "gnd": [
            {"bbx": np.array([1, 2, 3.5, 4]), "easy": np.array([0]), "hard": [1, np.int64(2)], "junk": []},
            {"bbx": [0, 0, 9, 9], "easy": np.array([], np.int32), "hard": (), "junk": [2], "ok": b"x"}]}
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with self.subTest(protocol=protocol):
                path = self.write("gnd.pkl", pickle.dumps(stored, protocol))
                self.assertEqual(revisited.read_ground_truth(path), self.EXPECTED)

    def test_mat_counts_from_one(self):
        gnd = np.zeros(2, [(key, object) for key in ("bbx", "easy", "hard", "junk")])
        for row, entry in enumerate(self.EXPECTED["gnd"]):
            gnd[row] = (np.array(entry["bbx"]), *(np.array(entry[level], np.uint16) + 1
                                                  for level in ("easy", "hard", "junk")))
        io.savemat(self.path("gnd.mat"), {"imlist": np.array(["a", "b", "c"], object), "gnd": gnd,
                                          "qimlist": np.array(["p", "q"], object)})
        self.assertEqual(revisited.read_ground_truth(self.path("gnd.mat")), self.EXPECTED)

    def save_list(self, **changes):
        """As `savemat` writes the list of a .pkl: a cell of structs."""
        gnd = [{key: np.array(values) + (key != "bbx") for key, values in entry.items()}
               for entry in self.EXPECTED["gnd"]]
        gnd[1].update(changes)
        path = self.path("list.mat")
        io.savemat(path, {"imlist": ["a", "b", "c"], "qimlist": np.array(["p", "q"], object), "gnd": gnd})
        return path

    def test_mat_of_a_list_of_dicts(self):
        self.assertEqual(revisited.read_ground_truth(self.save_list()), self.EXPECTED)

    def test_mat_refuses_places_that_are_no_whole_numbers_from_one(self):
        for places, message in (([2.5], "easy holds 2.5, which is not whole"), ("12", "TypeError"),
                                ([float("nan")], "easy holds nan"),
                                ([0], "names of imlist. Received: 0"),
                                (np.zeros(1, np.uint8), "names of imlist. Received: 0"),
                                ([{"a": 1}], "TypeError"),
                                ([4], "must point into the 3 names of imlist. Received: 4")):
            with self.subTest(message), self.assertRaisesRegex(
                    ValueError, f"query 'q' in .*list.mat.*{message}"):
                revisited.read_ground_truth(self.save_list(easy=places))

    def test_every_value_of_a_mat_or_a_pickle_is_checked_too(self):
        for name, write in (("gnd.mat", lambda path, stored: io.savemat(path, {**stored, "gnd": np.array(
                [tuple(entry.values()) for entry in stored["gnd"]], [(key, object) for key in self.KEYS])})),
                ("gnd.pkl", lambda path, stored: self.write("gnd.pkl", pickle.dumps(stored)))):
            for changed, message in (({"easy": [1.5]}, "easy holds 1.5, which is not whole"),
                                     ({"junk": [np.nan]}, "junk holds nan"),
                                     ({"hard": [-1]}, "the 3 names of imlist"),
                                     ({"hard": [9]}, "names of imlist. Received: 9"),
                                     ({"easy": ["1"]}, "easy holds a value of type str"),
                                     ({"bbx": [0, 0, 1, np.inf]}, "must be x1, y1, x2, y2"),
                                     ({"bbx": [0, 0, 1]}, "must be x1, y1, x2, y2")):
                whole = {"bbx": [0, 0, 9, 9], "easy": [1], "hard": [2], "junk": []}
                stored = {**self.EXPECTED, "gnd": [whole, {**whole, **changed}]}
                stored.update({key: np.array(stored[key], object) for key in ("imlist", "qimlist")})
                write(self.path(name), stored)
                with self.subTest(name, **changed), self.assertRaisesRegex(
                        ValueError, f"query 'q' in .*{message}"):
                    revisited.read_ground_truth(self.path(name))

    def test_malicious_pickle_is_not_run(self):
        marker = self.path("was_run")

        class Attack:
            def __init__(self, call, *arguments):
                self.reduced = (call, arguments)

            def __reduce__(self):
                return self.reduced

        for call, arguments in ((os.system, (f"touch {marker}",)), (eval, (f"open({marker!r}, 'w')",)),
                                (open, (marker, "w")), (np.load, (marker,)),
                                (np.core.multiarray.fromstring, ("1", float, -1, " "))):
            path = self.write("gnd.pkl", pickle.dumps({"imlist": [Attack(call, *arguments)]}))
            with self.subTest(call), self.assertRaisesRegex(
                    ValueError, f"gnd.pkl must be a pickle of nothing but .* calls .*{call.__name__}"):
                revisited.read_ground_truth(path)
            self.assertFalse(os.path.exists(marker))

    def test_array_that_lies_about_its_type_is_refused(self):  # would turn bytes into object pointers
        path = self.write("gnd.pkl", pickle.dumps(np.zeros(2, [("f", object)])))
        with self.assertRaisesRegex(ValueError, "Received: an array of type 'V8'"):
            revisited.read_ground_truth(path)
        path = self.write("gnd.pkl", pickle.dumps(np.array([1, 2])).replace(b"i8", b"O8"))
        with self.assertRaisesRegex(ValueError, "must be a pickle of nothing but"):
            revisited.read_ground_truth(path)

    def test_doubling_references_do_not_grow(self):  # 2 ** 60 strings if each were written out
        value = "x"
        for _ in range(60):
            value = [value, value]
        path = self.write("gnd.pkl", pickle.dumps({"a": value}))
        with self.assertRaisesRegex(ValueError, "lists in lists that stand for over"):
            revisited.read_ground_truth(path)

    def test_small_pickles_that_ask_for_much_are_refused(self):
        nested = b"}K\x01\x85" + b"".join(b"q%ch%c\x86" % (place, place) for place in range(60)) + b"K\x01s."
        empty = pickle.dumps({"a": np.zeros((0, 1), "S1")}).replace(b"K\x00K\x01\x86",
                                                                   b"J\xff\xff\xff\x7fK\x00\x86")
        for content, message in (
                (b"\x80\x02" + nested, "a dict with other keys than strings and numbers"),  # hash without end
                (b"\x80\x02Nr\x00\x00\x00\x08.", "without gnd"),  # a memo index of 2 GB
                (b"\x80\x05\x96\x00\x00\x00\x00\x10\x00\x00\x00.", "must be a pickle"),  # 64 GB of bytes
                (b"\x80\x04\x8f(\x90.", "the operation"),  # a set hashes too
                (b"\x80\x02cnumpy\ndtype\n}b.", "a state for a value that has none"),
                (empty, "without gnd")):
            path = self.write("gnd.pkl", content)
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                revisited.read_ground_truth(path)
            self.assertLess(os.path.getsize(path), 400)

    def test_refuses_places_that_are_no_whole_numbers(self):
        for level, message in (([0.5], "easy holds 0.5, which is not whole"),
                               ("12", "easy is no list but str"), (1, "easy is no list but int"),
                               (["1"], "easy holds a value of type str"), ([True], "of type bool"),
                               ([float("nan")], "easy holds nan"), ([[1]], "of type list"),
                               ([10**30], "must point into the 3 names of imlist. Received: 1000")):
            path = self.changed(easy=level)
            with self.subTest(message), self.assertRaisesRegex(ValueError, f"query 'q' in .*{message}"):
                revisited.read_ground_truth(path)
        self.assertEqual(revisited.read_ground_truth(self.changed(easy=[1.0]))["gnd"][1]["easy"], [1])

    def test_refuses_boxes_that_are_no_numbers(self):
        for box in ("1234", ["1", 2, 3, 4], [1, 2, 3, None], [1, 2, 3], [1, 2, 3, float("inf")],
                    [1, 2, 3, 10**400]):
            with self.subTest(box), self.assertRaisesRegex(ValueError, "query 'q' in "):
                revisited.read_ground_truth(self.changed(bbx=box))

    def test_refuses_damaged_files(self):
        for name, message in (("gnd.json", "must be JSON"), ("gnd.pkl", "must be a pickle of nothing but"),
                              ("gnd.mat", "must be a MATLAB 5 file"), ("gnd.txt", "a .mat, .pkl, .json")):
            with self.subTest(name), self.assertRaisesRegex(ValueError, message):
                revisited.read_ground_truth(self.write(name, "text"))
        with self.assertRaisesRegex(FileNotFoundError, "absent.pkl does not exist"):
            revisited.read_ground_truth(self.path("absent.pkl"))

    def test_refuses_places_outside_the_list(self):
        with self.assertRaisesRegex(ValueError, "hard of query 'q' .* the 3 names of imlist. Received: 3"):
            revisited.read_ground_truth(self.changed(hard=[0, 3]))

    def test_refuses_a_box_of_three(self):
        with self.assertRaisesRegex(ValueError, r"bbx of query 'q' .* Received: \[1.0, 2.0, 3.0\]"):
            revisited.read_ground_truth(self.changed(bbx=[1, 2, 3]))

    def test_refuses_an_entry_without_box(self):
        with self.assertRaisesRegex(ValueError, "entry of query 'q' .* must have bbx, .* TypeError"):
            revisited.read_ground_truth(self.changed(bbx=None))

    def test_refuses_no_queries(self):
        path = self.write("gnd.json", '{"imlist": ["a"], "qimlist": [], "gnd": []}')
        with self.assertRaisesRegex(ValueError, "at least one query .* Received: 0 queries, 0 entries"):
            revisited.read_ground_truth(path)

    def test_refuses_a_missing_list(self):
        path = self.write("gnd.json", '{"imlist": ["a"], "gnd": []}')
        with self.assertRaisesRegex(ValueError, "one without qimlist"):
            revisited.read_ground_truth(path)

    def test_refuses_what_is_no_list(self):
        for key, value in (("imlist", "abc"), ("qimlist", None), ("gnd", None), ("gnd", {"0": {}})):
            stored = {"imlist": ["a"], "qimlist": ["p"], "gnd": [{}], key: value}
            path = self.write("gnd.json", json.dumps(stored))
            with self.assertRaisesRegex(ValueError, f"{key} of .* must be a list. Received: "):
                revisited.read_ground_truth(path)

    def test_places_are_counted_anew_without_bad_images(self):
        left = revisited.drop_images(self.EXPECTED, {"b"}, {"q"})
        self.assertEqual(left, {"imlist": ["a", "c"], "qimlist": ["p"], "gnd": [
            {"bbx": [1.0, 2.0, 3.5, 4.0], "easy": [0], "hard": [1], "junk": []}]})
        with self.assertRaisesRegex(ValueError, "one query image must be readable. Received: 2 queries"):
            revisited.drop_images(self.EXPECTED, set(), {"p", "q"})

    def test_box_within_the_image(self):
        self.assertEqual(revisited.check_box([0, -0.5, 64.5, 48], 64, 48, "q"), [0, 0.0, 64.0, 48])
        for box in ([0, 0, 66, 48], [-3, 0, 9, 9], [5, 0, 5, 9], [0, 9, 9, 8]):
            with self.subTest(box), self.assertRaisesRegex(
                    ValueError, "box of query 'q' must lie in its image of 64 x 48 pixels. Received: bbx="):
                revisited.check_box(box, 64, 48, "q")


if __name__ == "__main__":
    unittest.main()
