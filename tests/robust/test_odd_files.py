"""What is no dump gets one clear line and exit status 2; what is a large or strange dump is read."""
import gzip
import os
import random
import struct
import subprocess
import unittest

import clrtrail
import damage

USER_NOBODY = 65534
NT_FILE = 0x46494c45


def not_dumps():
    """Name -> bytes."""
    draw = random.Random(11)
    elf_program = open('/bin/true', 'rb').read()
    return {
        'empty': b'',
        'one_byte': b'\x7f',
        'text': b'This is no dump.\n' * 100,
        'random': draw.randbytes(100_000),
        'zeros': bytes(100_000),
        'elf_program': elf_program,
        'elf_header_only': elf_program[:64],
        'elf_magic_only': b'\x7fELF',
        'minidump_magic_only': b'MDMP',
        'minidump_of_nothing': b'MDMP' + struct.pack('<HHIIIIQ', 0xa793, 0, 0, 32, 0, 0, 0),
        'gcdump': b'Nettrace\x14\0\0\0!FastSerialization.1' + draw.randbytes(5000),
        'old_gcdump': b'\x14\0\0\0!FastSerialization.1' + draw.randbytes(5000),
        'hprof': b'JAVA PROFILE 1.0.2\0' + draw.randbytes(5000),
        'pe_program': b'MZ' + bytes(58) + struct.pack('<I', 64) + b'PE\0\0' + draw.randbytes(500),
        'kernel_crash_dump': b'PAGEDU64' + draw.randbytes(8192),
        'gzip_of_text': gzip.compress(b'no dump\n' * 1000, mtime=0),
        'gzip_cut_off': gzip.compress(draw.randbytes(5000), mtime=0)[:1000],
        'zstd_magic_only': b'\x28\xb5\x2f\xfd',
        'zstd_nonsense': b'\x28\xb5\x2f\xfd' + draw.randbytes(1000),
        'xz_nonsense': b'\xfd7zXZ\0' + draw.randbytes(1000),
        'lz4_nonsense': b'\x04\x22\x4d\x18' + draw.randbytes(1000),
    }


class OddFiles(unittest.TestCase):
    def setUp(self):
        self.folder = clrtrail.Folder().__enter__()
        self.addCleanup(self.folder.__exit__)

    def refused(self, path, **options):
        wrong, text = damage.judge([path], statuses=(2,), **options)
        self.assertIsNone(wrong, text)
        self.assertLessEqual(len(text.strip().splitlines()), 4, text)
        return text

    def test_no_such_file(self):
        self.assertIn('missing.core', self.refused(self.folder.path / 'missing.core'))

    def test_folder(self):
        self.refused(self.folder.path)

    def test_null_device(self):
        self.refused('/dev/null')

    def test_fifo(self):
        path = self.folder.path / 'fifo'
        os.mkfifo(path)
        writer = subprocess.Popen(['sh', '-c', f"echo no dump > '{path}'"])
        self.refused(path)
        writer.wait(timeout=10)

    def test_link_to_itself(self):
        path = self.folder.path / 'link'
        path.symlink_to(path)
        self.refused(path)

    def test_permission_denied(self):
        os.chmod(self.folder.path, 0o755)
        path = self.folder.write('secret.core', clrtrail.elf_core([]))
        os.chmod(path, 0)
        as_nobody = {'user': USER_NOBODY, 'group': USER_NOBODY, 'extra_groups': []} if os.geteuid() == 0 else {}
        program = os.environ.get('CLRTRAIL') or clrtrail.PROGRAM
        if as_nobody and subprocess.run([program, 'version'], capture_output=True, cwd='/', **as_nobody).returncode:
            self.skipTest('nobody may not run the program where it lies')
        self.refused(path, **as_nobody)

    def test_core_of_another_program(self):
        path = self.folder.write('other.core', clrtrail.elf_core([(0x10000, 4096, 4096, 0, 6)], bytes_after=bytes(4096)))
        wrong, text = damage.judge([path], statuses=(0, 2, 3))
        self.assertIsNone(wrong, text)

    def mappings(self, path, expected, seconds):
        wrong, text = damage.judge([path, 'mappings', '--limit', '3'], path.stat().st_size, seconds)
        self.assertIsNone(wrong, text)
        wrong, text = damage.judge([path], path.stat().st_size, seconds)
        self.assertIsNone(wrong, text)
        done = clrtrail.run(path, 'mappings', '--jsonl')
        self.assertGreaterEqual(done.stdout.count('\n'), expected, done.stderr)

    def test_70000_program_headers(self):
        segments = [(0x7f0000000000 + i * 8192, 4096, 4096, 0, 4 + i % 2) for i in range(70_000)]
        self.mappings(self.folder.write('many.core', clrtrail.elf_core(segments, bytes_after=bytes(4096))), 70_000, 10)

    def test_1000000_mappings(self):
        count = 1_000_000
        segments = [(0x600000000000 + i * 8192, 4096, 0, 0, 6) for i in range(count)]
        files = struct.pack('<QQ', count, 4096)
        files += b''.join(struct.pack('<QQQ', 0x600000000000 + i * 8192, 0x600000001000 + i * 8192, i) for i in range(count))
        files += b'/app/a.dll\0' * count
        content = clrtrail.elf_core(segments, clrtrail.note('CORE', NT_FILE, files), bytes(4096))
        self.mappings(self.folder.write('million.core', content), count, 30)

    def test_header_count_beyond_the_file(self):
        content = bytearray(clrtrail.elf_core([(0x10000, 4096, 4096, 0, 6)], bytes_after=bytes(4096)))
        struct.pack_into('<H', content, 56, 0xfffe)
        wrong, text = damage.judge([self.folder.write('promises.core', bytes(content))])
        self.assertIsNone(wrong, text)

    def test_segments_that_overlap_and_wrap(self):
        segments = [(0xfffffffffffff000, 0x10000, 4096, 0, 6), (0x10000, 1 << 62, 1 << 62, 0, 6), (0x10000, 8192, 4096, 1 << 61, 6)]
        wrong, text = damage.judge([self.folder.write('wraps.core', clrtrail.elf_core(segments, bytes_after=bytes(4096)))])
        self.assertIsNone(wrong, text)


def add_case(name, content):
    setattr(OddFiles, f'test_{name}', lambda self: self.refused(self.folder.write(name, content)))


for case in not_dumps().items():
    add_case(*case)
