"""A running .NET process, and a dump of it, against what the kernel says in /proc/N/smaps. Needs the .NET SDK and root."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest
from collections import Counter

import clrtrail

PAGE = 4096
# Pages that the runtime's own threads touch between two looks, and second views of executable memory, which the ledger counts once.
CHANGED = 256 * PAGE


def smaps(pid, reserved=False):
    """The mappings that can be touched, but for the kernel's own; with `reserved` the others, too."""
    mappings = []
    for line in pathlib.Path(f'/proc/{pid}/smaps').read_text().splitlines():
        key, _, rest = line.partition(' ')
        if key.endswith(':'):
            if rest.endswith(' kB'):
                mappings[-1][key[:-1]] = int(rest.split()[0]) << 10
        else:
            fields = line.split(None, 5)
            start, end = (int(part, 16) for part in key.split('-'))
            mappings.append({'start': start, 'end': end, 'protection': fields[1], 'name': fields[5] if len(fields) > 5 else ''})
    return [m for m in mappings if (reserved or m['protection'][:3] != '---') and not m['name'].startswith(('[vvar', '[vsyscall'))]


def stacks(pid, mappings):
    """Bytes of the mappings that threads have their stack pointers in."""
    found = {}
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        words = (task / 'syscall').read_text().split()
        pointer = int(words[-2], 16)
        found.update({m['start']: m['Size'] for m in mappings if m['start'] <= pointer < m['end']})
    return sum(found.values())


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which('dotnet'):
            raise unittest.SkipTest('no .NET SDK')
        done = subprocess.run([clrtrail.ROOT / 'labs/run', 'cases', 'growing', '300'], capture_output=True, timeout=600)
        if done.returncode:
            raise unittest.SkipTest(done.stderr.decode(errors='replace'))

    def start(self, **environment):
        program = clrtrail.ROOT / 'build/labs/publish/cases/release/cases'
        dotnet = pathlib.Path(shutil.which('dotnet')).resolve().parent
        process = subprocess.Popen([program, 'growing', '300'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=program.parent,
                                   env={**os.environ, 'DOTNET_ROOT': str(dotnet), **environment})
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        while process.stdout.readline() not in (b'ready\n', b''):
            pass
        time.sleep(2)  # the runtime's own threads come to rest
        return process.pid, dotnet

    def rows(self, target, *command):
        return clrtrail.document(target, *command)['rows']

    def check_resident(self, pid):
        mappings = smaps(pid)
        ledger = {row['use']: row for row in self.rows(f'pid:{pid}', 'ledger')}
        total = ledger.pop('total')
        self.assertEqual(sum(row['committed'] for row in ledger.values()), total['committed'])
        self.assertAlmostEqual(total['committed'], sum(m['Size'] for m in mappings), delta=CHANGED)
        self.assertAlmostEqual(total['resident'], sum(m['Rss'] for m in mappings), delta=CHANGED)
        self.assertAlmostEqual(total['private_dirty'], sum(m['Private_Dirty'] for m in mappings), delta=CHANGED)
        self.assertGreater(total['private_dirty'], 4 * CHANGED)
        self.assertEqual(sum(row['resident'] or 0 for row in ledger.values()), total['resident'])
        self.assertLessEqual(ledger['unaccounted']['committed'], total['committed'] / 500)

    def test_resident_memory(self):
        self.check_resident(self.start()[0])

    def test_images_and_stacks(self):
        """What an image shares, and what it wrote; what each thread has of its stack."""
        pid, _ = self.start()
        mappings = smaps(pid)
        for row in self.rows(f'pid:{pid}', 'images'):
            inside = [m for m in mappings if row['base'] != row['end'] and
                      int(row['base'], 16) <= m['start'] < int(row['end'], 16)]
            self.assertEqual(row['shared'], sum(m['Size'] for m in inside if 'w' not in m['protection']), row['path'])
            self.assertEqual(row['private'], sum(m['Size'] for m in inside if 'w' in m['protection']), row['path'])
            self.assertAlmostEqual(row['written'], sum(m['Private_Dirty'] for m in inside), delta=4 * PAGE, msg=row['path'])
        threads = self.rows(f'pid:{pid}', 'threads')
        self.assertTrue(all(0 < row['stack_touched'] <= row['stack_bytes'] for row in threads if row['sp']))

    def test_resident_memory_of_a_server_gc(self):
        self.check_resident(self.start(DOTNET_gcServer='1', DOTNET_GCHeapCount='2')[0])

    def test_a_dump_agrees_with_the_kernel(self):
        pid, dotnet = self.start()
        mappings, named = smaps(pid), smaps(pid, reserved=True)
        stack_bytes = stacks(pid, mappings)
        createdump = sorted(dotnet.glob('shared/Microsoft.NETCore.App/10.*/createdump'))[-1]
        with tempfile.TemporaryDirectory(prefix='clrtrail-labs-') as folder:
            dump = pathlib.Path(folder) / 'full.core'
            subprocess.run([createdump, '--full', '-f', dump, str(pid)], check=True, capture_output=True, timeout=120)
            ledger = {row['use']: row['committed'] for row in self.rows(dump, 'ledger')}
            ours = Counter()
            for row in self.rows(dump, 'mappings'):
                if row['path'] and row['kind'] == 'mapped':  # not the memory between the parts of an image
                    ours[row['path']] += row['size']
        # Images and mapped files, each by its name; memfd has none in a dump.
        theirs = Counter()
        for m in named:
            if m['name'].startswith('/') and 'memfd:' not in m['name']:
                theirs[m['name']] += m['Size']
        self.assertEqual({path: size for path, size in ours.items() if path in theirs}, dict(theirs))
        self.assertEqual(ledger['thread stacks'], stack_bytes)

    def test_settings_of_the_process(self):
        pid, _ = self.start(DOTNET_GCHeapHardLimit='0x8000000', DOTNET_GCConserveMemory='5')
        settings = {row['setting']: row for row in self.rows(f'pid:{pid}', 'gc_settings')}
        self.assertEqual(settings['DOTNET_GCHeapHardLimit']['bytes'], 0x8000000)
        self.assertEqual(settings['DOTNET_GCConserveMemory']['value'], '5')
        self.assertIn(settings['memory limit']['source'], ('cgroup', 'machine'))
        self.assertGreater(settings['memory limit']['bytes'], 0x8000000)
        self.assertTrue(any(row['source'] == 'runtimeconfig' for row in settings.values()), json.dumps(list(settings)))


if __name__ == '__main__':
    unittest.main()
