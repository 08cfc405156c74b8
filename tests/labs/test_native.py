"""Dumps the lab of native memory afresh: its blocks are found, counted exactly, and named by what lies in them and who points at them.

Needs the .NET SDK, g++ and root. `CLRTRAIL_LAB_DUMPS=DIR` takes DIR/native-VARIANT.core where it exists, and makes it there.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import clrtrail

COUNT = 2000
# Of blocks that nobody holds, as many may still have their address in a stale word of a stack or of a freed block.
STALE = 0.02


class Native(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = os.environ.get('CLRTRAIL_LAB_DUMPS')
        if not cls.folder:
            if not shutil.which('dotnet') or not shutil.which('g++'):
                raise unittest.SkipTest('no .NET SDK, or no g++')
            handle = tempfile.TemporaryDirectory(prefix='clrtrail-native-')
            cls.addClassCleanup(handle.cleanup)
            cls.folder = handle.name

    def dump(self, variant):
        path = pathlib.Path(self.folder) / f'native-{variant}.core'
        if not path.exists():
            subprocess.run([clrtrail.ROOT / 'labs/run', 'native', variant, str(COUNT), '-o', path], check=True, capture_output=True, timeout=600)
        return path, json.loads(pathlib.Path(f'{path}.truth.json').read_text())

    def check_groups(self, path, truth):
        groups = clrtrail.document(path, 'native')['rows']

        def summed(column, **wanted):
            return sum(row[column] for row in groups
                       if all(row[key] is not None and value in row[key] for key, value in wanted.items()))

        sessions = truth['sessions'] + truth['sessions_kept']
        self.assertEqual(summed('count', content='vtable', name='_ZTV7Session'), sessions)
        self.assertEqual(summed('count', content='vtable', name='_ZTV6Packet'), truth['packets'] + truth['sessions_kept'])
        self.assertEqual(summed('count', content='text', name='log of ward'), truth['frames_logged'])
        self.assertEqual(summed('count', content='text', name='forgotten frame'), truth['frames_forgotten'])
        lost = summed('from_nowhere', content='vtable', name='_ZTV7Session'), summed('from_nowhere', content='text', name='forgotten frame')
        for found, made in zip(lost, (truth['sessions'], truth['frames_forgotten'])):
            self.assertLessEqual(found, made)
            self.assertGreaterEqual(found, made * (1 - STALE))
        self.assertEqual(summed('held', held_by='SessionHandle.handle'), truth['sessions_kept'])
        self.assertEqual(summed('from_nowhere', content='text', name='log of ward'), 0)

    def check_pointers(self, path, truth):
        held = {}
        for row in clrtrail.document(path, 'native_pointers')['rows']:
            held.setdefault(row['holder'], set()).add(row['block'])
        self.assertEqual(len(held['SessionHandle.handle']), truth['sessions_kept'])
        self.assertEqual(len(held['Monitor._buffer']), truth['monitors'])
        self.assertEqual(len(held['System.IntPtr[][*]']), truth['hglobals'])

    def check_chunks(self, path, truth):
        chunks = clrtrail.document(path, 'malloc_chunks', '--where', "held_by = 'Monitor._buffer'")['rows']
        self.assertEqual(len(chunks), truth['monitors'])
        self.assertTrue(all(row['pointed_by'] == 'managed' and row['size'] >= truth['monitor_size'] for row in chunks))

    def check_handles(self, path, truth):
        handles = clrtrail.document(path, 'gchandleleaks')['rows']
        self.assertEqual([row['type'] for row in handles], ['Gateway+Frame'] * truth['pinned_forgotten'])
        kept = clrtrail.document(path, 'handle_references', '--where', "held_by ~ 'GCHandle[][*]'")['rows']
        self.assertEqual(len(kept), truth['pinned_kept'])

    def check_committed(self, path, truth):
        """What the GC says it committed: its regions, those kept free too, without frozen segments and its own tables."""
        rows = clrtrail.document(path, 'gc_heaps', '-free')['rows']
        self.assertEqual(sum(row['committed'] for row in rows if row['kind'] != 'frozen'), truth['committed_by_gc'])

    def check_malloc(self, path):
        done = subprocess.run([clrtrail.ROOT / 'labs/native/check', clrtrail.PROGRAM, path], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def check_ledger(self, path):
        rows = {row['use']: row['committed'] for row in clrtrail.document(path, 'ledger')['rows']}
        total = rows.pop('total')
        self.assertEqual(sum(rows.values()), total)
        self.assertLessEqual(rows.get('unaccounted', 0), total * 0.002)

    def check(self, variant):
        path, truth = self.dump(variant)
        for part in 'groups', 'pointers', 'chunks', 'handles', 'committed':
            with self.subTest(part):
                getattr(self, 'check_' + part)(path, truth)
        for part in 'malloc', 'ledger':
            with self.subTest(part):
                getattr(self, 'check_' + part)(path)
        if not os.environ.get('CLRTRAIL_LAB_DUMPS'):
            path.unlink()

    def test_leak(self):
        self.check('leak')

    def test_fixed(self):
        self.check('fixed')


if __name__ == '__main__':
    unittest.main()
