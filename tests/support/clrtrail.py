"""What the tests in Python share: how to run the program, its fixtures, and small files made here."""
import json
import os
import pathlib
import re
import struct
import subprocess
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parent.parent
ROOT = TESTS.parent
FIXTURES = TESTS / 'fixtures'
PROGRAM = os.environ.get('CLRTRAIL') or str(ROOT / 'build/clrtrail')
LEAK = 'his-leak.core.zst'


def run(*arguments, cwd=FIXTURES, stdin=subprocess.DEVNULL, timeout=120, env=None):
    """Runs the program (the one that CLRTRAIL names now) as a script would: no terminal. Text as it came, with what is no UTF-8 replaced."""
    program = os.environ.get('CLRTRAIL') or PROGRAM
    return subprocess.run([program, *map(str, arguments)], cwd=cwd, stdin=stdin, capture_output=True, timeout=timeout,
                          text=True, encoding='utf-8', errors='replace', env={**os.environ, 'LC_ALL': 'C.UTF-8', **(env or {})})


def fixture(name=LEAK):
    path = FIXTURES / name
    if not path.exists():
        raise unittest.SkipTest(f'no fixture {name}')
    return path


def document(*arguments, **options):
    """The JSON document of a command that must succeed."""
    done = run(*arguments, '--json', **options)
    assert done.returncode in (0, 3), f'exit status {done.returncode}: {done.stderr}'
    return json.loads(done.stdout)


class Folder:
    """A temporary folder with files: `with Folder() as folder: folder.write('a.core', bytes)`."""

    def __enter__(self):
        self.handle = tempfile.TemporaryDirectory(prefix='clrtrail-test-')
        self.path = pathlib.Path(self.handle.name)
        return self

    def __exit__(self, *_):
        self.handle.cleanup()

    def write(self, name, content):
        path = self.path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path


def unpack(path, folder):
    """The plain file of a fixture ending in .zst."""
    plain = pathlib.Path(folder) / pathlib.Path(path).stem
    subprocess.run(['zstd', '-q', '-d', '-f', '--long=31', path, '-o', plain], check=True)
    return plain


ELF_HEADER = struct.Struct('<16sHHIQQQIHHHHHH')
PROGRAM_HEADER = struct.Struct('<IIQQQQQQ')
SECTION_HEADER = struct.Struct('<IIQQQQIIQQ')
PT_LOAD, PT_NOTE, ET_CORE, EM_X86_64, PN_XNUM = 1, 4, 4, 62, 0xffff


def note(name, kind, content):
    def padded(data):
        return data + b'\0' * (-len(data) % 4)
    name = name.encode() + b'\0'
    return struct.pack('<III', len(name), len(content), kind) + padded(name) + padded(content)


def elf_core(segments, notes=b'', bytes_after=b''):
    """An ELF core of `segments`: (address, size in memory, size in the file, offset in bytes_after, flags).

    More than 65,534 program headers are counted in the first section header, as the kernel does it (PN_XNUM, System V ABI).
    """
    count = len(segments) + bool(notes)
    many = count >= PN_XNUM
    table_off = ELF_HEADER.size + (SECTION_HEADER.size if many else 0)
    notes_off = table_off + count * PROGRAM_HEADER.size
    bytes_off = (notes_off + len(notes) + 4095) & ~4095
    out = bytearray(ELF_HEADER.pack(b'\x7fELF\x02\x01\x01', ET_CORE, EM_X86_64, 1, 0, table_off, ELF_HEADER.size if many else 0, 0,
                                    ELF_HEADER.size, PROGRAM_HEADER.size, PN_XNUM if many else count,
                                    SECTION_HEADER.size if many else 0, 1 if many else 0, 0))
    if many:
        out += SECTION_HEADER.pack(0, 0, 0, 0, 0, 1, 0, count, 0, 0)
    if notes:
        out += PROGRAM_HEADER.pack(PT_NOTE, 4, notes_off, 0, 0, len(notes), 0, 4)
    for address, memory_size, file_size, offset, flags in segments:
        out += PROGRAM_HEADER.pack(PT_LOAD, flags, bytes_off + offset, address, 0, file_size, memory_size, 4096)
    return bytes(out) + notes + b'\0' * (bytes_off - notes_off - len(notes)) + bytes_after


ADDRESS = re.compile(r'(?<![\w-])(?:0x[0-9a-f]{7,16}|[0-9a-f]{16}|(?=\d*[a-f])[0-9a-f]{12})(?![\w-])', re.I)


def normalise(text):
    """Addresses by the order in which they first appear, each as wide as it was: a fixture made anew prints the same."""
    seen = {}

    def name(found):
        digits = found[0].lower().removeprefix('0x').lstrip('0')
        number = seen.setdefault(digits, len(seen) + 1)
        return '@' + str(number).rjust(len(found[0]) - 1, '.')
    return ADDRESS.sub(name, text)
