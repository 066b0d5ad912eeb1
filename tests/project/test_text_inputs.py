"""Every text file of rows means the same however a spreadsheet or an editor saves it, or is refused."""

import codecs
import os

import numpy as np

from data_prep.sources import cub, day_night, gldv2_training, image_list, revisited
from data_prep.sources.formats.tables import read_list
from data_prep.sources.gldv2_solutions import read_solution
from delg.exchange import hloc
from delg.recognition.labels import read_landmarks
from delg.scores.gldv2.tables import read_predictions
from tests.fixtures.temporary_files import FilesTest

TRAIN = "id,landmark_id\naaa0,0\naaa1,0\nbbb0,1\n"
SPELLINGS = {
    "a byte order mark": lambda text: codecs.BOM_UTF8 + text,
    "CRLF": lambda text: text.replace(b"\n", b"\r\n"),
    "CR": lambda text: text.replace(b"\n", b"\r"),
    "no line end at the end": lambda text: text.rstrip(b"\n"),
    "blanks at the ends": lambda text: b" " + text.replace(b"\n", b"  \n "),
    "empty lines": lambda text: b"\n \n" + text.replace(b"\n", b"\n\n"),
}
QUOTED = {
    "quotes": lambda text: text,
    "all of a spreadsheet": lambda text: codecs.BOM_UTF8 + text.replace(b"\n", b"\r\n"),
}


def quoted(text, delimiter):
    return "\n".join(delimiter.join(f'"{cell}"' for cell in line.split(delimiter)) if line else ""
                     for line in text.split("\n"))


class TextInputsTest(FilesTest):
    def readers(self):
        """Name -> text, delimiter, and the function that reads the file at a path."""
        def train(path):
            return gldv2_training.read_images(self.write("train.csv", TRAIN), "", path).ids

        def places(path):
            return [(split.ids, split.landmarks.tolist(), split.domains)
                    for split in day_night.read_collection(self.directory, 0.0, 0.0, 0).splits]

        def birds(path):
            for name, text in (("image_class_labels", "1 1\n2 2\n"), ("train_test_split", "1 1\n2 0\n")):
                self.write(f"{name}.txt", text)
            self.write("classes.txt", "1 a\n2 b\n")
            return [split.ids for split in cub.read_collection(self.directory, "images").splits]

        def listed(path):
            [split] = image_list.read_collection(self.directory, path).splits
            return split.ids, np.array(split.landmarks).tolist()

        def without_landmark(path):
            return read_landmarks(["aaa0", "bbb0"], train_csv=self.write("train.csv", TRAIN),
                                  no_landmark_list=path).tolist()

        return {
            "exclusions, a table": ("e.csv", "id,landmark_id\naaa0,\n,1\n", ",", train),
            "exclusions, a list": ("e.csv", "aaa0\n1\n", ",", train),
            "train.csv": ("t.csv", TRAIN, ",", lambda path: gldv2_training.read_images(path, "").ids),
            "train_clean.csv": ("t.csv", "landmark_id,images\n7,aaa1 aaa0\n", ",",
                                lambda path: gldv2_training.read_images("", path).ids),
            "ids, a list": ("ids", "IMG 1\na,b\n", "\t",
                            lambda path: [cells for _, cells in read_list(path, "id")[0]]),
            "ids, a table": ("ids", "id;note\nIMG 1;x\n", ";", lambda path: read_list(path, "id")[0][0][1]),
            "ids without landmark": ("ids", "aaa0\n", ",", without_landmark),
            "images": ("l.txt", "a b/1.jpg\nc,d.jpg\n", "\t", listed),
            "images with labels": ("l.csv", "a b/1.jpg,x\nc/2.jpg,y\n", ",", listed),
            "images with labels and a header": ("l.csv", "image,label\na/1.jpg,x\nc/2.jpg,y\n", ",", listed),
            "images with labels, semicolons": ("l.csv", "a, b/1.jpg;3\nc/2.jpg;4\n", ";", listed),
            "images with labels, tabs": ("l.tsv", "a, b/1.jpg\t3\nc/2.jpg\t4\n", "\t", listed),
            "places.csv": ("places.csv", "file,domain,place\na.jpg,day,p\nb.jpg,night,q\n", ",", places),
            "images.txt": ("images.txt", "1 a/1.jpg\n2 b/2.jpg\n", " ", birds),
            "pairs": ("pairs.txt", "q.jpg a.jpg\nq.jpg b.jpg\n", " ", hloc.read_pairs),
            "a solution": ("s.csv", "id,landmarks,Usage\na,1 2,Public\nb,,Private\n", ",", read_solution),
            "predictions": ("p.csv", "id,images\na,x y\nb,\n", ",",
                            lambda path: [*read_predictions(path).cells, *read_predictions(path).empty]),
        }

    def test_all_spellings_mean_the_same(self):
        for name, (file, text, delimiter, read) in self.readers().items():
            expected = read(self.write(file, text))
            for spellings, plain in ((SPELLINGS, text), (QUOTED, quoted(text, delimiter))):
                for spelling, spell in spellings.items():
                    with self.subTest(name, spelling=spelling):
                        self.assertEqual(read(self.write(file, spell(plain.encode()))), expected)

    def test_utf_16_is_refused_by_name(self):
        for name, (file, text, _, read) in self.readers().items():
            for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
                with self.subTest(name, encoding=encoding), self.assertRaisesRegex(
                        ValueError, f"{file} must be UTF-8 text. Received: UTF-16"):
                    read(self.write(file, text.encode(encoding)))

    def test_what_is_not_utf_8_is_named_with_its_line(self):
        for name, (file, text, _, read) in self.readers().items():
            if name.startswith("images"):  # names of files need not be UTF-8
                continue
            with self.subTest(name), self.assertRaisesRegex(ValueError, f"{file} must be UTF-8 .* line 2: "):
                read(self.write(file, text.encode().replace(b"\n", b"\n\xff", 1)))

    def test_quotes_that_do_not_close_are_named_with_their_line(self):
        for name, (file, text, _, read) in self.readers().items():
            with self.subTest(name), self.assertRaisesRegex(ValueError, f"{file}, line [234], must be cells"):
                read(self.write(file, text.replace("\n", '\n"', 1)))

    def test_json(self):
        truth = ('{"imlist": ["a"], "qimlist": ["q"], '
                 '"gnd": [{"bbx": [0,0,1,1], "easy": [0], "hard": [], "junk": []}]}')
        expected = revisited.read_ground_truth(self.write("gnd.json", truth))
        for spelling, spell in SPELLINGS.items():
            with self.subTest(spelling):
                path = self.write("gnd.json", spell(truth.replace(",", ",\n").encode()))
                self.assertEqual(revisited.read_ground_truth(path), expected)
        with self.assertRaisesRegex(ValueError, "gnd.json must be UTF-8 text. Received: UTF-16"):
            revisited.read_ground_truth(self.write("gnd.json", truth.encode("utf-16")))

    def test_a_pipe_is_read_too(self):
        reading, writing = os.pipe()
        os.write(writing, b"\xef\xbb\xbfIMG 1\n")
        os.close(writing)
        self.addCleanup(os.close, reading)
        self.assertEqual(read_list(f"/dev/fd/{reading}", "id"), ([(1, ["IMG 1"])], False))
