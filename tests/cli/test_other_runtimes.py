"""Runtimes that the tables do not know, several at once, and none: made of the fixture by overwriting what names the runtime."""
import re
import struct
import tempfile
import unittest

import clrtrail

VERSION, FAMILY = b'10.0.12', b'NETCore.App/10.0.12/'
BUILD_ID = re.compile(r'build_id: +([0-9a-f]{40})')
# A library whose path is as long as that of a second runtime.
OTHER, SECOND = b'host/fxr/10.0.12/libhostfxr.so', b'host/fxr/10.0.12/libcoreclr.so'
# The same of one that lies below the runtime, and so comes before it.
LOWER, FIRST = b'/10.0.12/libclrjit.so', b'/10.0.1/libcoreclr.so'
PATHS_END = 200_000  # of the notes, where the kernel's list of mapped files is
PF_W = 2


class OtherRuntimes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix='clrtrail-test-')
        cls.addClassCleanup(cls.folder.cleanup)
        cls.dump = clrtrail.unpack(clrtrail.fixture(), cls.folder.name)
        cls.bytes = cls.dump.read_bytes()
        cls.build_id = bytes.fromhex(BUILD_ID.search(clrtrail.run(cls.dump, 'runtimes').stdout)[1])

    def written(self, content):
        path = self.dump.with_name(f'{self.id().rsplit(".")[-1]}.core')
        path.write_bytes(content)
        self.addCleanup(path.unlink)
        return path

    def claiming(self, version):
        """The fixture under another version and an unknown build-id, so that no image file of its runtime is taken either."""
        self.assertEqual(len(version), len(VERSION))
        return self.bytes.replace(FAMILY, FAMILY.replace(VERSION, version)).replace(self.build_id, bytes(19) + b'\1')

    def newer(self):
        return self.claiming(b'99.0.12')

    def test_wrong_tables_are_rejected(self):
        for version in (b'3.1.012', b'8.0.012', b'9.0.012'):
            with self.subTest(version):
                dump = self.written(self.claiming(version))
                runtime, = clrtrail.document(dump, 'runtimes')['rows']
                self.assertEqual((runtime['layout'], runtime['problem']), ('linux-x64-10.0', None))
                self.doCleanups()

    def findings(self, dump, *options):
        return [(row['rule'], row['certainty'], row['count']) for row in clrtrail.document(dump, 'findings', *options)['rows']]

    def test_newer_than_any_table_but_alike(self):
        dump = self.written(self.newer())
        self.assertEqual(self.findings(dump), self.findings(self.dump))
        sources = {row['source'] for row in clrtrail.document(dump, 'layouts_used')['rows']}
        self.assertTrue(any('of another version' in source for source in sources), sources)

    def test_newer_than_any_table_and_unlike(self):
        content = bytearray(self.newer())
        base = clrtrail.document(self.dump, 'runtimes')['rows'][0]['base']
        base = int(base, 16) if isinstance(base, str) else base
        table, count = struct.unpack_from('<Q', content, 32)[0], struct.unpack_from('<H', content, 56)[0]
        for i in range(count):
            kind, flags, offset, address, _, size, *_ = clrtrail.PROGRAM_HEADER.unpack_from(content, table + i * clrtrail.PROGRAM_HEADER.size)
            if kind == clrtrail.PT_LOAD and flags & PF_W and base <= address < base + 0x800000:
                content[offset:offset + size] = bytes(size)
        dump = self.written(bytes(content))
        done = clrtrail.run(dump)
        self.assertEqual(done.returncode, 2)
        self.assertIn('no .NET runtime that can be read', done.stdout)
        self.assertRegex(done.stdout, r'native images +\d')
        self.assertRegex(done.stderr, r"the structures of .NET 99\.0\.12 at '.*' cannot be read with any of \d+ tables")
        for relation in ('mappings', 'images', 'threads'):
            self.assertEqual(clrtrail.run(dump, relation).returncode, 0, relation)
        self.assertIn('99.0.12', clrtrail.document(dump, 'runtimes')['rows'][0]['problem'])

    def test_two_in_one_process(self):
        head = self.bytes[:PATHS_END]
        self.assertIn(OTHER, head)
        dump = self.written(head.replace(OTHER, SECOND) + self.bytes[PATHS_END:])
        rows = clrtrail.document(dump, 'runtimes')['rows']
        self.assertEqual([(row['number'], row['path'].endswith('libcoreclr.so'), row['problem'] is None) for row in rows],
                         [(0, True, True), (1, True, False)])
        self.assertEqual(self.findings(dump, '--runtime', '0'), self.findings(self.dump))
        refused = clrtrail.run(dump, 'types', '--runtime', '1')
        self.assertEqual(refused.returncode, 2)
        self.assertIn('cannot be read with any of', refused.stderr)
        refused = clrtrail.run(dump, 'types', '--runtime', '2')
        self.assertIn('no runtime 2: the process has 2', refused.stderr)

    def test_the_first_of_two_cannot_be_read(self):
        head = self.bytes[:PATHS_END]
        self.assertIn(LOWER, head)
        dump = self.written(head.replace(LOWER, FIRST) + self.bytes[PATHS_END:])
        self.assertEqual([row['problem'] is None for row in clrtrail.document(dump, 'runtimes')['rows']], [False, True])
        self.assertEqual(self.findings(dump), self.findings(self.dump))
        done = clrtrail.run(dump, 'types')
        self.assertRegex(done.stderr, r"gap: runtimes .*: what is shown is of runtime 1, '.*/10\.0\.12/libcoreclr\.so', since runtime 0 cannot be read: ")
        refused = clrtrail.run(dump, 'types', '--runtime', '0')
        self.assertEqual(refused.returncode, 2)
        self.assertIn('cannot be read with any of', refused.stderr)

    def test_none(self):
        dump = self.written(clrtrail.elf_core([(0x10000, 4096, 4096, 0, 6)], bytes_after=bytes(4096)))
        refused = clrtrail.run(dump, 'types')
        self.assertEqual(refused.returncode, 2)
        self.assertIn('no .NET runtime in this process', refused.stderr)
        self.assertEqual(clrtrail.run(dump, 'mappings').returncode, 0)

    def test_another_architecture(self):
        core = bytearray(clrtrail.elf_core([(0x10000, 4096, 4096, 0, 6)], bytes_after=bytes(4096)))
        for offset, value, message in ((18, 40, 'core of machine 40 \\(arm\\)'), (4, 1, '32-bit ELF is not supported'), (5, 2, 'big endian ELF')):
            with self.subTest(message):
                changed = core.copy()
                changed[offset] = value
                refused = clrtrail.run(self.written(bytes(changed)))
                self.assertEqual(refused.returncode, 2)
                self.assertRegex(refused.stderr, message)
                self.doCleanups()


if __name__ == '__main__':
    unittest.main()
