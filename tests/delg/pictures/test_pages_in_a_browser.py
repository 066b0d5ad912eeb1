"""Pages of every kind in a real browser: what axe-core says, tables that are sorted, pictures that open."""

from __future__ import annotations

import pathlib
import tempfile
import unittest

import cv2
import numpy as np
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from delg.photos import groups_page
from delg.photos.groups import Group
from delg.places.located import located
from delg.report import found_page
from delg.report import page as report_page
from delg.scores.found import SAME, FoundForQuery, FoundImage, Place
from delg.settings.report import ReportConfig
from hashing.scores import report as hashing_report
from tests.fixtures import browser, tiny_search
from tests.fixtures.pages import hashing_cards, hashing_results, vae_page


def _write_groups(folder):
    paths = [str(folder / f"{name}.png") for name in "abc"]
    for shade, path in enumerate(paths):
        cv2.imwrite(path, np.full((60, 80, 3), 80 * shade, np.uint8))
    groups_page.write_html(str(folder / "groups.html"), [
        Group(paths[:2], paths[0], [paths[:2]], []), Group(paths[2:], paths[2], [], [])])
    return folder / "groups.html"


def _write_map(folder):
    """Queries on both sides of the date line, hits at one place and at another, one that nobody can place."""
    places = {name: Place(*degrees) for name, degrees in {
        "a.jpg": (-17.0, 179.9), "b.jpg": (-17.0, 179.9), "c.jpg": (-16.0, -179.9)}.items()}
    found = [FoundForQuery("one.jpg", tuple(FoundImage(name, rank, 0.5, 30, 0.95, SAME) for rank, name in
                                            enumerate(names, 1)), SAME)
             for names in (("a.jpg", "b.jpg"), ("c.jpg",), ())]
    grey = np.full((60, 80, 3), 120, np.uint8)
    views = found_page.Views(lambda query: grey, lambda hit: grey, lambda query, hit: None)
    return found_page.write_found_page(str(folder / "map.html"), [
        located(answer, None, places.get) for answer in found], views)


class PagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.start(cls)
        made = tempfile.TemporaryDirectory()
        cls.addClassCleanup(made.cleanup)
        folder = pathlib.Path(made.name)
        tiny_search.make_search(str(folder))
        paths = tiny_search.report_paths(str(folder))
        cls.report = report_page.make_report(ReportConfig(**paths, num_queries=1))
        cls.pages = {
            "ranking": cls.report,
            "found": report_page.make_report(ReportConfig(**{
                **paths, "metrics": "", "ground_truth": "", "output_dir": str(folder / "found")})),
            "groups": _write_groups(folder), "map": _write_map(folder),
            "hashing": hashing_report.make_report(
                hashing_results(), str(folder / "hashing"), settings={"seed": 3}, drawn=hashing_cards(),
                drawn_name="best, 32 bits"),
            "vae": vae_page(str(folder / "vae"))}

    def tearDown(self):
        """Nothing was logged, such as what the policy of the page forbids."""
        self.assertEqual([line["message"] for line in self.browser.get_log("browser")], [])

    def open(self, path, width=1280, height=900, dark=False):
        browser.set_screen(self.browser, width, height, dark)
        self.browser.get(pathlib.Path(path).as_uri())

    def column(self, number):
        return [cell.text for cell in self.browser.find_elements(
            By.CSS_SELECTOR, f".sortable tbody tr > :nth-child({number})")]

    def test_every_page_serves_everybody_in_light_and_dark_on_a_telephone_and_a_desk(self):
        for name, path in self.pages.items():
            for width, height, dark in ((1280, 900, True), (390, 844, False)):
                with self.subTest(page=name, width=width):
                    self.open(path, width, height, dark)
                    self.assertEqual(browser.violations(self.browser), [])
                    wide, screen = self.browser.execute_script(
                        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
                    self.assertLessEqual(wide, screen)

    def test_letters_of_charts_have_eleven_pixels_on_a_telephone_and_panels_stack(self):
        for name in ("ranking", "hashing", "vae"):
            with self.subTest(page=name):
                self.open(self.pages[name], 390, 844)
                sizes, lefts = self.browser.execute_script(
                    "const all = found => [...document.querySelectorAll(found)];"
                    "return [all('.panels text').map(text => parseFloat(getComputedStyle(text).fontSize) *"
                    "  Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b)),"
                    " all('.panels svg').map(svg => svg.getBoundingClientRect().x)]")
                self.assertGreaterEqual(min(sizes), 11)
                self.assertEqual(len(set(lefts)), 1)

    def test_a_map_shows_places_across_the_date_line_and_opens_them_by_keyboard(self):
        self.open(self.pages["map"], 390, 844, dark=True)
        spots = self.browser.find_elements(By.CSS_SELECTOR, "#map-of-places .spot")
        self.assertEqual(sorted(spot.get_attribute("title") for spot in spots),
                         ["2: one.jpg, c.jpg", "3: one.jpg, a.jpg, b.jpg"])
        lefts = [spot.location["x"] for spot in spots]
        self.assertTrue(all(0 < left < 390 for left in lefts), lefts)
        self.assertLess(abs(lefts[0] - lefts[1]), 60)
        self.browser.execute_script("arguments[0].focus()", spots[0])
        ActionChains(self.browser).send_keys(Keys.ENTER).perform()
        link = self.browser.switch_to.active_element
        WebDriverWait(self.browser, 10).until(lambda _: link.text)  # it fades in
        self.assertEqual((link.text, link.get_attribute("href").partition("#")[2]), ("one.jpg", "query-1"))
        self.assertEqual(browser.violations(self.browser), [])
        ActionChains(self.browser).send_keys(Keys.ESCAPE).perform()
        self.assertEqual(self.browser.switch_to.active_element, spots[0])
        for button in self.browser.find_elements(By.CSS_SELECTOR, ".views button"):
            self.browser.execute_script("arguments[0].click()", button)
        self.assertIn("180°", [each.text for each in self.browser.find_elements(By.CSS_SELECTOR, ".degrees")])
        self.assertIn("Place: cannot be told.", self.browser.page_source)

    def test_a_table_is_sorted_by_keyboard_and_says_so(self):
        self.open(self.report)
        header = self.browser.find_element(By.CSS_SELECTOR, ".sortable thead th:nth-child(6)")
        self.browser.execute_script("arguments[0].firstElementChild.focus()", header)
        ActionChains(self.browser).send_keys(Keys.ENTER).perform()
        self.assertEqual(header.get_attribute("aria-sort"), "ascending")
        values = self.column(6)
        self.assertEqual(values[-1], "–")  # no value, whichever way it is sorted
        self.assertEqual([float(value) for value in values[:-1]], sorted(map(float, values[:-1])))
        ActionChains(self.browser).send_keys(Keys.SPACE).perform()
        self.assertEqual(header.get_attribute("aria-sort"), "descending")
        values = self.column(6)
        self.assertEqual([float(value) for value in values[:-1]], sorted(map(float, values[:-1]))[::-1])
        self.assertEqual(values[-1], "–")
        self.browser.execute_script("document.querySelector('.sortable thead button').click()")
        self.assertIsNone(header.get_attribute("aria-sort"))
        self.assertEqual(self.column(1), sorted(tiny_search.QUERY_IDS))

    def test_a_picture_opens_large_by_keyboard_and_gives_the_focus_back(self):
        self.open(self.report)
        buttons = self.browser.find_elements(By.CSS_SELECTOR, "button.open")
        self.browser.execute_script("arguments[0].focus()", buttons[1])
        ActionChains(self.browser).send_keys(Keys.ENTER).perform()
        dialog = self.browser.find_element(By.CSS_SELECTOR, "dialog")
        large = dialog.find_element(By.TAG_NAME, "img")
        texts = [button.find_element(By.TAG_NAME, "img").get_attribute("alt") for button in buttons]
        self.assertEqual(large.get_attribute("alt"), texts[1])
        self.assertGreater(large.size["height"], 500)
        self.assertEqual(browser.violations(self.browser), [])
        ActionChains(self.browser).send_keys(Keys.ARROW_RIGHT).perform()
        self.assertEqual(dialog.find_element(By.TAG_NAME, "p").text, texts[2])
        ActionChains(self.browser).send_keys(Keys.ESCAPE).perform()
        self.assertFalse(dialog.is_displayed())
        self.assertEqual(self.browser.switch_to.active_element, buttons[2])


if __name__ == "__main__":
    unittest.main()
