"""The page, used in a real browser as a person uses it."""

from __future__ import annotations

import pathlib
import tempfile
import threading
import time
import unittest
from unittest import mock

import numpy as np
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from delg.serving import queries, searched
from delg.settings.places import PlacesConfig
from tests.fixtures import browser
from tests.fixtures.served import serving
from tests.fixtures.tiny_extraction import as_png
from tests.fixtures.walls import save_model, wall, write_photographs


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.start(cls)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        save_model(cls.folder / "saved_model")
        write_photographs(cls.folder / "photos")
        (cls.folder / "query.png").write_bytes(as_png(wall(0, (4, 4))))
        (cls.folder / "unknown.png").write_bytes(as_png(wall(99)))
        (cls.folder / "no_image.png").write_bytes(b"no image")
        (cls.folder / "places.csv").write_text("image,latitude,longitude\nwall0.png,-17,179.9999\n"
                                               "again.png,-17,-179.9999\nwall3.png,-17,170\n")
        served = serving(cls.folder / "photos", cls.folder / "saved_model",
                         PlacesConfig(places_csv=str(cls.folder / "places.csv")))
        cls.client = served.__enter__()
        cls.addClassCleanup(served.__exit__, None, None, None)

    def setUp(self):
        browser.set_screen(self.browser, 1280, 900)
        self.browser.get(self.client.address)
        self.addCleanup(self.check_log)

    def check_log(self):
        """Nothing was logged, such as what the policy of the page forbids."""
        self.assertEqual([line["message"] for line in self.browser.get_log("browser")
                          if " 422 " not in line["message"]], [])

    def element(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def elements(self, selector):
        return [each for each in self.browser.find_elements(By.CSS_SELECTOR, selector) if each.is_displayed()]

    def wait(self, condition):
        deadline = time.monotonic() + 20
        while not (found := condition()):
            self.assertLess(time.monotonic(), deadline, "it did not come")
            time.sleep(0.02)
        return found

    def choose(self, name="query.png"):
        self.element("#file").send_keys(str(self.folder / name))
        self.wait(lambda: self.element("#query").is_displayed())

    def search(self, expected="Found"):
        self.wait(lambda: self.element("#search").is_displayed())
        self.element("#search").click()
        self.wait(lambda: self.element("#verdict").text == expected)

    def shown(self):
        """Ids of the hits that are shown, in order."""
        return [button.get_attribute("data-image") for button in self.elements("#hits button")]

    def test_an_upload_is_found_opened_and_searched_on_with(self):
        self.choose()
        self.search()
        self.assertEqual(set(self.shown()[:2]), {"again.png", "trip/wall0.png"})
        first = self.elements("#hits button")[0]
        self.assertRegex(first.text, r"same\n.*% probable, \d+ details agree\n")
        first.click()
        self.wait(lambda: self.elements("#lines line"))
        self.assertRegex(self.element("#large-said").text, r"same: .* probable")
        self.assertEqual(len(self.browser.find_elements(By.CSS_SELECTOR, "#lines polygon")), 1)
        opened = self.element("#large-hit-name").text
        self.element("#show-lines").click()
        self.assertEqual(self.browser.find_elements(By.CSS_SELECTOR, "#lines line"), [])
        self.element("#search-this").click()
        self.wait(lambda: self.element("#query-name").text == opened)
        self.wait(lambda: self.element("#verdict").text == "Found")
        self.assertNotIn(opened, self.shown())

    def test_a_map_shows_where_the_query_and_its_hits_are(self):
        self.choose()
        self.search()
        spots = self.wait(lambda: self.elements("#map .spot"))
        self.assertRegex(self.element("#place").text,
                         r"^-17\.00000, -?1(80\.0|79\.9)\d+, within 50 m, told by")
        alone = next(spot for spot in spots if ":" not in spot.get_attribute("title"))
        name = alone.get_attribute("title")  # the query lies where the other hit does, which weighs more
        other = {"again.png": "trip/wall0.png", "trip/wall0.png": "again.png"}[name]
        self.assertIn(f"2: The query, query.png, {other}", [spot.get_attribute("title") for spot in spots])
        self.browser.execute_script("arguments[0].focus()", alone)
        ActionChains(self.browser).send_keys(Keys.ENTER).perform()
        self.wait(lambda: self.browser.switch_to.active_element.text == name)
        for width, dark in ((1280, False), (390, True)):
            browser.set_screen(self.browser, width, 844, dark)
            self.assertEqual(browser.violations(self.browser), [])
        ActionChains(self.browser).send_keys(Keys.ENTER).perform()
        self.wait(lambda: self.element("#large-hit-name").text == name)
        self.assertRegex(self.element("#large-said").text, r"Taken at -17\.00000, -?179\.99990\.")

    def test_no_map_where_no_place_is_known_and_words_where_none_can_be_told(self):
        self.choose("unknown.png")
        self.search("Not in this collection")
        self.wait(lambda: "cannot be told" in self.element("#place").text)
        self.assertEqual(self.elements("#map"), [])
        self.choose()
        self.assertFalse(self.element("#places").is_displayed())

    def test_a_box_is_drawn_with_the_mouse_and_searched_for(self):
        self.choose()
        canvas = self.element("#canvas")
        ActionChains(self.browser).move_to_element_with_offset(canvas, -44, -36).click_and_hold() \
            .move_by_offset(88, 72).release().perform()
        self.assertTrue(self.element("#no-box").is_enabled())
        self.search()
        self.elements("#hits button")[0].click()
        self.wait(lambda: len(self.browser.find_elements(By.CSS_SELECTOR, "#lines polygon")) == 2)
        self.element("#close-large").click()
        self.element("#no-box").click()
        self.assertFalse(self.element("#no-box").is_enabled())

    def test_hits_of_an_earlier_query_go_when_another_is_chosen(self):
        self.choose()
        self.search()
        self.choose("unknown.png")
        self.assertFalse(self.element("#found").is_displayed())

    def test_a_hit_that_is_open_stays_it_when_verdicts_come(self):
        go_on, compare = threading.Event(), searched.compare
        self.addCleanup(go_on.set)

        def slow(*arguments):
            go_on.wait(10)
            return compare(*arguments)

        with mock.patch.object(searched, "compare", slow):
            self.choose()
            self.element("#search").click()
            self.wait(lambda: len(self.shown()) == 5)
            name = next(each for each in self.shown()[::-1] if each not in ("again.png", "trip/wall0.png"))
            self.element(f"#hits button[data-image='{name}']").click()
            self.wait(lambda: "not compared yet" in self.element("#large-said").text)
            go_on.set()
            self.wait(lambda: "only alike" in self.element("#large-said").text)
        self.assertEqual(self.element("#large-hit-name").text, name)
        self.element("#search-this").click()
        self.wait(lambda: self.element("#query-name").text == name)

    def test_a_large_photograph_is_drawn_smaller_and_its_box_is_of_its_own_pixels(self):
        (self.folder / "large.png").write_bytes(as_png(np.zeros((1500, 3000, 3), np.uint8)))
        boxes, box_of = [], queries.box_of
        with mock.patch.object(queries, "box_of", lambda text: boxes.append(text) or box_of(text)):
            self.choose("large.png")
            self.assertEqual(self.element("#canvas").get_attribute("width"), "2048")
            self.element("#canvas").send_keys(Keys.ARROW_RIGHT)
            self.element("#search").click()
            self.wait(lambda: boxes)
        np.testing.assert_allclose([float(value) for value in boxes[0].split(",")],
                                   [825, 375, 2325, 1125], atol=1)

    def test_what_is_too_small_to_compare_is_not_said_to_be_nowhere(self):
        self.element("#file").send_keys(str(self.folder / "query.png"))
        self.wait(lambda: self.element("#canvas").is_displayed())
        for _ in range(4):  # to 10 pixels high
            self.element("#canvas").send_keys(Keys.SHIFT + Keys.ARROW_UP + Keys.ARROW_UP + Keys.ARROW_UP)
        self.search("Not known: nothing to compare in detail")

    def test_a_server_that_is_gone_is_said_and_the_search_can_be_repeated(self):
        self.choose()
        self.browser.execute_cdp_cmd("Network.enable", {})
        offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.browser.execute_cdp_cmd("Network.emulateNetworkConditions", {**offline, "offline": True})
        try:
            self.element("#search").click()
            self.wait(lambda: self.element("#problem").text == "The server does not answer.")
        finally:
            self.browser.execute_cdp_cmd("Network.emulateNetworkConditions", {**offline, "offline": False})
        self.browser.get_log("browser")  # of the network
        self.search()
        self.assertFalse(self.element("#problem").is_displayed())

    def test_a_verdict_is_filtered_out(self):
        self.choose()
        self.search()
        self.assertEqual(len(self.shown()), 5)
        self.element("#filter input[value='only alike']").click()
        self.assertEqual(set(self.shown()), {"again.png", "trip/wall0.png"})
        self.element("#filter input[value='same']").click()
        self.assertEqual(self.shown(), [])
        self.assertTrue(self.element("#none-shown").is_displayed())

    def test_an_image_of_the_collection_is_taken(self):
        self.element("#browse").click()
        self.wait(lambda: len(self.elements("#images button")) == 5)
        self.assertEqual(self.element("#browsing-count").text, "5 photographs")
        self.element("#containing").send_keys("again")
        self.wait(lambda: self.element("#browsing-count").text == "1 photograph")
        self.element("#images button").click()
        self.wait(lambda: self.element("#verdict").text == "Found")
        self.assertEqual(self.shown()[0], "trip/wall0.png")

    def test_everything_can_be_done_by_keyboard(self):
        self.choose()
        self.wait(lambda: self.browser.switch_to.active_element.get_attribute("id") == "search")
        keys = ActionChains(self.browser)
        keys.key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).perform()
        self.assertEqual(self.browser.switch_to.active_element.get_attribute("id"), "canvas")
        self.assertTrue(self.element("#no-box").is_enabled())
        ActionChains(self.browser).send_keys(Keys.DELETE, Keys.TAB, Keys.ENTER).perform()
        self.assertFalse(self.element("#no-box").is_enabled())
        self.wait(lambda: self.element("#verdict").text == "Found")
        self.browser.execute_script("document.querySelector('#hits button').focus()")
        first = self.shown()[0]
        ActionChains(self.browser).send_keys(Keys.ENTER).perform()
        self.wait(lambda: self.element("#large").is_displayed())
        ActionChains(self.browser).send_keys(Keys.ARROW_RIGHT).perform()
        self.wait(lambda: self.element("#large-name").text == "Hit 2 of 5")
        ActionChains(self.browser).send_keys(Keys.ARROW_LEFT).perform()
        self.wait(lambda: self.element("#large-name").text == "Hit 1 of 5")
        ActionChains(self.browser).send_keys(Keys.ESCAPE).perform()
        self.wait(lambda: not self.element("#large").is_displayed())
        self.assertEqual(self.browser.switch_to.active_element.get_attribute("data-image"), first)

    def test_what_goes_wrong_is_said(self):
        self.choose("no_image.png")
        self.wait(lambda: self.element("#problem").is_displayed())
        self.assertIn("The image cannot be used", self.element("#problem").text)
        self.element("#another").click()
        self.choose("unknown.png")
        self.search("Not in this collection")
        self.assertFalse(self.element("#problem").is_displayed())

    def test_every_view_serves_everybody_in_light_and_dark_on_a_telephone_and_a_desk(self):
        for width, height, dark in ((1280, 900, False), (390, 844, True)):
            with self.subTest(width=width, dark=dark):
                browser.set_screen(self.browser, width, height, dark)
                self.browser.get(self.client.address)
                self.look()
                self.element("#browse").click()
                self.wait(lambda: self.elements("#images button"))
                self.look()
                self.choose()
                self.search()
                self.look()
                self.elements("#hits button")[0].click()
                self.wait(lambda: self.elements("#lines line"))
                self.look()

    def look(self):
        self.assertEqual(browser.violations(self.browser), [])
        wide, screen = self.browser.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        self.assertLessEqual(wide, screen)


if __name__ == "__main__":
    unittest.main()
