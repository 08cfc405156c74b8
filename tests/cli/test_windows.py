"""Windows minidumps of 6.0 to 10.0, with the answers of a reader that had the true DAC (X.dmp.zst, X.truth.txt).

They lie in tests/fixtures/windows, or beside the repository in shared/dumps/windows, or where CLRTRAIL_MINIDUMPS says.
"""
import json
import os
import pathlib
import re
import tempfile
import unittest
from collections import Counter

import clrtrail

FOLDERS = (clrtrail.FIXTURES / 'windows', clrtrail.ROOT.parent / 'shared/dumps/windows')
GENERATIONS = {'gen0': 'Generation0', 'gen1': 'Generation1', 'gen2': 'Generation2', 'loh': 'Large', 'poh': 'Pinned', 'frozen': 'Frozen',
               'ephemeral': 'Ephemeral'}
# The reader lists the heaps of the global allocator once for each domain that it knows; this program lists them once.
REPEATED = {'6': 2}
# Kinds of heaps that the reader has no word for, or leaves out.
UNKNOWN = {'StaticsHeap': 'Unknown', 'ExecutableHeap': None}


def dumps():
    more = os.environ.get('CLRTRAIL_MINIDUMPS')
    return sorted(path for folder in (*FOLDERS, *([pathlib.Path(more)] if more else [])) for path in folder.glob('*.dmp.zst'))


def rows(dump, *command):
    done = clrtrail.run(dump, *command, '--jsonl', '--no-progress', '--quiet')
    assert done.returncode in (0, 3), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()[1:]]


def truth_of(packed):
    return packed.with_name(packed.name.replace('.dmp.zst', '.truth.txt')).read_text()


def number(pattern, text):
    return [int(part) for part in re.search(pattern, text).groups()]


class Windows(unittest.TestCase):
    def setUp(self):
        if not dumps():
            raise unittest.SkipTest('no Windows dumps at hand')

    def each(self):
        with tempfile.TemporaryDirectory(prefix='clrtrail-test-') as folder:
            for packed in dumps():
                with self.subTest(packed.name):
                    yield clrtrail.unpack(packed, folder), truth_of(packed)

    def test_all(self):
        for dump, truth in self.each():
            self.check_all(dump, truth)

    def check_all(self, dump, truth):
        """Every figure, and the leak. labs/matrix comes in here too."""
        self.check_modules(dump, truth)
        self.check_heap(dump, truth)
        self.check_types(dump, truth)
        self.check_native_heaps(dump, truth)
        self.check_ledger(dump)
        self.check_castle_story(dump)

    def check_modules(self, dump, truth):
        modules = rows(dump, 'modules')
        self.assertEqual([len(modules), sum(row['dynamic'] for row in modules)], number(r'modules in all (\d+), dynamic (\d+)', truth))
        threads = [f"{row['managed_id']}/{row['os_id']:x}" for row in rows(dump, 'threads') if row['managed_id'] is not None]
        self.assertEqual(threads, re.findall(r'(\d+/[0-9a-f]+)/[0-9a-f]+', re.search(r'^threads .*$', truth, re.M)[0]))
        self.assertEqual(len(rows(dump, 'handles')), number(r'handles (\d+)', truth)[0])

    def check_heap(self, dump, truth):
        expected = re.findall(r'(\w+):(\d+)/(\d+)', re.search(r'segments \d+ (.*)', truth)[1])
        count, size = Counter(), Counter()
        for row in rows(dump, 'gc_heaps'):
            count[GENERATIONS[row['kind']]] += 1
            size[GENERATIONS[row['kind']]] += row['size']
        self.assertEqual(sorted((kind, count[kind], size[kind]) for kind in count), sorted((k, int(n), int(s)) for k, n, s in expected))

    def check_types(self, dump, truth):
        count, size = Counter(), Counter()
        for row in rows(dump, 'type_histogram'):
            count[row['type']] += row['count']
            size[row['type']] += row['size']
        objects = number(r'objects (\d+) bytes (\d+) free (\d+)', truth)
        self.assertEqual([count.total(), size.total(), count['Free']], objects)
        for n, s, name in re.findall(r'^ {5,}(\d+) +(\d+) (\S.*)$', truth, re.M):
            self.assertEqual((count[name], size[name]), (int(n), int(s)), name)

    def check_native_heaps(self, dump, truth):
        count, size = Counter(), Counter()
        for row in rows(dump, 'loader_heaps') + rows(dump, 'code_heaps'):
            kind = UNKNOWN.get(row['kind'], row['kind'])
            if kind:
                count[kind] += 1
                size[kind] += row['size']
        times = REPEATED.get(re.search(r'^clr Core (\d+)', truth, re.M)[1], 3)
        expected = {kind: (int(n), int(s)) for kind, n, s in re.findall(r'native heap (\w+): (\d+) blocks (\d+) bytes', truth)
                    if not kind.startswith('GC') and kind != 'HandleTable'}
        ours = {kind: (count[kind] * times, size[kind] * times) if kind != 'LoaderCodeHeap' else (count[kind], size[kind]) for kind in count}
        self.assertEqual(ours, expected)

    def check_ledger(self, dump):
        """Every byte once, at most 1 % of nobody; each heap walked to its end, its blocks and its words make up its memory."""
        ledger = {row['use']: row for row in rows(dump, 'ledger')}
        total = ledger.pop('total')['committed']
        self.assertEqual(sum(row['committed'] for row in ledger.values()), total)
        self.assertLessEqual(ledger.get('unaccounted', {'committed': 0})['committed'], total / 100)
        self.assertNotIn('native heap, not walked', ledger)
        self.assertEqual({row['use'] for row in rows(dump, 'mappings') if row['committed']} - set(ledger), set())
        heaps = rows(dump, 'nt_heaps')
        self.assertGreaterEqual(len(heaps), 1)
        self.assertEqual({row['kind'] for row in heaps}, {'wine'})
        for row in heaps:
            self.assertEqual((row['not_walked_bytes'], row['note']), (0, None))
            words = row['committed'] - row['used_bytes'] - row['free_bytes']
            self.assertLessEqual(words, row['segments'] * 1024)
        self.assertEqual(sum(row['used_bytes'] for row in heaps), ledger['native heap, in use']['committed'])

    def check_castle_story(self, dump):
        finding, = (row for row in rows(dump, 'findings') if row['rule'].startswith('castle'))
        self.assertEqual((finding['rule'], finding['certainty'], finding['severity']), ('castle-proxy-generator', 'proven', 'critical'))
        self.assertIn('200', json.dumps(finding))
        self.assertTrue(rows(dump, 'types', '--where', 'name == Castle.Proxies.IPatientServiceProxy'))


if __name__ == '__main__':
    unittest.main()
