"""What a user sees and a script relies on beside the columns: the same bytes every time, any packing, SOS's names, no stray output."""
import os
import pty
import re
import select
import subprocess
import unittest

import clrtrail


class SameBytes(unittest.TestCase):
    def setUp(self):
        clrtrail.fixture()

    def test_for_one_and_many_threads_and_twice(self):
        for command in ('diagnose', 'types', 'type_histogram', 'roots'):
            with self.subTest(command):
                printed = {clrtrail.run(clrtrail.LEAK, command, '--jsonl', '--threads', threads).stdout for threads in (1, 4, 4)}
                self.assertEqual(len(printed), 1)


class Packing(unittest.TestCase):
    """The same dump plain, in every compression, and through a pipe."""

    @classmethod
    def setUpClass(cls):
        packed = clrtrail.fixture('his-fixed.core.zst')
        cls.folder = clrtrail.Folder().__enter__()
        cls.addClassCleanup(cls.folder.__exit__)
        cls.plain = clrtrail.unpack(packed, cls.folder.path)
        cls.expected = cls.rows(packed)

    @staticmethod
    def rows(path, **options):
        document = clrtrail.document(path, 'modules', **options)
        return document['rows']

    def test_plain(self):
        self.assertEqual(self.rows(self.plain), self.expected)

    def check_packed(self, suffix, *command):
        try:
            with open(self.folder.path / f'x.{suffix}', 'wb') as out:
                subprocess.run([*command, self.plain], stdout=out, check=True)
        except FileNotFoundError:
            self.skipTest(f'{command[0]} not installed')
        self.assertEqual(self.rows(out.name), self.expected)
        os.unlink(out.name)

    def test_gzip(self):
        self.check_packed('gz', 'gzip', '-1', '-c')

    def test_xz(self):
        self.check_packed('xz', 'xz', '-0', '-c')

    def test_lz4(self):
        self.check_packed('lz4', 'lz4', '-q', '-c')

    def test_zstd_of_several_frames(self):
        halves = self.plain.read_bytes()
        middle = len(halves) // 2
        with open(self.folder.path / 'frames.zst', 'wb') as out:
            for half in (halves[:middle], halves[middle:]):
                out.write(subprocess.run(['zstd', '-q', '-1', '-c'], input=half, capture_output=True, check=True).stdout)
        self.assertEqual(self.rows(out.name), self.expected)

    def test_packed_without_its_suffix(self):
        path = self.folder.path / 'core.4711'
        path.write_bytes(clrtrail.fixture('his-fixed.core.zst').read_bytes())
        self.assertEqual(self.rows(path), self.expected)

    def test_through_a_pipe(self):
        with subprocess.Popen(['cat', self.plain], stdout=subprocess.PIPE) as cat:
            self.assertEqual(self.rows('-', stdin=cat.stdout), self.expected)


class SosNames(unittest.TestCase):
    def setUp(self):
        clrtrail.fixture()

    def head(self, *words):
        done = clrtrail.run(clrtrail.LEAK, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_dumpheap_stat(self):
        printed = self.head('dumpheap', '-stat')
        self.assertRegex(printed, r'MT +Count +TotalSize +Class Name')
        self.assertRegex(printed, r'System\.String\n')

    def test_bang_and_case(self):
        self.assertEqual(self.head('!dumpheap', '-stat'), self.head('dumpheap', '-stat'))
        self.assertEqual(self.head('DumpHeap', '-stat'), self.head('dumpheap', '-stat'))

    def test_names_are_known(self):
        for words in ('eeheap -gc', 'eeheap -loader', 'dumpdomain', 'gchandles', 'threads', 'modules', 'eeversion', 'finalizequeue'):
            with self.subTest(words):
                self.assertTrue(self.head(*words.split()))

    def test_dumpmt_of_a_type(self):
        row = clrtrail.document(clrtrail.LEAK, 'type_histogram', '--where', "type = 'System.String'", '--limit', '1')['rows'][0]
        self.assertIn('System.String', self.head('dumpmt', row['method_table']))
        self.assertIn('System.String', self.head('dumpmt', '-md', row['method_table'].removeprefix('0x')))

    def test_name2ee_in_all_its_forms(self):
        name = 'His.Aop.ServiceLocator'
        found = [clrtrail.document(clrtrail.LEAK, 'name2ee', *form)['rows']
                 for form in (('his.dll', name), ('*', name), (f'his.dll!{name}',), (f'*!{name}',))]
        self.assertEqual([row['name'] for row in found[0]], [name])
        self.assertEqual(found, found[:1] * 4)
        self.assertEqual(clrtrail.document(clrtrail.LEAK, 'name2ee', f'System.Runtime!{name}')['rows'], [])

    def test_dumpmt_of_what_is_none(self):
        module = clrtrail.document(clrtrail.LEAK, 'modules', '--limit', '1')['rows'][0]['address']
        done = clrtrail.run(clrtrail.LEAK, 'dumpmt', module)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('no MethodTable', done.stderr)
        free = clrtrail.document(clrtrail.LEAK, 'type_histogram', '--where', "type = 'Free'", '--columns', 'method_table')['rows'][0]
        self.assertEqual(clrtrail.document(clrtrail.LEAK, 'dumpmt', free['method_table'])['rows'][0]['name'], 'Free')

    def test_gcroot_of_an_object(self):
        row = clrtrail.document(clrtrail.LEAK, 'objects', '--where', 'type ~ Dictionary', '--limit', '1')['rows'][0]
        self.head('gcroot', row['address'])
        self.head('dumpobj', row['address'])


class Retained(unittest.TestCase):
    """What is kept alive adds up, whichever way it is asked."""

    def setUp(self):
        clrtrail.fixture()

    def rows(self, *words):
        return clrtrail.document(clrtrail.LEAK, *words)['rows']

    def live_bytes(self):
        return sum(row['size'] for row in self.rows('type_histogram', '-live'))

    def test_live_and_dead_are_all(self):
        both = sum(row['count'] for words in (['-live'], ['-dead']) for row in self.rows('type_histogram', *words))
        self.assertEqual(both, sum(row['count'] for row in self.rows('type_histogram') if row['type'] != 'Free'))

    def test_the_top_of_the_tree_is_all_that_is_alive(self):
        self.assertEqual(sum(row['retained'] for row in self.rows('dominators', '-top', '10000000')), self.live_bytes())

    def test_an_object_and_its_children_are_what_it_retains(self):
        top = self.rows('dominators')[0]
        below = self.rows('dominators', top['object'], '-top', '1000000')
        self.assertEqual(top['shallow'] + sum(row['retained'] for row in below), top['retained'])
        self.assertEqual(len(below), top['children'])

    def test_depth_puts_children_behind_their_parent(self):
        above = {}
        for row in self.rows('dominators', '-depth', '4', '-top', '3'):
            above[row['level']] = row['object']
            self.assertEqual(row['dominator'], above.get(row['level'] - 1))

    def test_every_object_has_a_type_and_a_generation(self):
        for group in ('type', 'namespace', 'assembly', 'context', 'generation'):
            with self.subTest(group):
                rows = self.rows('retained', '-by', group)
                self.assertEqual(sum(row['shallow'] for row in rows), self.live_bytes())
                self.assertTrue(all(row['shallow'] <= row['retained'] for row in rows))

    def test_an_object_that_a_static_field_alone_holds(self):
        held = {row['retained'] for row in self.rows('dominators', '-top', '10')}
        for row in self.rows('retained', '-by', 'static', '--limit', '1'):
            self.assertIn(row['retained'], held)

    def test_roots_hold_less_alone_than_is_alive(self):
        for group in ('root', 'static', 'kind', 'thread'):
            with self.subTest(group):
                self.assertLessEqual(sum(row['retained'] for row in self.rows('retained_by', group)), self.live_bytes())

    def test_a_group_that_is_none(self):
        done = clrtrail.run(clrtrail.LEAK, 'retained_by', 'colour')
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot group by 'colour'", done.stderr)

    def test_reachable_is_what_objsize_counts(self):
        top = self.rows('dominators')[0]['object']
        size, rows = self.rows('objsize', top)[0], self.rows('reachable', top)
        self.assertEqual((size['count'], size['size']), (len(rows), sum(row['size'] for row in rows)))

    def test_suspects_lie_where_the_tree_says(self):
        for row in self.rows('suspects', '-share', '5'):
            if not row['object']:
                continue
            self.assertEqual(self.rows('retained', row['object'])[0]['retained'], row['retained'])
            self.assertEqual(len(self.rows('dominators', row['object'], '-top', '1000000')), row['children'])


class Output(unittest.TestCase):
    def setUp(self):
        clrtrail.fixture()

    def test_no_escapes_unless_a_terminal(self):
        for words in ((), ('help',), ('types', '--limit', '5')):
            done = clrtrail.run(clrtrail.LEAK, *words)
            self.assertNotIn('\x1b', done.stdout + done.stderr)

    def test_dashes_and_underscores_are_the_same(self):
        self.assertEqual(clrtrail.run(clrtrail.LEAK, 'gc-heaps').stdout, clrtrail.run(clrtrail.LEAK, 'gc_heaps').stdout)

    def test_quiet_is_quiet(self):
        self.assertEqual(clrtrail.run(clrtrail.LEAK, 'modules', '--quiet').stderr, '')

    def test_a_closed_pipe_is_no_error(self):
        command = f"'{os.environ.get('CLRTRAIL') or clrtrail.PROGRAM}' {clrtrail.LEAK} objects --jsonl --quiet | head -n 1"
        done = subprocess.run(['bash', '-c', command], cwd=clrtrail.FIXTURES, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, '')

    def test_nothing_is_written_beside_the_dump(self):
        with clrtrail.Folder() as folder:
            copy = folder.write('copy.core.zst', clrtrail.fixture().read_bytes())
            clrtrail.run(copy, '--index', 'off')
            self.assertEqual([path.name for path in folder.path.iterdir()], ['copy.core.zst'])

    def on_terminal(self, *words):
        primary, secondary = pty.openpty()
        program = os.environ.get('CLRTRAIL') or clrtrail.PROGRAM
        process = subprocess.Popen([program, *words], cwd=clrtrail.FIXTURES, stdin=secondary, stdout=secondary, stderr=secondary,
                                   env={**os.environ, 'TERM': 'xterm-256color', 'LC_ALL': 'C.UTF-8'})
        os.close(secondary)
        printed = b''
        while select.select([primary], [], [], 60)[0]:
            try:
                piece = os.read(primary, 65536)
            except OSError:
                break
            if not piece:
                break
            printed += piece
        os.close(primary)
        return process.wait(timeout=60), printed.decode('utf-8', 'replace')

    def test_terminal_gets_the_same_words(self):
        status, printed = self.on_terminal(clrtrail.LEAK, 'ledger')
        self.assertEqual(status, 0)
        self.assertIn('total', re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', printed))


class Index(unittest.TestCase):
    """A second command reads what the first one found, and nobody notices but by the time it takes."""
    COMMANDS = (('type_histogram',), ('roots',), ('retained', '--limit', '50'), ('diagnose',), ('collections', '--limit', '50'))

    def setUp(self):
        self.folder = clrtrail.Folder().__enter__()
        self.addCleanup(self.folder.__exit__)
        self.path = clrtrail.unpack(clrtrail.fixture(), self.folder.path)
        self.index = self.folder.path / 'index'
        self.env = {'XDG_CACHE_HOME': str(self.folder.path / 'cache')}

    def answer(self, command, index):
        done = clrtrail.run(self.path, *command, '--jsonl', '--index', index, env=self.env)
        return done.stdout, done.stderr, done.returncode

    def files(self):
        return [path for path in self.index.iterdir() if path.suffix == '.index']

    def test_the_answers_are_the_same(self):
        for command in self.COMMANDS:
            with self.subTest(command[0]):
                expected = self.answer(command, 'off')
                self.assertEqual([self.answer(command, self.index) for _ in range(3)], [expected] * 3)
        self.assertEqual([path.stat().st_mode & 0o777 for path in self.files()], [0o600])

    def test_a_changed_dump_has_another(self):
        expected = self.answer(('type_histogram',), self.index)
        self.path.write_bytes(self.path.read_bytes())
        self.assertEqual(self.answer(('type_histogram',), self.index), expected)
        self.assertEqual(len(self.files()), 2)

    def test_a_damaged_one_is_thrown_away(self):
        expected = self.answer(('retained', '--limit', '50'), self.index)
        content = bytearray(self.files()[0].read_bytes())
        for at in range(10, len(content), len(content) // 20):
            content[at] ^= 0x41
        self.files()[0].write_bytes(content)
        self.assertEqual(self.answer(('retained', '--limit', '50'), self.index), expected)
        self.assertNotEqual(self.files()[0].read_bytes(), content)

    def test_a_folder_that_is_none_is_said(self):
        _, errors, status = self.answer(('type_histogram',), self.path)
        self.assertEqual(status, 0)
        self.assertIn('no index is kept', errors)

    def test_small_heaps_need_none(self):
        self.answer(('type_histogram',), 'auto')
        self.assertFalse((self.folder.path / 'cache').exists())


if __name__ == '__main__':
    unittest.main()
