"""Commands on who leads to what, checked against each other and against `references`."""
import collections
import json
import unittest

import clrtrail


def rows(*words):
    return clrtrail.document(clrtrail.LEAK, *words)['rows']


def objects(name, limit='20'):
    return [row['address'] for row in rows('objects', '--where', f"type = '{name}'", '--limit', limit)]


class Paths(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        clrtrail.fixture()
        cls.leads_to = collections.defaultdict(set)
        for row in rows('references'):
            cls.leads_to[row['from']].add(row['to'])
        cls.proxies = [row['address'] for row in rows('dumpheap', '-live', '-type', 'ServiceProxy', '--limit', '5')]

    def reached(self, *addresses):
        seen, todo = set(addresses), list(addresses)
        while todo:
            new = self.leads_to[todo.pop()] - seen
            seen |= new
            todo += new
        return seen

    def test_a_way_that_the_path_from_the_root_takes(self):
        for proxy in self.proxies:
            path = [row['object'] for row in rows('gcroot', proxy, '-paths', '1')]
            way = rows('pathto', path[0], proxy)
            self.assertEqual(len(way), len(path))
            for before, after in zip(way, way[1:]):
                self.assertIn(after['object'], self.leads_to[before['object']])
                self.assertTrue(after['via'])

    def test_no_way(self):
        text = objects('System.String', '1')[0]
        self.assertEqual(rows('pathto', text, self.proxies[0]), [])
        self.assertEqual([row['object'] for row in rows('pathto', text, text)], [text])
        self.assertEqual(clrtrail.run(clrtrail.LEAK, 'pathto', text, '10').returncode, 2)

    def check_tree(self, tree):
        for i, row in enumerate(tree):
            below = []
            for other in tree[i + 1:]:
                if other['level'] <= row['level']:
                    break
                if other['level'] == row['level'] + 1:
                    below.append(other['paths'])
            self.assertEqual(below, sorted(below, reverse=True))
            self.assertIn(sum(below), (0, row['paths']))

    def test_paths_of_a_type_are_merged(self):
        tree = rows('gcroot', '--by', 'type', '-type', 'ServiceProxy', '-paths', '100000')
        live = sum(row['count'] for row in rows('dumpheap', '-stat', '-live', '-type', 'ServiceProxy'))
        self.assertEqual(sum(row['paths'] for row in tree if row['level'] == 0), live)
        self.assertLess(len(tree), live * 5)
        self.check_tree(tree)
        self.assertIn('His.Aop.ServiceLocator.cache', {row['step'] for row in tree})

    def test_paths_of_an_object_are_merged(self):
        builder = next(row['object'] for row in rows('gcroot', self.proxies[0], '-paths', '1')[:1])
        paths = {row['path'] for row in rows('gcroot', builder, '-paths', '1000')}
        tree = rows('gcroot', builder, '--by', 'type')
        self.assertEqual(tree, rows('merged_paths', builder))
        self.assertEqual(sum(row['paths'] for row in tree if row['level'] == 0), len(paths))
        self.check_tree(tree)

    def test_size_of_all(self):
        live = rows('dumpheap', '-stat', '-live')
        row = rows('objsize', '-all')[0]
        self.assertEqual((row['count'], row['size']), (sum(r['count'] for r in live), sum(r['size'] for r in live)))

    def test_size_of_a_type_counts_each_object_once(self):
        sizes = {row['address']: row['size'] for row in rows('objects')}
        builders = objects('System.Text.StringBuilder', '0')
        self.assertGreater(len(builders), 1)
        reached = self.reached(*builders)
        row = rows('objsize', '-type', 'System.Text.StringBuilder', '--columns', 'count,from_count')[0]
        self.assertGreaterEqual(row['count'], len(reached & sizes.keys()))
        self.assertGreaterEqual(row['from_count'], len(builders))

    def test_size_of_a_root(self):
        root = next(row for row in rows('roots') if row['name'] == 'His.Aop.ServiceLocator.cache')
        of_object = rows('objsize', root['object'])[0]
        of_root = rows('objsize', '-root', 'His.Aop.ServiceLocator.cache')[0]
        by_slot = rows('objsize', '-root', root['address'])[0]
        for row in of_root, by_slot:
            self.assertEqual((row['count'], row['size']), (of_object['count'], of_object['size']))

    def test_size_of_what(self):
        for words in ((), ('-all', '-type', 'x'), ('-root', 'no such root')):
            self.assertIn(clrtrail.run(clrtrail.LEAK, 'objsize', *words).returncode, (1, 2))


class Contents(unittest.TestCase):
    def setUp(self):
        clrtrail.fixture()

    def test_collections_that_are_hardly_used(self):
        every = {row['address']: row for row in rows('collections')}
        self.assertEqual({row['address'] for row in rows('collections', '-empty')}, {a for a, row in every.items() if row['count'] == 0})
        large = {row['address'] for row in rows('collections', '-oversized')}
        self.assertEqual(large, {a for a, row in every.items()
                                 if row['count'] is not None and row['capacity'] and row['count'] < row['capacity'] // 4})
        worst = [row['wasted'] for row in rows('collections', '-worst') if row['wasted'] is not None]
        self.assertEqual(worst, sorted(worst, reverse=True))
        self.assertTrue(all(row['wasted'] <= row['store_bytes'] for row in every.values() if row['wasted'] is not None))

    def test_boxes_of_numbers(self):
        commands = [word for address in objects('System.Byte', '0') for word in ('-c', f'dumpobj {address} --jsonl')]
        lines = [json.loads(line) for line in clrtrail.run(clrtrail.LEAK, *commands).stdout.splitlines()]
        values = collections.Counter(row['value'] for row in lines if row.get('name') == 'm_value')
        self.assertTrue(values)
        found = {row['preview']: row['count'] for row in rows('immutable', '-boxes') if row['type'] == 'System.Byte'}
        self.assertEqual(found, {value: count for value, count in values.items() if count > 1})

    def test_empty_arrays(self):
        found = {row['type']: row['count'] for row in rows('immutable', '-empty')}
        zero = collections.Counter(row['type'] for row in rows('objects', '--where', "type ~ '[]' and size = 24"))
        self.assertEqual(found, {name: count for name, count in zero.items() if count > 1 and name in found})
        self.assertTrue(found)

    def test_an_object_has_the_fields_of_its_class(self):
        version = objects('System.Version', '1')[0]
        mt = rows('dumpheap', '-stat', '-type', 'System.Version')[0]['method_table']
        of_class = {row['field']: row['offset'] for row in rows('dumpclass', mt, '--columns', 'all') if row['kind'] == 'instance'}
        self.assertEqual(of_class, {row['name']: row['offset'] for row in rows('dumpobj', version)})


if __name__ == '__main__':
    unittest.main()
