"""Lists of images, folders of classes and of distractors are taken as they come, odd names and all."""

import os
import unittest

from data_prep.sources import distractors, folder, image_list
from tests.fixtures.temporary_files import FilesTest


class ImageListTest(FilesTest):
    def read(self, content):
        return image_list.read_collection(self.directory, self.write("list.txt", content))

    def test_paths_are_to_be_searched(self):
        collection = self.read("b.jpg\n\na/1.png\r\n")
        [split] = collection.splits
        self.assertEqual((split.name, split.ids, split.landmarks), ("index", ["b.jpg", "a/1.png"], None))
        self.assertEqual(collection.path_of("a/1.png"), "a/1.png")

    def test_paths_with_labels_are_to_train(self):
        for content in ("a.jpg\t7\nb c.jpg\t-1\n", "\ufeffa.jpg,7\nb c.jpg, -1\n", "a.jpg;7\nb c.jpg; -1\n"):
            [split] = self.read(content).splits
            self.assertEqual((split.name, split.ids, split.landmarks.tolist()),
                             ("train", ["a.jpg", "b c.jpg"], [7, -1]))
        [split] = self.read("a.jpg,tower\nb.jpg,8\n").splits
        self.assertEqual(split.landmarks.tolist(), ["tower", "8"])

    def test_a_header_is_no_image(self):
        for header in ("image,label", "Bild;Klasse,Klasse", "\ufefffile,class"):
            [split] = self.read(f"{header}\na/1.jpg,7\nb.jpg,8\n").splits
            self.assertEqual((split.ids, split.landmarks.tolist()), (["a/1.jpg", "b.jpg"], [7, 8]))
        self.assertEqual(self.read("path\na/1.jpg\n").splits[0].ids, ["a/1.jpg"])
        self.assertEqual(self.read("IMG1,7\nIMG2,8\n").splits[0].ids, ["IMG1", "IMG2"])  # names, not paths

    def test_delimiters_in_names(self):
        for content, ids in (("a,b.jpg\nc;d.jpg\n", ["a,b.jpg", "c;d.jpg"]), ("a;b.jpg\n", ["a;b.jpg"]),
                             ("a,b.jpg;7\nc,e;d.jpg;8\n", ["a,b.jpg", "c,e;d.jpg"]),
                             ('a;b.jpg,7;8\n"c,d.jpg",e\n', ["a;b.jpg", "c,d.jpg"])):
            self.assertEqual(self.read(content).splits[0].ids, ids)

    def test_whole_paths_into_the_folder(self):
        self.assertEqual(self.read(f"{self.path('a/1.jpg')}\n").splits[0].ids, ["a/1.jpg"])
        collection = image_list.read_collection("/", self.write("list.txt", "/tmp/a.jpg\n"))
        self.assertEqual(collection.splits[0].ids, ["tmp/a.jpg"])

    def test_a_name_that_is_not_utf_8(self):
        collection = self.read(b"caf\xe9.jpg,caf\xe9\n")
        [split] = collection.splits
        self.assertEqual((split.ids, split.landmarks.tolist()), ([r"caf\xe9.jpg"], [r"caf\xe9"]))
        self.assertEqual(os.fsencode(collection.path_of(r"caf\xe9.jpg")), b"caf\xe9.jpg")

    def test_cp1252_where_the_names_on_disk_say_so(self):
        self.write("caf\xe9.jpg")
        for content in ("caf\xe9.jpg;th\xe9\nabsent \u20ac.jpg;b\n", "\xe9,;a.jpg;b\ncaf\xe9.jpg;th\xe9\n"):
            utf_8, cp1252 = (self.read(content.encode(name)).splits[0] for name in ("utf-8", "cp1252"))
            self.assertEqual((cp1252.ids, cp1252.landmarks.tolist()), (utf_8.ids, utf_8.landmarks.tolist()))
        self.write(os.fsdecode(b"caf\xe9.jpg"))  # which the list's own bytes name
        self.assertEqual(self.read(b"caf\xe9.jpg\n").splits[0].ids, [r"caf\xe9.jpg"])

    def test_refuses_bad_lists(self):
        for content, message in (("\n \n", "list.txt must list at least one image. Received: an empty list"),
                                 ("a.jpg\nb.jpg\na.jpg\n", "unique. Received: 'a.jpg' twice in .*list.txt"),
                                 ("../a.jpg\n", "without '..'. Received: '../a.jpg' in .*list.txt"),
                                 ("/etc/a.jpg\n", "Received: '/etc/a.jpg' in .*list.txt"),
                                 (b"a.jpg;1\nb.jpg;\xe9\n", "UTF-8 .*cp1252 .* label in line 2"),
                                 ("a.jpg,1\nb.jpg\n", "a label, or none. Received: 'b.jpg', .* in line 2")):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                self.read(content)
        with self.assertRaises(FileNotFoundError):
            image_list.read_collection(self.directory, self.path("absent.txt"))


class FolderTest(FilesTest):
    def setUp(self):
        super().setUp()
        for kind, count in (("oak", 8), ("elm", 4), ("yew", 1)):
            for number in range(count):
                self.write(f"{kind}/{number}.jpg")

    def splits(self, fraction, seed=0):
        collection = folder.read_collection(self.directory, fraction, seed)
        return {split.name: split for split in collection.splits}

    def test_without_a_fraction_all_images_train(self):
        found = self.splits(0.0)
        self.assertEqual(list(found), ["train"])
        self.assertEqual(found["train"].ids, folder.read_images(self.directory).ids)

    def test_each_class_gives_its_share_to_the_test(self):
        found = self.splits(0.25)
        self.assertEqual(sorted(found["test"].landmarks.tolist()), ["elm", "oak", "oak"])
        self.assertEqual(len(found["train"].ids), 10)
        self.assertFalse(set(found["train"].ids) & set(found["test"].ids))
        for split in found.values():
            self.assertEqual([image_id.split("/")[0] for image_id in split.ids], split.landmarks.tolist())
        self.assertEqual(self.splits(0.25)["test"].ids, found["test"].ids)
        self.assertNotEqual(self.splits(0.25, seed=1)["test"].ids, found["test"].ids)

    def test_folders_that_are_links_count(self):
        self.write("elsewhere/ash/1.jpg")
        os.makedirs(self.path("mine"))
        for name in ("ash", "oak"):
            os.symlink(self.path("elsewhere/ash" if name == "ash" else name), self.path(f"mine/{name}"))
        images = folder.read_images(self.path("mine"))
        self.assertEqual(sorted(set(images.landmarks)), ["ash", "oak"])

    def test_refuses_links_in_a_loop_and_two_to_one_folder(self):
        for target, link in ((self.directory, "oak/up"), (self.path("oak"), "twin")):
            os.symlink(target, self.path(link))
            with self.assertRaisesRegex(ValueError, "links must not make a folder of images occur twice. "
                                                    "Received: .* and .*"):
                folder.read_images(self.directory)
            os.remove(self.path(link))

    def test_odd_names_are_names(self):
        for name in ("Straße [1]/Bild [2].jpg", "東京/写真*.heic"):
            self.write(name)
        images = folder.read_images(self.directory)
        self.assertLessEqual({"Straße [1]/Bild [2]", "東京/写真*"}, set(images.ids))

    def test_tells_what_is_passed_over(self):
        for name in ("old/a.JFIF", "old/b.bmp", "old/c.tiff", "raw/1.CR2", "raw/notes.txt", "oak/film.mov",
                     "empty/.hidden.jpg"):
            self.write(name)
        collection = folder.read_collection(self.directory, 0.0, 0)
        self.assertEqual(collection.splits[0].landmarks.tolist().count("old"), 3)
        none = "no image that is read in this folder"
        self.assertEqual(dict(collection.passed_over), {
            "raw/1.CR2": "camera raw is not read", "oak/film.mov": "film is not read", "empty/": none,
            "raw/": none})

    def test_refuses_a_fraction_that_takes_nothing(self):
        with self.assertRaisesRegex(ValueError, "`test_image_fraction` must take .*0.001, 13 images"):
            self.splits(0.001)


class DistractorsTest(FilesTest):
    def test_images_of_any_depth(self):
        for name in ("jpg/0a/1.jpg", "jpg/0a/b/2.JPG", "jpg/3.png", "jpg/notes.txt", "elsewhere.jpg"):
            self.write(name)
        collection = distractors.read_collection(self.directory, "")
        [split] = collection.splits
        self.assertEqual((split.name, split.ids, split.landmarks), ("index", ["3", "0a/1", "0a/b/2"], None))
        self.assertEqual(collection.path_of("0a/b/2"), os.path.join("jpg", "0a", "b", "2.JPG"))

    def test_without_the_folder_jpg(self):
        self.write("0a/1.jpg")
        collection = distractors.read_collection(self.directory, "")
        self.assertEqual(collection.path_of("0a/1"), os.path.join("0a", "1.jpg"))

    def test_the_list_chooses(self):
        os.mkdir(self.path("jpg"))
        collection = distractors.read_collection(self.directory, self.write("r.txt", "0a/2.jpg\n0a/1.jpg\n"))
        self.assertEqual(collection.splits[0].ids, ["0a/2", "0a/1"])  # on disk or not
        self.assertEqual(collection.path_of("0a/1"), os.path.join("jpg", "0a/1.jpg"))

    def test_a_name_that_is_not_utf_8(self):
        self.write(os.fsdecode(b"\xff\xfe.jpg"))
        collection = distractors.read_collection(self.directory, "")
        self.assertEqual(collection.splits[0].ids, [r"\xff\xfe"])
        self.assertTrue(os.path.exists(self.path(collection.path_of(r"\xff\xfe"))))

    def test_refuses_what_it_cannot_use(self):
        with self.assertRaisesRegex(ValueError, "must have images .* in it or below. Received: none in"):
            distractors.read_collection(self.directory, "")
        with self.assertRaisesRegex(FileNotFoundError, "must be a folder. Received: images_dir=.*absent"):
            distractors.read_collection(self.path("absent"), "")
        with self.assertRaisesRegex(ValueError, "a path and no label .* Received: label '7'"):
            distractors.read_collection(self.directory, self.write("r.txt", "a.jpg,7\n"))
        with self.assertRaisesRegex(ValueError, "more than their suffix. Received: .*1.jpg and 1.png"):
            distractors.read_collection(self.directory, self.write("r.txt", "a/1.jpg\na/1.png\n"))


if __name__ == "__main__":
    unittest.main()
