"""What the machine-readable interface promises (docs/interface.md): columns, the JSON document, exit statuses."""
import csv
import io
import json
import re
import unittest

import clrtrail

# Columns that scripts rely on, by relation.
COLUMNS = {
    'mappings': 'start end size committed use kind protection path',
    'ledger': 'use count committed reserved share note',
    'app_domains': 'address name collectible assembly_count',
    'load_contexts': 'address name collectible assembly_count',
    'assemblies': 'address name dynamic collectible load_context module_count',
    'modules': 'address name path assembly dynamic collectible base size type_count loader_bytes mvid',
    'types': 'method_table name module token base_size component_size parent interfaces instance_count instance_bytes',
    'methods': 'method_desc name method_table token code code_size tier',
    'gc_heaps': 'heap generation start end size committed reserved kind',
    'loader_heaps': 'allocator kind address size committed owner',
    'type_histogram': 'method_table type count size',
    'objects': 'address type size generation heap',
    'references': 'from to field',
    'strings': 'address length value count',
    'roots': 'address object kind name thread',
    'handles': 'address kind object type dependent',
    'threads': 'managed_id os_id name state background pool frame_count',
    'retained': 'object type shallow retained dominator',
    'retained_by': 'name kind count shallow retained share',
    'dominators': 'level object type shallow retained share children dominator',
    'duplicates': 'address type length count size wasted preview',
    'generation_stats': 'heap generation from_size count size free_count free_size',
    'verify_heap': 'address type problem field target',
    'eph_refs': 'from from_generation from_type field to to_generation to_type',
    'runtime_types': 'address type_handle name collectible',
    'suspects': 'object type retained share root_kind root_name children child_type child_count child_retained sentence',
    'collection_paths': 'path count collections store_bytes retained type largest',
}
FIXED = 'his-fixed.core.zst'
KINDS = {'address', 'bytes', 'count', 'change', 'number', 'token', 'text', 'bool', 'share', 'json'}


class Document(unittest.TestCase):
    def check_head(self, document):
        self.assertEqual(document['schema'], 1)
        self.assertRegex(document['tool'], r'^clrtrail \d+\.\d+\.\d+')
        dump = document['dump']
        self.assertEqual((dump['format'], dump['os'], dump['arch']), ('elf-core', 'linux', 'x64'))
        self.assertEqual(dump['runtime']['name'], 'coreclr')
        self.assertRegex(dump['runtime']['version'], r'^\d+\.\d+\.\d+$')
        self.assertIn(dump['runtime']['gc'], ('workstation', 'server'))

    def check_value(self, kind, value):
        if value is None:
            return
        if kind == 'address':
            self.assertRegex(value, r'^0x[0-9a-f]+$')
        elif kind in ('bytes', 'count', 'number'):
            self.assertIs(type(value), int)
            self.assertGreaterEqual(value, 0)
        elif kind == 'bool':
            self.assertIs(type(value), bool)
        elif kind == 'text':
            self.assertIs(type(value), str)

    def relation(self, name):
        document = clrtrail.document(clrtrail.LEAK, name, '--limit', '50')
        self.check_head(document)
        self.assertEqual(document['relation'], name)
        self.assertIsInstance(document['gaps'], list)
        kinds = {column['name']: column['kind'] for column in document['columns']}
        self.assertLessEqual(set(kinds.values()), KINDS)
        self.assertLessEqual(set(COLUMNS[name].split()), set(kinds))
        for row in document['rows']:
            self.assertEqual(list(row), list(kinds))
            for column, value in row.items():
                self.check_value(kinds[column], value)


def add_relation(name):
    def case(self):
        clrtrail.fixture()
        self.relation(name)
    setattr(Document, f'test_{name}', case)


for relation in sorted(COLUMNS):
    add_relation(relation)


class Diff(unittest.TestCase):
    """From a dump without the leak to one with it."""
    @classmethod
    def setUpClass(cls):
        clrtrail.fixture(FIXED)
        clrtrail.fixture()
        cls.document = clrtrail.document(FIXED, 'diff', clrtrail.LEAK, '-all')
        cls.rows = {(row['kind'], row['name']): row for row in cls.document['rows']}

    def test_columns(self):
        wanted = 'kind trend count_change count bytes_change bytes bytes_per_hour name certainty steady count_per_hour counts sizes'
        self.assertEqual([column['name'] for column in self.document['columns']], wanted.split())

    def test_types_are_those_of_the_two_dumps(self):
        sums = []
        for dump in (FIXED, clrtrail.LEAK):
            sums.append({})
            for row in clrtrail.document(dump, 'type_histogram')['rows']:
                count, size = sums[-1].get(row['type'], (0, 0))
                sums[-1][row['type']] = count + row['count'], size + row['size']
        names = {name for kind, name in self.rows if kind == 'type'}
        self.assertEqual(names, set(sums[0]) | set(sums[1]))
        for name in names:
            row, first, last = self.rows['type', name], sums[0].get(name, (0, 0)), sums[1].get(name, (0, 0))
            self.assertEqual((row['counts'], row['sizes']), ([first[0], last[0]], [first[1], last[1]]))
            self.assertEqual((row['count_change'], row['bytes_change']), (last[0] - first[0], last[1] - first[1]))

    def test_ledger_and_findings(self):
        totals = [clrtrail.document(dump, 'ledger')['rows'][-1]['committed'] for dump in (FIXED, clrtrail.LEAK)]
        self.assertEqual(self.rows['memory', 'total']['sizes'], totals)
        finding = clrtrail.document(clrtrail.LEAK, 'findings')['rows'][0]
        row = self.rows['finding', ': '.join(filter(None, (finding['rule'], finding['held_by'])))]
        self.assertEqual((row['trend'], row['count'], row['certainty'], row['bytes']),
                         ('new', finding['count'], finding['certainty'], sum(cost['bytes'] for cost in finding['costs'])))

    def test_collections_are_found_again_by_their_path(self):
        paths = [{row['path']: row for row in clrtrail.document(dump, 'collection_paths')['rows']} for dump in (FIXED, clrtrail.LEAK)]
        both = set(paths[0]) & set(paths[1])
        self.assertTrue(both)
        for path in both:
            self.assertEqual(self.rows['collection', path]['counts'], [paths[0][path]['count'], paths[1][path]['count']])

    def test_only_growth_fails(self):
        self.assertEqual(clrtrail.run(FIXED, 'diff', clrtrail.LEAK, '-what', 'finding', '--fail-on', 'proven').returncode, 4)
        self.assertEqual(clrtrail.run(clrtrail.LEAK, 'diff', FIXED, '-what', 'finding', '--fail-on', 'hint').returncode, 0)
        self.assertEqual(clrtrail.run(clrtrail.LEAK, 'diff', clrtrail.LEAK, '-what', 'finding', '--fail-on', 'hint').returncode, 0)

    def test_a_dump_and_itself_are_the_same(self):
        rows = clrtrail.document(clrtrail.LEAK, 'diff', clrtrail.LEAK, clrtrail.LEAK)['rows']
        self.assertEqual(rows, [])

    def test_growth_per_hour_and_from_each_to_the_next(self):
        done = clrtrail.document(FIXED, 'diff', FIXED, clrtrail.LEAK, '-minutes', '30', '-what', 'module', '-all')
        grown = [row for row in done['rows'] if row['trend'] == 'grew']
        self.assertTrue(grown)
        for row in grown:
            self.assertEqual(row['count_per_hour'], row['count_change'] * 2)
            self.assertEqual((len(row['counts']), row['counts'][0], row['steady']), (3, row['counts'][1], False))

    def test_errors(self):
        for words, status in ((('nowhere.core',), 2), ((clrtrail.LEAK, '-what', 'fish'), 1), ((), 1)):
            done = clrtrail.run(FIXED, 'diff', *words)
            self.assertEqual((done.returncode, done.stdout), (status, ''), words)


class Diagnosis(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        clrtrail.fixture()
        cls.document = clrtrail.document(clrtrail.LEAK)

    def test_parts(self):
        self.assertLessEqual({'schema', 'tool', 'dump', 'ledger', 'findings', 'gaps'}, set(self.document))

    def test_uses_add_up_to_the_total(self):
        *uses, total = self.document['ledger']
        self.assertEqual(total['use'], 'total')
        self.assertEqual(sum(row['committed'] or 0 for row in uses), total['committed'])

    def test_findings_have_what_scripts_read(self):
        for number, finding in enumerate(self.document['findings'], 1):
            self.assertEqual(finding['id'], number)
            self.assertIn(finding['severity'], ('critical', 'warning', 'note'))
            self.assertIn(finding['certainty'], ('proven', 'likely', 'hint'))
            self.assertIn(finding['kind'], ('managed', 'loader', 'native', 'handles', 'threads', 'pool'))
            self.assertTrue(finding['title'] and finding['rule'])
            for cost in finding['costs']:
                self.assertIs(type(cost['bytes']), int)

    def test_the_documents_of_findings_exist(self):
        for finding in self.document['findings']:
            if 'doc' in finding:
                self.assertTrue((clrtrail.ROOT / finding['doc']).is_file(), finding['doc'])

    def test_the_leak_of_the_fixture_is_found(self):
        rules = {finding['rule']: finding for finding in self.document['findings']}
        self.assertIn('castle-proxy-generator', rules)
        self.assertEqual(rules['castle-proxy-generator']['certainty'], 'proven')


class Forms(unittest.TestCase):
    """The same rows as JSON, JSON lines and CSV."""

    def setUp(self):
        clrtrail.fixture()
        self.arguments = [clrtrail.LEAK, 'type_histogram', '--limit', '20']
        self.rows = clrtrail.document(*self.arguments)['rows']

    def test_json_lines(self):
        head, *rows = map(json.loads, clrtrail.run(*self.arguments, '--jsonl').stdout.splitlines())
        self.assertEqual(head['relation'], 'type_histogram')
        self.assertNotIn('rows', head)
        self.assertEqual(rows, self.rows)

    def test_csv(self):
        rows = list(csv.DictReader(io.StringIO(clrtrail.run(*self.arguments, '--csv').stdout)))
        self.assertEqual([row['type'] for row in rows], [row['type'] for row in self.rows])
        self.assertEqual([int(row['size']) for row in rows], [row['size'] for row in self.rows])

    def test_chosen_columns_in_their_order(self):
        document = clrtrail.document(*self.arguments, '--columns', 'size,type')
        self.assertEqual([column['name'] for column in document['columns']], ['size', 'type'])

    def test_where_sort_and_limit(self):
        rows = clrtrail.document(clrtrail.LEAK, 'type_histogram', '--where', 'size > 10000 and type ~ String', '--sort', 'size:desc', '--limit', '5')['rows']
        self.assertTrue(rows)
        self.assertLessEqual(len(rows), 5)
        self.assertTrue(all(row['size'] > 10000 and 'String' in row['type'] for row in rows))
        self.assertEqual([row['size'] for row in rows], sorted((row['size'] for row in rows), reverse=True))

    def test_several_commands_one_opening(self):
        done = clrtrail.run(clrtrail.LEAK, '-c', 'modules --limit 1 --json', '-c', 'types --limit 1 --json')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(re.findall(r'"relation": ?"(\w+)"', done.stdout), ['modules', 'types'])


class Status(unittest.TestCase):
    def setUp(self):
        clrtrail.fixture()

    def test_findings_do_not_fail_unless_asked(self):
        self.assertEqual(clrtrail.run(clrtrail.LEAK).returncode, 0)

    def test_fail_on(self):
        self.assertEqual(clrtrail.run(clrtrail.LEAK, '--fail-on', 'likely').returncode, 4)

    def test_unknown_command_names_the_nearest(self):
        done = clrtrail.run(clrtrail.LEAK, 'moduls')
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('modules', done.stderr)

    def test_unknown_option(self):
        self.assertEqual(clrtrail.run(clrtrail.LEAK, '--jsom').returncode, 1)

    def test_unknown_column(self):
        for option in ('--columns', '--where', '--sort'):
            self.assertEqual(clrtrail.run(clrtrail.LEAK, 'modules', option, {'--where': 'nme = 1'}.get(option, 'nme')).returncode, 1, option)

    def test_no_file(self):
        done = clrtrail.run('/no/such/file')
        self.assertEqual((done.returncode, done.stdout), (2, ''))
        self.assertIn('/no/such/file', done.stderr)


class WithoutTarget(unittest.TestCase):
    def test_version(self):
        done = clrtrail.run('version')
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r'^clrtrail \d+\.\d+\.\d+')

    def test_help(self):
        done = clrtrail.run('help')
        self.assertEqual(done.returncode, 0)
        for word in ('diagnose', 'modules', 'type_histogram', '--json', '--where'):
            self.assertIn(word, done.stdout.replace('-histogram', '_histogram'))

    def test_rules(self):
        done = clrtrail.run('rules')
        self.assertEqual(done.returncode, 0)
        self.assertIn('castle-proxy-generator', done.stdout)


if __name__ == '__main__':
    unittest.main()
