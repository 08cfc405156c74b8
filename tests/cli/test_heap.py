"""Commands that look at the GC heap's objects one by one, checked against each other and against what Python makes of the same bits."""
import datetime
import struct
import unittest

import clrtrail


def rows(*words):
    return clrtrail.document(clrtrail.LEAK, *words)['rows']


def objects(name, limit='20'):
    return [row['address'] for row in rows('objects', '--where', f"type = '{name}'", '--limit', limit)]


class Heap(unittest.TestCase):
    def setUp(self):
        clrtrail.fixture()

    def test_duplicates_are_the_strings_that_are_there_twice(self):
        twice = {row['address']: row['wasted'] for row in rows('strings') if row['count'] > 1}
        self.assertEqual({row['address']: row['wasted'] for row in rows('duplicates', '-strings')}, twice)

    def test_duplicates_are_strings_and_arrays(self):
        both = [rows('duplicates', word) for word in ('-strings', '-arrays')]
        self.assertEqual(len(rows('duplicates')), sum(map(len, both)))
        self.assertTrue(all(row['type'].endswith(']') for row in both[1]))

    def test_generations_have_all_objects(self):
        parts, whole = rows('generation_stats'), rows('type_histogram')
        self.assertEqual(sum(row['size'] + row['free_size'] for row in parts), sum(row['size'] for row in whole))
        self.assertEqual(sum(row['count'] + row['free_count'] for row in parts), sum(row['count'] for row in whole))

    def test_every_size_is_in_its_row(self):
        self.assertTrue(all(row['from_size'] * row['count'] <= row['size'] < 2 * row['from_size'] * row['count']
                            for row in rows('generation_stats') if row['count']))

    def test_dumpgen_is_dumpheap_of_a_generation(self):
        self.assertEqual(rows('dumpgen', 'gen0'), rows('dumpheap', '-stat', '-gen', '0'))

    def test_objects_stand_beside_each_other(self):
        three = rows('objects', '--limit', '3')
        inside = hex(int(three[1]['address'], 16) + 8)
        near = rows('listnearobj', inside)
        self.assertEqual([row['where'] for row in near], ['before', 'at', 'behind'])
        self.assertEqual([row['address'] for row in near], [row['address'] for row in three])
        self.assertEqual([row['address'] for row in rows('gcwhere', inside)], [three[1]['address']])

    def test_where_no_heap_is(self):
        done = clrtrail.run(clrtrail.LEAK, 'gcwhere', '1000')
        self.assertEqual(done.returncode, 2)
        self.assertIn('not in the GC heap', done.stderr)

    def test_a_healthy_heap_has_no_faults(self):
        self.assertEqual(rows('verifyheap'), [])
        self.assertEqual(rows('verifyobj', objects('System.Version')[0]), [])

    def test_type_objects_are_all_there(self):
        count = sum(row['count'] for row in rows('type_histogram') if row['type'] == 'System.RuntimeType')
        found = rows('dumpruntimetypes')
        self.assertEqual(len(found), count)
        self.assertIn('System.String', {row['name'] for row in found})

    def test_references_into_younger_generations(self):
        generation = {row['address']: row['generation'] for row in rows('objects')}
        order = {None: 2, 0: 0, 1: 1, 2: 2, 3: 2, 4: 2}
        expected = sum(order[generation[row['from']]] > order[generation[row['to']]] for row in rows('references')
                       if row['from'] in generation and row['to'] in generation)
        self.assertEqual(len(rows('ephrefs')), expected)

    def test_a_class_by_either_address(self):
        kind = rows('types', '--where', "name = 'System.Environment'", '--columns', 'method_table,class')[0]
        by_type, by_class = rows('dumpclass', kind['method_table']), rows('dumpclass', kind['class'])
        self.assertTrue(by_type)
        self.assertEqual(by_type, by_class)
        self.assertEqual({row['type'] for row in by_type}, {'System.Environment'})

    def test_where_a_type_was_loaded(self):
        row = rows('dumpalc', objects('System.Version')[0])[0]
        self.assertEqual(row['assembly_name'], 'System.Private.CoreLib')
        self.assertIn(row['app_domain'], [domain['address'] for domain in rows('app_domains')])

    def test_a_delegate_calls_a_method_of_its_target(self):
        delegates = [row for row in rows('objects', '--where', "type ~ 'System.Func' and not type ~ '['", '--limit', '40')]
        found = [row for one in delegates[:10] for row in rows('dumpdelegate', one['address'])]
        self.assertGreaterEqual(len(found), len(delegates[:10]))
        for row in found:
            self.assertTrue(row['code'])
        self.assertTrue(any(row['method'] and row['target_type'] for row in found))

    def test_what_is_no_delegate(self):
        done = clrtrail.run(clrtrail.LEAK, 'dumpdelegate', objects('System.Version')[0])
        self.assertIn('no delegate', done.stderr)


class Shown(unittest.TestCase):
    """Boxes and objects of well-known types: the text is what Python makes of the fields."""

    def setUp(self):
        clrtrail.fixture()

    def shown(self, address):
        done = clrtrail.run(clrtrail.LEAK, 'dumpobj', address)
        self.assertEqual(done.returncode, 0, done.stderr)
        return (done.stdout + done.stderr).splitlines()[-1].partition(' bytes: ')[2]

    def number(self, address, field):
        return int(next(row['value'] for row in rows('dumpobj', address) if row['name'] == field).split()[0])

    def test_date_time(self):
        for address in objects('System.DateTime', '5'):
            ticks = self.number(address, '_dateData') & 0x3fffffffffffffff
            day = datetime.datetime(1, 1, 1) + datetime.timedelta(microseconds=ticks // 10)
            self.assertTrue(self.shown(address).startswith(day.strftime('%Y-%m-%d %H:%M:%S')))

    def test_version(self):
        for address in objects('System.Version', '5'):
            parts = [self.number(address, name) for name in ('_Major', '_Minor', '_Build', '_Revision')]
            self.assertEqual(self.shown(address), '.'.join(str(part) for part in parts if part >= 0))

    def test_decimal(self):
        for address in objects('System.Decimal', '5'):
            scale = self.number(address, '_flags') >> 16 & 0xff
            self.assertEqual(float(self.shown(address)), self.number(address, '_lo64') / 10 ** scale)

    def test_string_builder_is_its_chunk(self):
        for address in objects('System.Text.StringBuilder', '5'):
            row = {row['name']: row for row in rows('dumpobj', address)}
            if row['m_ChunkPrevious']['object'] or int(row['m_ChunkLength']['value']) > 100:
                continue
            units = rows('dumparray', row['m_ChunkChars']['object'], '-length', row['m_ChunkLength']['value'])
            self.assertEqual(len(self.shown(address)) - 2, len(units))

    def test_a_field_that_refers_to_one(self):
        builder = objects('System.Version')[0]
        holder = next((row for row in rows('referrers', builder) if row.get('from')), None)
        if not holder:
            self.skipTest('no object refers to it')
        shown = {row['value'] for row in rows('dumpobj', holder['from']) if row['object'] == builder}
        self.assertIn(self.shown(builder), shown)


class Damaged(unittest.TestCase):
    """A reference that leads nowhere is found where it is."""

    @staticmethod
    def file_offset(core, address):
        start, = struct.unpack_from('<Q', core, 32)
        size, count = struct.unpack_from('<HH', core, 54)
        for i in range(count):
            kind, _, offset, base, _, stored = struct.unpack_from('<IIQQQQ', core, start + i * size)
            if kind == 1 and base <= address < base + stored:
                return offset + address - base
        raise AssertionError('address not in the dump')

    def test_wrong_reference(self):
        packed = clrtrail.fixture('his-fixed.core.zst')
        with clrtrail.Folder() as folder:
            path = clrtrail.unpack(packed, folder.path)
            holder = clrtrail.document(path, 'objects', '--where', "type = 'System.Exception' or type ~ 'OutOfMemory'",
                                       '--limit', '1')['rows'][0]['address']
            field = next(row for row in clrtrail.document(path, 'dumpobj', holder)['rows'] if row['name'] == '_message')
            core = bytearray(path.read_bytes())
            for wrong, problem in ((0x1000, 'out of the heap'), (int(holder, 16) + 8, 'no object'), (0x1001, 'multiple')):
                struct.pack_into('<Q', core, self.file_offset(core, int(field['address'], 16)), wrong)
                path.write_bytes(core)
                found = clrtrail.document(path, 'verifyheap')['rows']
                self.assertEqual([(row['address'], row['field'], row['target']) for row in found],
                                 [(holder, '_message', hex(wrong))])
                self.assertIn(problem, found[0]['problem'])


if __name__ == '__main__':
    unittest.main()
