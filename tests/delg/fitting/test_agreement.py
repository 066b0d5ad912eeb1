"""What workers make of each other's answers; tests of preemption ask real ones."""

import unittest
from unittest import mock

import tensorflow as tf

from data_prep.stage import ending
from delg.fitting import agreement


class AgreementTest(unittest.TestCase):
    def test_one_alone_agrees_with_itself(self):
        self.assertEqual(agreement.workers(), (["worker 0"], 0))
        self.assertEqual(agreement.total([1, 2.5]).tolist(), [1, 2.5])
        self.assertEqual(agreement.of_all({"a": [1, "x"]}), {"worker 0": {"a": [1, "x"]}})
        agreement.check_same({"a": 1})
        agreement.check_shared("nowhere")
        self.assertEqual(agreement.steps_between(0.1), 1)

    def test_workers_put_their_answers_together(self):
        tables = []

        def total(values):  # the second worker says "no", after the first
            first, second = '"yes"', '"no"'
            if len(values) == 2:
                return mock.Mock(astype=lambda _: agreement.np.array([len(first), len(second)]))
            table = agreement.np.array(values).reshape(2, len(first))
            tables.append(table[0].tolist())
            table[1, :len(second)] = list(second.encode())
            return table.ravel()

        with mock.patch.object(agreement, "workers", lambda: (["worker 0", "worker 1"], 0)), \
                mock.patch.object(agreement, "total", total):
            self.assertEqual(agreement.of_all("yes"), {"worker 0": "yes", "worker 1": "no"})
        self.assertEqual(tables, [list(b'"yes"')])

    def test_names_who_differs_in_what(self):
        answers = {"worker 0": {"rate": 0.1, "seed": 1}, "worker 1": {"rate": 0.1, "seed": 1},
                   "worker 2": {"rate": 0.2}}
        with mock.patch.object(agreement, "of_all", lambda _: answers), self.assertRaisesRegex(
                ValueError, "must train alike: .* Received: rate: 0.1 on worker 0, 0.2 on worker 2; "
                            r"seed: 1 on worker 0, None on worker 2\.$"):
            agreement.check_same({})

    def test_names_five_differences(self):
        answers = {f"worker {number}": {str(key): number for key in range(7)} for number in range(2)}
        with mock.patch.object(agreement, "of_all", lambda _: answers), self.assertRaisesRegex(
                ValueError, r"4: 0 on worker 0, 1 on worker 1 and 2 more\.$"):
            agreement.check_same({})

    def test_asks_again_after_two_seconds_of_steps(self):
        with mock.patch.object(agreement, "workers", lambda: (["worker 0", "worker 1"], 0)):
            self.assertEqual([agreement.steps_between(seconds) for seconds in (10, 2, 0.5, 0.01, 0)],
                             [1, 1, 4, 200, 1000])

    def test_what_comes_of_a_lost_worker_is_to_be_run_again(self):
        lost = tf.errors.InternalError(None, None, "Graph:\nCollective ops is aborted by: reset by peer")
        with self.assertRaises(tf.errors.InternalError), agreement.losing_workers():
            raise lost
        with mock.patch.object(agreement, "workers", lambda: (["worker 0", "worker 1"], 0)):
            with self.assertRaisesRegex(ending.RunAgain, r"has ended \(Collective ops is aborted by: reset "
                                        r"by peer\), so that all of them have to be run again$"), \
                    agreement.losing_workers():
                raise lost
            with self.assertRaisesRegex(ending.RunAgain, r"Another worker has ended \(AbortedError\)"), \
                    agreement.losing_workers():
                raise tf.errors.AbortedError(None, None, "")
            with self.assertRaises(tf.errors.InternalError), agreement.losing_workers():
                raise tf.errors.InternalError(None, None, "of this machine")


if __name__ == "__main__":
    unittest.main()
