"""The ledger in its forms: they tell the same bytes."""
import unittest

import clrtrail


class Ledger(unittest.TestCase):
    def rows(self, *arguments):
        return {row['use']: row for row in clrtrail.document(clrtrail.fixture(), 'ledger', *arguments)['rows']}

    def test_live_and_dead_add_up_to_the_generation(self):
        plain, split = self.rows(), self.rows('-live')
        self.assertEqual(sum(row['committed'] for row in split.values()), 2 * plain['total']['committed'])
        for use in 'gen0', 'gen1', 'gen2', 'LOH', 'POH', 'frozen':
            whole = plain.get(f'GC heap {use}', {'committed': 0})['committed']
            parts = [split[name]['committed'] for name in split if name.startswith(f'GC heap {use}, ')]
            self.assertEqual(sum(parts), whole, use)

    def test_live_objects_are_those_of_the_histogram_that_are_reached(self):
        counted = sum(row['count'] for row in clrtrail.document(clrtrail.fixture(), 'type_histogram')['rows'])
        split = self.rows('-live')
        self.assertEqual(sum(row['count'] or 0 for use, row in split.items() if use.startswith('GC heap ') and
                             use.rsplit(', ')[-1] in ('live', 'dead', 'free')), counted)

    def test_chart(self):
        done = clrtrail.run(clrtrail.fixture(), 'ledger', '--chart')
        self.assertEqual(done.returncode, 0)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0].split(), ['use', 'committed', 'share', 'bar'])
        largest = lines[1]
        share = float(largest.split(' %')[0].split()[-1])
        self.assertEqual(largest.count('\u2588'), int(share / 100 * 40))

    def test_not_in_machine_output(self):
        self.assertNotIn('bar', self.rows()['total'])


if __name__ == '__main__':
    unittest.main()
