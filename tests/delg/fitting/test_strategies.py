"""How a training is spread: what TF_CONFIG must say."""

import json
import os
import unittest
from unittest import mock

from delg.fitting import strategies


class ClusterTest(unittest.TestCase):
    def test_refuses_a_name_of_no_strategy(self):
        with self.assertRaisesRegex(ValueError, "`strategy` must be one of one_device, mirrored, "
                                    "multi_worker, tpu. Received: strategy='two'."):
            strategies.build_strategy("two")

    def test_refuses_a_tf_config_that_names_no_cluster(self):
        workers = {"cluster": {"worker": ["a:1", "b:1"]}}
        for content in ("", "{'cluster': {}}", "{}", "[]", "1", json.dumps(workers),
                        json.dumps({"clusters": workers["cluster"], "task": {"type": "worker", "index": 0}}),
                        json.dumps({**workers, "task": {"type": "chief", "index": 0}}),
                        json.dumps({**workers, "task": {"type": "worker", "index": 2}}),
                        json.dumps({**workers, "task": {"type": "worker", "index": "0"}}),
                        json.dumps({"cluster": {"worker": [1]}, "task": {"type": "worker", "index": 0}})):
            with self.subTest(content), mock.patch.dict(os.environ, TF_CONFIG=content), \
                    self.assertRaisesRegex(ValueError, "strategy=multi_worker.* TF_CONFIG .*Received"):
                strategies.build_strategy("multi_worker")

    def test_takes_workers_and_a_chief(self):
        for kind in ("worker", "chief"):
            strategies._check_cluster(json.dumps({"cluster": {"worker": ["a:1", "b:1"], "chief": ["c:1"]},
                                                  "task": {"type": kind, "index": 0}}))


if __name__ == "__main__":
    unittest.main()
