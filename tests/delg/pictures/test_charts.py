"""Tests of the report's charts."""

import re
import unittest
from xml.etree import ElementTree

import numpy as np

from delg.pictures import charts


class PrecisionRecallTest(unittest.TestCase):
    def setUp(self):
        self.recalls = (np.arange(4) + 0.5) / 4
        self.before = {"easy": np.full(4, .75), "hard": np.full(4, .25)}
        self.after = {"easy": np.full(4, 1.), "hard": np.full(4, .5)}

    def test_every_panel_says_what_it_shows(self):
        root = ElementTree.fromstring(charts.precision_recall_svg(self.recalls, self.before, self.after))
        self.assertEqual([(panel.tag, panel.get("role"), panel.get("aria-label")) for panel in root], [
            ("svg", "img", "Precision over recall. Easy: area 75.0 before, 100.0 after."),
            ("svg", "img", "Precision over recall. Hard: area 25.0 before, 50.0 after.")])

    def test_has_a_panel_per_protocol_with_queries(self):
        texts = re.findall(r">([^<>\n]+)</text>", charts.precision_recall_svg(
            self.recalls, self.before, self.after))
        self.assertEqual([text for text in texts if text in ("Easy", "Medium", "Hard")], ["Easy", "Hard"])
        self.assertEqual(texts.count("After verification"), 2)

    def test_without_verification_there_is_one_curve(self):
        svg = charts.precision_recall_svg(self.recalls, self.before, None)
        self.assertNotIn("After verification", svg)
        self.assertNotIn("var(--accent)", svg)

    def test_takes_the_colours_of_the_page_and_leaves_the_page_alone(self):
        svg = charts.precision_recall_svg(self.recalls, self.before, self.after)
        for name in ("ink", "muted", "rule", "before", "accent"):
            self.assertIn(f"var(--{name})", svg)
        self.assertNotRegex(svg, "<style|#0[0-9]0|<metadata")  # a style would reach the whole page

    def test_ids_are_its_own(self):
        svg = charts.precision_recall_svg(self.recalls, self.before, self.after)
        ids = re.findall(r'\bid="([^"]*)"', svg)
        self.assertEqual(len(ids), len(set(ids)))
        self.assertTrue(all(name.startswith("curves-") for name in ids))
        self.assertLessEqual(set(re.findall(r"url\(#([^)]*)\)", svg)), set(ids))


class PanelsTest(unittest.TestCase):
    def test_a_line_has_one_colour_in_all_panels_and_names_are_escaped(self):
        drawn = charts.panels_svg("sizes", {"Seen": [charts.Line("a", [1, 2], [3, 4]),
                                                     charts.Line('b "<>"', [1, 2], [3, None])],
                                            "Unseen": [charts.Line('b "<>"', [1, 2], [5, 6])]}, "bits", "mAP")
        seen, unseen = ElementTree.fromstring(drawn)
        self.assertEqual(seen.get("aria-label"), "Seen: mAP over bits. a: 4 at the end.")
        self.assertEqual(unseen.get("aria-label"), 'Unseen: mAP over bits. b "<>": 6 at the end.')
        self.assertIn("var(--gold)", drawn[drawn.index("Unseen"):])
        self.assertNotIn("var(--accent)", drawn[drawn.index("Unseen"):])


if __name__ == "__main__":
    unittest.main()
