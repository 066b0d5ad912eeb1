"""Scripts fail with one line and a status, and keep the traceback for `--debug` and for our own bugs."""

import os
import signal
import subprocess
import sys
import unittest

from data_prep.stage import command_line


def source_of(body: str, positional: tuple[str, ...] = ()) -> str:
    return ("from data_prep.stage import command_line\n"
            f"def main(argv):\n    {body}\n"
            f"command_line.run(main, {positional})\n")


def run_script(body: str, *arguments: str, positional: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    """Runs a script whose `main` has the given body."""
    return subprocess.run([sys.executable, "-c", source_of(body, positional), *arguments],
                          capture_output=True, text=True, check=False, timeout=60)


def run_unread(body: str, *arguments: str) -> tuple[int, str]:
    """Status and stderr of a script whose stdout nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stdout:
        done = subprocess.run([sys.executable, "-c", source_of(body), *arguments], stdout=stdout, text=True,
                              stderr=subprocess.PIPE, check=False, timeout=60)
    return done.returncode, done.stderr


class RunTest(unittest.TestCase):
    def test_success_is_silent(self):
        done = run_script("pass")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_value_error_becomes_one_line(self):
        done = run_script("raise ValueError('`a` must be 1.\\nReceived: a=2.')")
        self.assertEqual((done.returncode, done.stderr), (1, "Error: `a` must be 1. Received: a=2.\n"))

    def test_missing_file_becomes_one_line(self):
        done = run_script("open('absent.csv')")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "Error: [Errno 2] No such file or directory: 'absent.csv'\n")

    def test_interrupt_becomes_one_line(self):
        done = run_script("raise KeyboardInterrupt")
        self.assertEqual(done.returncode, 130)
        self.assertRegex(done.stderr, r"\AInterrupted; [^\n]*\n\Z")

    def test_sigterm_becomes_one_line_even_if_the_main_thread_does_not_return(self):
        on = "print('on', flush=True)"
        never = (f"while True:\n        try:\n            {on}\n            time.sleep(60)\n"
                 "        except BaseException:\n            pass")
        pool = ("import multiprocessing; lock = multiprocessing.get_context('spawn').Lock()\n"
                "    time.sleep(60)")
        replicas = ("import logging\n    try:\n        time.sleep(60)\n    finally:\n"
                    "        logging.getLogger('tensorflow').error('Reported to Coordinator')")
        line = r"\AEnded by SIGTERM; [^\n]*\n\Z"
        for body, message in ((f"{on}\n    time.sleep(60)", line), (f"{on}\n    {pool}", line),
                              (f"{on}\n    {replicas}", line), (never, r"\A\Z")):
            body = f"import time; from data_prep.stage import ending; ending._SECONDS = 1\n    {body}"
            with self.subTest(body), subprocess.Popen(
                    [sys.executable, "-c", source_of(body)], text=True, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE) as script:
                self.assertEqual(script.stdout.readline(), "on\n")
                script.terminate()
                _, errors = script.communicate(timeout=10)
                self.assertEqual(script.returncode, 143)
                self.assertRegex(errors, message)

    def test_a_script_that_saves_first_ends_with_75(self):
        go_on = "what was finished is kept, and the same command goes on from there.\n"
        on = "print('on', flush=True)"
        asks = (f"heeded.hold()\n        {on}\n        while not heeded.signal: time.sleep(0.01)\n"
                "        raise heeded.ended('step 3 is written')")
        late = f"heeded.hold()\n        {on}\n        time.sleep(0.5)\n        heeded.release()"
        never = f"heeded.hold()\n        {on}\n        time.sleep(60)\n        time.sleep(60)"
        hidden = (f"try:\n            {on}\n            time.sleep(60)\n"
                  "        except BaseException: raise ValueError('of a library')")
        for body, number, message in (
                (f"{on}\n        time.sleep(60)", signal.SIGTERM, f"Told to end by SIGTERM; {go_on}"),
                (asks, signal.SIGUSR1, f"Told to end by SIGUSR1, step 3 is written; {go_on}"),
                (late, signal.SIGTERM, f"Told to end by SIGTERM; {go_on}"),
                (hidden, signal.SIGTERM, f"Told to end by SIGTERM; {go_on}"),
                (never, signal.SIGUSR1, "Told to end by SIGUSR1, and not done with it in time; the same "
                                        "command goes on from what was saved last.\n")):
            body = ("import time; from data_prep.stage import ending; ending._SECONDS_TO_SAVE = 1\n"
                    f"    with ending.heeded('SIGUSR1') as heeded:\n        {body}")
            with self.subTest(body), subprocess.Popen(
                    [sys.executable, "-c", source_of(body)], text=True, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE) as script:
                self.assertEqual(script.stdout.readline(), "on\n")
                script.send_signal(number)
                _, errors = script.communicate(timeout=20)
                self.assertEqual((script.returncode, errors), (75, message))

    def test_debug_shows_the_traceback(self):
        done = run_script("raise ValueError('wrong')", "--debug")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("Traceback", done.stderr)

    def test_a_bug_keeps_its_traceback(self):
        done = run_script("{}['key']")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("Traceback", done.stderr)

    def test_refuses_a_bare_word(self):
        done = run_script("pass", "output_dir=build")
        self.assertEqual((done.returncode, done.stderr),
                         (1, "Error: Settings are given as --name=value. Received: 'output_dir=build'.\n"))

    def test_positional_arguments_reach_main(self):
        done = run_script("print(argv[1:])", "a.jpg", "--debug", "b.jpg", positional=("FIRST", "SECOND"))
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "['a.jpg', 'b.jpg']\n", ""))

    def test_refuses_another_number_of_positional_arguments(self):
        for arguments, received in (((), "nothing"), (("a", "b", "c"), "'a' 'b' 'c'")):
            done = run_script("pass", *arguments, positional=("FIRST", "SECOND"))
            self.assertEqual((done.returncode, done.stderr), (
                1, "Error: Give FIRST SECOND; other settings are given as --name=value. "
                f"Received: {received}.\n"))

    def test_help_by_either_name(self):
        for name in ("--help", "-h"):
            done = run_script("raise ValueError('not reached')", name)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("USAGE: ", done.stdout)

    def test_a_reader_that_leaves_is_no_error(self):
        for body in ("print('x' * 100_000, flush=True)", "print('x')"):
            with self.subTest(body):
                self.assertEqual(run_unread(body), (141, ""))
        self.assertEqual(run_unread("pass", "--help")[1], "")

    def test_another_pipe_that_closes_is_an_error(self):
        done = run_script("raise BrokenPipeError('of a connection')")
        self.assertEqual((done.returncode, done.stderr), (1, "Error: of a connection\n"))


class OneLineTest(unittest.TestCase):
    def test_names_the_type_where_there_is_no_message(self):
        self.assertEqual(command_line.one_line(MemoryError()), "MemoryError")


if __name__ == "__main__":
    unittest.main()
