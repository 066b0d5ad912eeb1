"""Searches that go on in threads."""

import threading
import unittest
from unittest import mock

from delg.serving import live_searches
from delg.serving.live_searches import Ended, LiveSearch, LiveSearches
from delg.serving.searched import Answer


class Steps:
    """A search of some answers, each given when it is let go."""

    def __init__(self, *answers):
        self._answers, self.go_on = answers, threading.Event()

    def steps(self):
        yield self._answers[0]
        for answer in self._answers[1:]:
            self.go_on.wait(10)
            if isinstance(answer, Exception):
                raise answer
            yield answer


class LiveSearchesTest(unittest.TestCase):
    def setUp(self):
        self.searches = LiveSearches(2)
        self.addCleanup(self.searches.close)
        self.done = []

    def started(self, steps, **settings):
        live = LiveSearch(steps, **settings)
        self.searches.start(live, self.done.append, keep=True)
        return live

    def test_the_newest_answer_is_there_and_the_last_one_stays(self):
        first, last = Answer(()), Answer((), "same", True)
        steps = Steps(first, last)
        live = self.started(steps)
        self.assertIs(live.first.result(10), first)
        self.assertIs(self.searches.get(live.id).look(), first)
        steps.go_on.set()
        self.assertIs(live.last.result(10), last)
        self.assertIs(live.look(), last)
        self.assertEqual(len(self.done), 1)

    def test_the_first_answer_may_be_enough(self):
        live = self.started(Steps(Answer(()), Answer((), "same", True)), only_global=True)
        self.assertEqual(live.last.result(10), Answer(()))

    def test_one_that_nobody_watches_ends(self):
        steps = Steps(Answer(()), Answer(()), Answer((), "same", True))
        with mock.patch.object(live_searches, "_ABANDONED", -1.0):
            live = self.started(steps, is_watched=True)
            steps.go_on.set()
            with self.assertRaises(Ended):
                live.last.result(10)

    def test_one_that_waited_long_for_a_thread_is_not_abandoned(self):
        steps = Steps(Answer(()), Answer(()), Answer((), "same", True))
        live = LiveSearch(steps, is_watched=True)
        live._asked -= 2 * live_searches._ABANDONED
        steps.go_on.set()
        self.searches.start(live, self.done.append, keep=True)
        self.assertEqual(live.last.result(10).verdict, "same")

    def test_whoever_waits_is_told_of_a_fault(self):
        steps = Steps(Answer(()), ValueError("damaged"))
        steps.go_on.set()
        live = self.started(steps)
        with self.assertRaisesRegex(ValueError, "damaged"):
            live.last.result(10)

    def test_old_ones_are_forgotten_and_ended(self):
        old = Steps(Answer(()), Answer(()), Answer((), "same", True))
        live = self.started(old)
        with mock.patch.object(live_searches, "_KEPT", 1):
            self.started(Steps(Answer((), "same", True)))
        with self.assertRaises(KeyError):
            self.searches.get(live.id)
        old.go_on.set()
        with self.assertRaises(Ended):
            live.last.result(10)


if __name__ == "__main__":
    unittest.main()
