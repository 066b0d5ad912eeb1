"""Day and night photographs are split so that neighbours stay together, and paired where that is known."""

import collections
import unittest

from data_prep.sources import day_night
from data_prep.sources.day_night_folders import View, read_views
from tests.fixtures.temporary_files import FilesTest


class ReadViewsTest(unittest.TestCase):
    def view(self, path) -> View:
        [view] = read_views([path], "set")
        return view

    def test_published_layouts(self):
        for path, *expected in (
                ("SYNTHIA-SEQS-04-NIGHT/RGB/Stereo_Left/Omni_F/000123.png",
                 "night", "SYNTHIA-SEQS-04", "Stereo_Left/Omni_F", "000123"),
                ("SYNTHIA-SEQS-04-SUMMER/RGB/Stereo_Right/Omni_F/000123.png",
                 "day", "SYNTHIA-SEQS-04", "Stereo_Right/Omni_F", "000123"),
                ("synthia_seq2_repacked/night/left/7.png", "night", "synthia_seq2_repacked", "left", "7"),
                ("images/night-rain/rear/1418235223450115.jpg", "night", "1418235223450115", "rear",
                 "1418235223450115"),
                ("images/dusk/left/1424450252450115.jpg", "day", "1424450252450115", "left",
                 "1424450252450115"),
                ("00001/sunset/direction2.jpg", "day", "00001", "", "direction2"),
                ("night/shop/1.jpg", "night", "shop", "", "1"), ("day/1.jpg", "day", "", "", "1")):
            with self.subTest(path):
                self.assertEqual(self.view(path), (path, *expected))

    def test_depth_and_labels_are_passed_by(self):
        self.assertEqual(read_views(["SYNTHIA-SEQS-04-NIGHT/Depth/Stereo_Left/Omni_F/1.png",
                                     "SYNTHIA-SEQS-04-NIGHT/GT/COLOR/Stereo_Left/Omni_F/1.png"], "set"), [])

    def test_a_pause_begins_another_sequence(self):
        start, later = 1418235223450115, 1418235253450115  # half a minute, in microseconds
        times = [(start, "left"), (start, "rear"), (start + 9_000_000, "left"), (later, "left"),
                 (later + 1_000_000, "rear")]
        views = read_views([f"night/{camera}/{time}.jpg" for time, camera in times], "set")
        self.assertEqual([view.sequence for view in views], [str(start)] * 3 + [str(later)] * 2)

    def test_a_place_is_not_cut_by_time(self):
        views = read_views([f"shop/{domain}/{time}000000.jpg" for domain, time in
                            (("day", 1418235223), ("night", 1418285223))], "set")
        self.assertEqual({view.sequence for view in views}, {"shop"})

    def test_refuses_paths_without_time_of_day_or_with_two(self):
        for path in ("shop/1.jpg", "day/night/1.jpg"):
            with self.subTest(path), self.assertRaisesRegex(
                    ValueError, f"One folder of every image in set must name a time .* Received: '{path}'"):
                read_views([path], "set")


class DayNightTest(FilesTest):
    def read(self, validation=0.2, test=0.2, seed=0, **settings):
        return day_night.read_collection(self.directory, validation, test, seed, **settings)

    def places(self, content, **settings):
        self.write("places.csv", content)
        return self.read(**settings)

    def write_drives(self, num_drives=10, num_frames=3):
        for drive in range(num_drives):
            for domain in ("day", "night"):
                for camera in ("left", "right"):
                    for frame in range(num_frames):
                        self.write(f"drive{drive}/{domain}/{camera}/{frame}.png")

    def test_a_drive_stays_on_one_side_with_both_cameras(self):
        self.write_drives()
        found = self.read()
        self.assertTrue(found.fixed_splits)
        drives = {split.name: {image_id.split("/")[0] for image_id in split.ids} for split in found.splits}
        self.assertEqual({name: len(members) for name, members in drives.items()},
                         {"train": 6, "validation": 2, "test": 2})
        self.assertEqual(len(set.union(*drives.values())), 10)
        for split in found.splits:
            self.assertEqual(len(split.ids), 12 * len(drives[split.name]))
            self.assertEqual(split.domains, [image_id.split("/")[1] for image_id in split.ids])
            self.assertEqual(split.landmarks.tolist(), [image_id.split("/")[0] for image_id in split.ids])
            self.assertIsNone(split.pairs)  # frames of a video are not known to show the same
        self.assertEqual(found.path_of("drive1/day/left/2"), "drive1/day/left/2.png")

    def test_the_seed_chooses(self):
        self.write_drives(num_frames=1)
        test_ids = [self.read(seed=seed).splits[2].ids for seed in (1, 1, 2)]
        self.assertEqual(test_ids[0], test_ids[1])
        self.assertNotEqual(test_ids[0], test_ids[2])

    def test_frames_are_paired_when_asked(self):
        self.write_drives(num_drives=2, num_frames=2)
        self.write("drive0/day/left/9.png")  # not by night
        [split] = self.read(validation=0, test=0, pair_frames=True).splits
        pairs = dict(zip(split.ids, split.pairs))
        self.assertEqual(pairs["drive0/day/left/9"], "")
        self.assertEqual(pairs["drive1/day/left/0"], "drive1/left/0")
        self.assertEqual(set(collections.Counter(pairs.values()).values()), {1, 2})
        self.assertEqual(pairs["drive1/day/right/1"], pairs["drive1/night/right/1"])

    def test_places_without_sequence(self):
        rows = [f"{domain}/{place}.jpg,{domain},p{place}"
                for place in range(10) for domain in ("day", "night")]
        found = self.places("\n".join(["file,domain,place", *rows]))
        self.assertEqual([(split.name, len(split.ids)) for split in found.splits],
                         [("train", 12), ("validation", 4), ("test", 4)])
        for split in found.splits:
            self.assertEqual(split.landmarks.tolist(), ["p" + image_id[-1] for image_id in split.ids])
            self.assertIsNone(split.pairs)  # the place says it

    def test_sequences_that_share_a_place_stay_together(self):
        rows = ["a.jpg,day,p,s1", "b.jpg,night,p,s2", "c.jpg,day,q,s2", "d.jpg,day,r,s3", "e.jpg,night,r,s3"]
        found = self.places("\n".join(["file,domain,place,sequence", *rows]), validation=0, test=0.5)
        self.assertEqual({"".join(split.ids) for split in found.splits}, {"abc", "de"})

    def test_pairs_of_the_table(self):
        [split] = self.places("file,domain,place,sequence,frame,camera\n"
                              "a.jpg,day,p,s,1,left\nb.jpg,night,p,s,1,left\nc.jpg,night,p,s,1,right\n"
                              "d.jpg,day,p,s,2,left\ne.jpg,night,p,s,,left\n", validation=0, test=0).splits
        self.assertEqual(split.pairs, ["s/left/1", "s/left/1", "", "", ""])

    def test_each_kind_of_place_is_shared_out(self):
        for place in range(10):
            self.write(f"day/by_day{place}/1.jpg")
            self.write(f"night/by_night{place}/1.jpg")
        for split in self.read().splits:
            self.assertEqual(split.domains.count("day"), split.domains.count("night"))

    def test_refuses_tables_that_do_not_say_enough(self):
        for content, message in (
                ("file,place\na.jpg,p\n", "places.csv must have the columns file, domain, place"),
                ("file,domain,place\na.jpg,dusk,p\n", "must be day or night. Received: 'dusk' for a.jpg"),
                ("file,domain,place\na.jpg,day,\n", "`place` .* must not be empty. Received: none for a.jpg"),
                ("file,domain,place\n../a.jpg,day,p\n", "without '..'. Received: '../a.jpg'"),
                ("file,domain,place\na.jpg,day,p\na.jpg,night,p\n", "unique. Received: 'a.jpg' twice"),
                ("file,domain,place\n", "must have at least one row"),
                ("file,domain,place,frame\na.jpg,day,p,1\nb.jpg,day,p,1\n",
                 "must be of one photograph by day in .* Received: a.jpg and b.jpg"),
                ("file,domain,place\na.jpg,day,p\nb.jpg,night,p\n",
                 "more groups of images .* Received: 1 groups, validation_fraction=0.2, test_fraction=0.2")):
            with self.subTest(message), self.assertRaisesRegex(ValueError, message):
                self.places(content)

    def test_refuses_a_split_that_could_part_neighbours(self):
        self.write("day/1.jpg")
        self.write("night/1.jpg")
        with self.assertRaisesRegex(ValueError, "tell the place or sequence .* Received: 'day/1.jpg'; with"):
            self.read()
        [split] = self.read(validation=0, test=0).splits
        self.assertEqual((split.name, split.ids), ("train", ["day/1", "night/1"]))

    def test_refuses_a_folder_without_images(self):
        with self.assertRaisesRegex(ValueError, "must have images .* Received: none in"):
            self.read()
        with self.assertRaisesRegex(FileNotFoundError, "must be a folder. Received: images_dir=.*absent"):
            day_night.read_collection(self.path("absent"), 0.2, 0.2, 0)


if __name__ == "__main__":
    unittest.main()
