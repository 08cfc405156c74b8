"""Code of methods and what threads keep: roots by GC info, handlers, machine code, states, requests of Kestrel."""
import unittest

import clrtrail


class Methods(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        clrtrail.fixture()
        frames = clrtrail.document(clrtrail.LEAK, 'frames', '1')['rows']
        cls.main = next(row for row in frames if row['method'] and row['method'].startswith('Program.<Main>$'))

    def rows(self, *arguments):
        return clrtrail.document(clrtrail.LEAK, *arguments)['rows']

    def test_gc_info_begins_with_its_header(self):
        rows = self.rows('gcinfo', self.main['ip'])
        self.assertEqual(rows[0]['kind'], 'header')
        self.assertIn('version 4', rows[0]['slots'])
        start = int(rows[0]['address'], 16)
        self.assertLess(start, int(self.main['ip'], 16))
        self.assertLessEqual(int(self.main['ip'], 16), start + rows[0]['end'])
        self.assertTrue(all(row['offset'] <= rows[0]['end'] for row in rows if row['offset'] is not None))

    def test_gc_info_is_found_by_method_desc_too(self):
        by_ip, by_method = (self.rows('gcinfo', self.main[column])[0]['kind'] for column in ('ip', 'method_desc'))
        self.assertEqual(by_ip, by_method)

    def test_handlers_lie_in_the_code(self):
        length = self.rows('gcinfo', self.main['ip'])[0]['end']
        for row in self.rows('ehinfo', self.main['ip']):
            self.assertIn(row['clause'], ('catch', 'filter', 'finally', 'fault'))
            self.assertTrue(row['try_start'] < row['try_end'] <= length and row['handler_start'] < row['handler_end'] <= length)

    def test_code_is_shown_with_names(self):
        done = clrtrail.run(clrtrail.LEAK, 'u', self.main['ip'], '--json')
        if 'without capstone' in done.stderr:
            self.skipTest('made without capstone')
        rows = self.rows('u', self.main['ip'])
        self.assertEqual(rows[0]['instruction'], 'push rbp')
        self.assertEqual(int(rows[0]['address'], 16) + sum(row['length'] for row in rows), int(rows[-1]['address'], 16) + rows[-1]['length'])
        self.assertIn('"Listen"', [row['note'] for row in rows])
        # The thread waits in a call: its return address is the start of an instruction.
        self.assertIn(self.main['ip'], [row['address'] for row in rows])

    def test_what_is_no_code_is_said_to_be_none(self):
        for command in ('gcinfo', 'ehinfo'):
            done = clrtrail.run(clrtrail.LEAK, command, '0x1234')
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("neither code nor a method at '1234'", done.stderr)

    def test_stack_roots_are_objects(self):
        whole = [row for row in self.rows('stack_roots') if row['whole']]
        self.assertTrue(whole)
        self.assertTrue(all(row['object'] and row['type'] for row in whole))
        roots = {(row['thread'], row['object']) for row in self.rows('roots', '-kind', 'stack') if row['kind'] == 'stack'}
        self.assertEqual(roots, {(row['os_id'], row['object']) for row in whole if row['certain']})

    def test_state_bits_have_names(self):
        row, = self.rows('threadstate', '0x1020220')
        self.assertEqual(row['flags'], 'legal to join, background, fully initialized, worker of the thread pool')
        row, = self.rows('threadstate', '0x80000000')
        self.assertEqual(row['flags'], '0x80000000')
        self.assertEqual(len(self.rows('threadstate')), len(self.rows('threads')))

    def test_requests_of_kestrel(self):
        self.assertEqual(self.rows('dumprequests'), [])
        self.assertEqual([row['status'] for row in self.rows('dumprequests', '-all')], ['idle'])

    def test_a_task_is_asked_for_by_its_address(self):
        task = self.rows('tasks')[0]
        row, = self.rows('taskstate', task['address'])
        self.assertEqual(row['status'], task['status'])


if __name__ == '__main__':
    unittest.main()
