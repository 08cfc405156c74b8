"""A small number of the cases that `./dev damage FILE` runs, on the fixture."""
import tempfile
import unittest

import clrtrail
import damage

COUNT = 20


class Damage(unittest.TestCase):
    """A test per damaged copy would copy the dump each time; so a test per kind of damage, each of its cases a subtest."""

    def try_all(self, kind):
        with tempfile.TemporaryDirectory(prefix='clrtrail-damage-') as folder:
            copy = damage.plain_copy(clrtrail.fixture(), folder)
            others = damage.COMMANDS[1:]
            for description, command, wrong in damage.run_cases(copy, kind(copy, COUNT, seed=7), lambda n: ['diagnose', others[n % 3]]):
                with self.subTest(description, command=command):
                    self.assertIsNone(wrong)

    def test_cut_off_anywhere(self):
        self.try_all(damage.cut_off)

    def test_pages_overwritten(self):
        self.try_all(damage.overwrite)
