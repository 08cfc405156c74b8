"""Which code does it: needs the his lab as `labs/run his leak` publishes it; its build is deterministic, so it fits the fixture."""
import unittest

import clrtrail

PUBLISHED = clrtrail.ROOT / 'build/labs/publish/his/release_leak'
SOURCE = clrtrail.ROOT / 'labs/his/Aop/ServiceLocator.cs'
IMAGES = ['--images', PUBLISHED]


class Code(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        clrtrail.fixture()
        if not (PUBLISHED / 'his.dll').exists():
            raise unittest.SkipTest('the lab his is not built')
        lines = SOURCE.read_text(encoding='utf-8').splitlines()
        cls.line = next(number for number, line in enumerate(lines, 1) if 'var generator = new ProxyGenerator()' in line)
        cls.calls = clrtrail.document(clrtrail.LEAK, 'callers', 'ProxyGenerator', *IMAGES)['rows']
        if cls.calls and cls.calls[0]['module'] != 'his':
            raise unittest.SkipTest('the lab his is another build than the fixture')

    def test_callers_have_the_line_of_the_source(self):
        call = self.calls[0]
        self.assertEqual(call['method'], 'His.Aop.ServiceLocator.Resolve')
        self.assertEqual((call['kind'], call['file'], call['line']), ('newobj', SOURCE.name, self.line))
        self.assertFalse(call['runs_once'])

    def test_the_finding_names_the_code(self):
        finding = clrtrail.document(clrtrail.LEAK, *IMAGES)['findings'][0]
        self.assertEqual(finding['code'], [{'method': 'His.Aop.ServiceLocator.Resolve', 'calls': 'ProxyGenerator..ctor',
                                            'file': SOURCE.name, 'line': self.line}])
        self.assertFalse([sentence for sentence in finding['evidence'] if '--images' in sentence])

    def test_people_read_it_in_one_line(self):
        printed = clrtrail.run(clrtrail.LEAK, *IMAGES).stdout
        self.assertIn(f'code      His.Aop.ServiceLocator.Resolve ({SOURCE.name}:{self.line}) calls new ProxyGenerator()\n', printed)

    def test_il_has_names_and_lines(self):
        rows = clrtrail.document(clrtrail.LEAK, 'dumpil', '-name', 'ServiceLocator.Resolve', *IMAGES)['rows']
        made = [row for row in rows if row['opcode'] == 'newobj' and 'ProxyGenerator' in row['operand']]
        self.assertEqual([row['operand'] for row in made], ['Void Castle.DynamicProxy.ProxyGenerator::.ctor()'])
        self.assertEqual(made[0]['line'], self.line)


if __name__ == '__main__':
    unittest.main()
