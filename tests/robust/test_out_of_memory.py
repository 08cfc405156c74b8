"""Fails single allocations, and all from one on, in every pass over the heap: no crash, no hang, and an exit status that means something.

The numbers of those that fail are spread over all that the command makes. Needs glibc and a C compiler.
"""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import clrtrail

PLACES = 6  # allocations that fail, for each command and way
COMMANDS = ['type_histogram', 'dumpheap -live -stat', 'references --limit 5', 'roots', 'objsize -all', 'objsize -type Patient', 'retained --limit 5',
            'dominators', 'suspects', 'retained_by namespace', 'retained_by static', 'merged_paths -type ServiceProxy', 'duplicates', 'immutable',
            'collections', 'gcroot {0}', 'pathto {0} {0}', 'dumpobj {0}', 'generation_stats', 'verify_heap']


class OutOfMemory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        clrtrail.fixture()
        handle = tempfile.TemporaryDirectory(prefix='clrtrail-memory-')
        cls.addClassCleanup(handle.cleanup)
        cls.folder = pathlib.Path(handle.name)
        cls.library = cls.folder / 'fail_allocation.so'
        compiler = shutil.which('cc')
        if not compiler:
            raise unittest.SkipTest('no C compiler')
        subprocess.run([compiler, '-shared', '-fPIC', '-O1', '-o', cls.library, clrtrail.TESTS / 'support/fail_allocation.c'], check=True)
        cls.dump = clrtrail.unpack(clrtrail.FIXTURES / clrtrail.LEAK, cls.folder)
        if cls.count('version') == 0:
            raise unittest.SkipTest('the program does not let another allocator in')
        cls.object = clrtrail.document(cls.dump, 'dumpheap', '-live', '-type', 'ServiceProxy', '--limit', '1')['rows'][0]['address']

    @classmethod
    def run_with(cls, words, **variables):
        return clrtrail.run(*words, '--index', 'off', '--threads', '1', '--csv', env={'LD_PRELOAD': str(cls.library), **variables})

    @classmethod
    def count(cls, *words):
        """How many allocations a command makes."""
        path = cls.folder / 'count'
        path.write_text('0')
        clrtrail.run(*words, env={'LD_PRELOAD': str(cls.library), 'FAIL_ALLOCATION_COUNT': str(path)})
        return int(path.read_text())

    def check(self, words, number, **variables):
        done = self.run_with(words, FAIL_ALLOCATION=str(number), **variables)
        self.assertIn(done.returncode, (0, 2, 3), f'{words}, allocation {number} {variables}: exit status {done.returncode}, {done.stderr}')
        if done.returncode == 2:
            self.assertIn('memory', done.stderr)

    def test_every_command(self):
        for command in COMMANDS:
            words = [self.dump, *command.format(self.object).split()]
            right = self.run_with(words)
            self.assertEqual(right.returncode, 0, right.stderr)
            total = self.count(*words, '--index', 'off', '--threads', '1', '--csv')
            for place in range(PLACES):
                with self.subTest(command=command, place=place):
                    # Most are made at the beginning, by what all commands need; the passes come last.
                    number = max(1, total - int(total * (place / PLACES) ** 2) - place % 3)
                    self.check(words, number)
                    self.check(words, number, FAIL_ALLOCATION_ALL='1')


if __name__ == '__main__':
    unittest.main()
