"""Archives unpack into their folder, whole or not at all, and no member of any gets out of it."""

import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
import unittest
import zipfile
from unittest import mock

from data_prep.downloads import archives


class ArchivesTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.outer = directory.name  # nothing may appear here but what a test names
        self.directory = os.path.join(self.outer, "inner", "images")
        os.makedirs(os.path.dirname(self.directory))

    def tar(self, *members, name: str = "a.tar"):
        """Members are (name, content), or (name, type, link target)."""
        path = os.path.join(self.outer, name)
        with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as archive:
            for member in members:
                info = tarfile.TarInfo(member[0])
                content = b""
                if len(member) == 3:
                    info.type, info.linkname = member[1:]
                else:
                    content = member[1]
                    info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return path

    def zip(self, *members, mode: int = 0):
        path = os.path.join(self.outer, "a.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members:
                info = zipfile.ZipInfo(name)
                info.filename = name  # else a backslash is made a slash on Windows
                info.external_attr = mode << 16
                archive.writestr(info, content, zipfile.ZIP_DEFLATED)
        return path

    def unpack(self, *paths: str, **settings):
        return archives.unpack({path: f"sha of {os.path.basename(path)}" for path in paths}, self.directory,
                               **settings)

    def unpacked(self):
        """Content by name of what was unpacked."""
        found = {}
        for folder, _, names in os.walk(self.directory):
            for name in set(names) - {archives.RECORD_NAME}:
                with open(os.path.join(folder, name), "rb") as file:
                    found[os.path.relpath(os.path.join(folder, name), self.directory)] = file.read()
        return found

    def refuse(self, path: str, message: str):
        there = sorted(os.listdir(self.outer))
        with self.assertRaisesRegex(ValueError, message):
            self.unpack(path)
        self.assertEqual(sorted(os.listdir(self.outer)), there)
        self.assertFalse(os.path.exists(self.directory))
        stage = os.path.join(self.outer, "inner", ".images.unpacking")
        self.assertEqual(os.listdir(stage), [])  # what came before the bad member is gone


class UnpackTest(ArchivesTest):
    def test_tar_and_tar_gz_and_zip(self):
        for path in (self.tar(("d/a.jpg", b"a"), ("./b.jpg", b"b")),
                     self.zip(("d/a.jpg", b"a"), ("b.jpg", b"b")),
                     self.tar(("d", tarfile.DIRTYPE, ""), ("d/a.jpg", b"a"), ("b.jpg", b"b"), name="a.tgz")):
            with self.subTest(path):
                self.assertTrue(self.unpack(path))
                self.assertEqual(self.unpacked(), {"d/a.jpg": b"a", "b.jpg": b"b"})
                self.assertEqual(os.listdir(os.path.dirname(self.directory)), ["images"])
                shutil.rmtree(self.directory)

    def test_flat_drops_folders(self):
        self.unpack(self.tar(("paris", tarfile.DIRTYPE, ""), ("paris/louvre/a.jpg", b"a")), flat=True)
        self.assertEqual(self.unpacked(), {"a.jpg": b"a"})

    def test_links_within_the_archive_become_files(self):
        self.unpack(self.tar(("d/a.jpg", b"a"), ("e/hard.jpg", tarfile.LNKTYPE, "d/a.jpg"),
                             ("e/soft.jpg", tarfile.SYMTYPE, "../d/a.jpg")))
        self.assertEqual(self.unpacked(), {"d/a.jpg": b"a", "e/hard.jpg": b"a", "e/soft.jpg": b"a"})
        self.assertFalse(os.path.islink(os.path.join(self.directory, "e/soft.jpg")))

    def test_many_archives_share_a_folder(self):
        paths = [self.tar(("d/a.jpg", b"a"), ("c.txt", b"c"), name="1.tar"),
                 self.tar(("d/b.jpg", b"b"), ("c.txt", b"c"), name="2.tar")]
        self.unpack(*paths)
        self.assertEqual(self.unpacked(), {"d/a.jpg": b"a", "d/b.jpg": b"b", "c.txt": b"c"})

    def test_progress_counts_bytes(self):
        paths, ticks = [self.tar((f"{name}.jpg", bytes(10_000)), name=f"{name}.tar") for name in "12"], []
        self.unpack(paths[0], tick=ticks.append)
        self.assertEqual(ticks, [10_000])
        self.unpack(*paths, tick=ticks.append)
        self.assertEqual(ticks[1:], [os.path.getsize(paths[0]), 10_000])  # the first was there

    def test_a_second_call_has_nothing_to_do(self):
        path = self.tar(("a.jpg", b"a"))
        self.unpack(path)
        with mock.patch.object(archives, "_unpack_one") as unpack_one:
            self.assertFalse(self.unpack(path))
        unpack_one.assert_not_called()

    def test_more_archives_may_come_later(self):
        paths = [self.tar((f"{name}.jpg", b"a"), name=f"{name}.tar") for name in "12"]
        self.unpack(paths[0])
        self.assertTrue(self.unpack(*paths))
        self.assertEqual(set(self.unpacked()), {"1.jpg", "2.jpg"})
        with open(os.path.join(self.directory, archives.RECORD_NAME)) as file:
            self.assertEqual(json.load(file), {"1.tar": "sha of 1.tar", "2.tar": "sha of 2.tar"})

    def test_goes_on_after_an_interruption_at_any_rename(self):
        paths = [self.tar(*((f"{name}{number}.jpg", b"a") for number in range(3)), name=f"{name}.tar")
                 for name in "12"]
        for rename in ("rename", "replace"):
            for moment in range(12):
                with self.subTest(rename=rename, moment=moment):
                    shutil.rmtree(os.path.dirname(self.directory))
                    os.makedirs(os.path.dirname(self.directory))
                    self.unpack(paths[0])
                    genuine, calls = getattr(os, rename), []

                    def interrupted(*names, genuine=genuine, calls=calls, moment=moment):
                        calls.append(names)
                        if len(calls) > moment:
                            raise KeyboardInterrupt
                        genuine(*names)

                    with mock.patch.object(os, rename, interrupted):
                        try:
                            self.unpack(*paths)
                        except KeyboardInterrupt:
                            if os.path.exists(self.directory):  # then it is as it was
                                self.assertEqual(len(self.unpacked()), 3)
                    self.unpack(*paths)
                    self.assertEqual(len(self.unpacked()), 6)
                    self.assertEqual(os.listdir(os.path.dirname(self.directory)), ["images"])

    def test_sizes_are_known_beforehand(self):
        members = [("a.jpg", bytes(20_000))]
        self.assertEqual(archives.unpacked_size(self.zip(*members)), 20_000)
        for name in ("a.tar", "a.tar.gz"):
            path = self.tar(*members, name=name)
            with (gzip.open if name.endswith("gz") else open)(path) as file:
                self.assertEqual(archives.unpacked_size(path), len(file.read()))
        with open(os.path.join(self.outer, "large.tgz"), "wb") as file:  # of 5 GB, which gzip counts as 1 GB
            file.truncate(2_000_000_000)
            file.seek(-4, os.SEEK_END)
            file.write((5_000_000_000 - (1 << 32)).to_bytes(4, "little"))
        self.assertEqual(archives.unpacked_size(file.name), 5_000_000_000)


class RefusalTest(ArchivesTest):
    def test_names_that_lead_out(self):
        for name in ("../evil", "d/../../evil", "/tmp/evil", "..", "d\\..\\..\\evil", "C:evil", "C:/evil"):
            with self.subTest(name):
                members = [("good.jpg", b"a"), (name, b"evil")]
                self.refuse(self.tar(*members), "a.tar must stay in its folder. Received: ")
                self.refuse(self.zip(*members), "a.zip must stay in its folder. Received: ")

    def test_names_that_lead_out_of_a_flat_folder(self):
        with self.assertRaisesRegex(ValueError, "must stay in its folder"):
            self.unpack(self.tar(("d/..", b"evil")), flat=True)

    def test_the_name_of_our_own_record(self):
        self.refuse(self.tar((archives.RECORD_NAME, b"{}")), "must stay in its folder. Received: '.unpacked")

    def test_names_that_lead_out_without_the_filter_of_newer_pythons(self):
        with mock.patch.object(archives, "_apply_data_filter"):
            self.test_names_that_lead_out()

    def test_links_that_lead_out(self):
        for kind, target in ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.SYMTYPE, "../../a.tar"),
                             (tarfile.LNKTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "../a.tar"),
                             (tarfile.SYMTYPE, "good.jpg/.."), (tarfile.SYMTYPE, ".")):
            with self.subTest(target):
                self.refuse(self.tar(("good.jpg", b"a"), ("link", kind, target)),
                            f"Links of .*a.tar must point to a file before them in it. Received: 'link' to "
                            f"'{target}'.")

    def test_a_file_written_through_a_link(self):
        self.refuse(self.tar(("d", tarfile.SYMTYPE, ".."), ("d/evil", b"evil")), "must point to a file b")

    def test_links_in_a_zip(self):
        self.refuse(self.zip(("link", "/etc/passwd"), mode=0o120777), "plain files .* .link., a link or")

    def test_an_encrypted_zip(self):
        path = self.zip(("a", b"a"))
        with open(path, "rb+") as file:
            content = file.read()
            file.seek(content.index(b"PK\x01\x02") + 8)  # flags in the central directory
            file.write(b"\x01")
        self.refuse(path, "must hold plain files and folders. Received: 'a', encrypted.")

    def test_devices_and_pipes(self):
        for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
            self.refuse(self.tar(("node", kind, "")), "Received: 'node', a device or pipe.")

    def test_sparse_files(self):
        path = self.tar(("sparse", tarfile.GNUTYPE_SPARSE, ""))
        self.refuse(path, "Received: 'sparse', a sparse file.")

    def test_a_name_twice(self):
        self.refuse(self.tar(("a", b"1"), ("a", b"2")), "must hold each name once, .* Received: 'a' a second")
        self.refuse(self.tar(("a", b"1"), ("./a/b", b"2")), "must hold each name once, .* Received: './a/b'")

    def test_names_that_differ_only_in_capitals_where_the_disk_does_not_tell_them_apart(self):
        real = open

        def insensitive(path, *arguments, **settings):
            return real(str(path).lower() if "inner" in str(path) else path, *arguments, **settings)

        with mock.patch("builtins.open", insensitive):
            self.refuse(self.tar(("a.jpg", b"1"), ("A.jpg", b"2")), "capitals or not. Received: 'A.jpg'")

    def test_other_content_under_the_name_of_another_archive(self):
        paths = [self.tar(("a.jpg", name.encode()), name=name) for name in ("1.tar", "2.tar")]
        with self.assertRaisesRegex(ValueError, "2.tar must fit with those before it. Received: 'a.jpg', th"):
            self.unpack(*paths)
        self.assertFalse(os.path.exists(self.directory))

    def test_bombs(self):
        with mock.patch.object(archives, "_SLACK", 1000):
            message = "unpack to at most .* Received: 10000000 bytes by 'a', member 1."
            self.refuse(self.tar(("a", bytes(10_000_000)), name="a.tgz"), message)
            self.refuse(self.zip(("a", bytes(10_000_000))), message)
        with mock.patch.object(archives, "_MAX_MEMBERS", 2):
            self.refuse(self.tar(("a", b""), ("b", b""), ("c", b"")), "2 members. Received: 0 bytes by 'c'")

    def test_a_header_that_would_fill_the_memory(self):
        path = os.path.join(self.outer, "a.tar")
        info = tarfile.TarInfo("pax")
        info.type, info.size = tarfile.XHDTYPE, 1 << 40
        with open(path, "wb") as file:
            file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(10_000))
        self.refuse(path, "must be shorter than 16777216 bytes. Received: one of 1099511627776 bytes")

    def test_archives_that_were_cut(self):
        for name in ("a.tar", "a.tgz"):
            path = self.tar(("a.jpg", os.urandom(3000)), ("b.jpg", os.urandom(3000)), name=name)
            with open(path, "rb") as file:
                whole = file.read()
            for size in (0, 100, 2000, 4096, 4608, 7000):
                if size >= len(whole) - 20:
                    continue
                with self.subTest(name=name, size=size):
                    with open(path, "wb") as file:
                        file.write(whole[:size])
                    self.refuse(path, f"Archive .*{name} must be whole. Received: one with ")
        path = self.zip(("a.jpg", b"a"))
        os.truncate(path, 40)
        with self.assertRaisesRegex(ValueError, "a.zip must be whole. Received: one with BadZipFile"):
            self.unpack(path)

    def test_damaged_archives(self):
        path = self.tar(("a.jpg", b"a"), ("b.jpg", b"b"))
        with open(path, "rb+") as file:
            file.seek(1024)  # the second header
            file.write(b"xyz")
        self.refuse(path, "must be whole. Received: one with ReadError: no end after the last member")
        path = self.tar(("a.jpg", b"a" * 3000), name="a.tgz")
        with open(path, "rb+") as file:
            file.seek(-8, os.SEEK_END)
            file.write(b"wron")  # the checksum
        self.refuse(path, "must be whole. Received: one with BadGzipFile: CRC")

    def test_other_kinds(self):
        path = os.path.join(self.outer, "a.rar")
        with open(path, "wb") as file:
            file.write(b"Rar!")
        self.refuse(path, "Archives must be .tar, .tgz, .tar.gz, .zip files. Received: .*a.rar")

    def test_a_folder_of_another_origin(self):
        os.makedirs(self.directory)
        with self.assertRaisesRegex(FileExistsError, "images must be absent or unpacked by this"):
            self.unpack(self.tar(("a", b"a")))

    def test_a_small_disk(self):
        usage = shutil.disk_usage(self.outer)._replace(free=65 << 20)
        path = self.tar(("a", bytes(2 << 20)))
        with mock.patch.object(shutil, "disk_usage", return_value=usage), self.assertRaisesRegex(
                OSError, r"inner must have 0.07 GB free to unpack a.tar. Received: 0.07 GB free"):
            self.unpack(path)
        self.assertFalse(os.path.exists(self.directory))


if __name__ == "__main__":
    unittest.main()
