"""docs/support.md says what the layout tables say, and the tables name builds in the form in which they are looked up."""
import json
import re
import subprocess
import unittest

import clrtrail

LAYOUTS = clrtrail.ROOT / 'src/clr/layouts'


class Support(unittest.TestCase):
    def test_page_is_up_to_date(self):
        done = subprocess.run([clrtrail.ROOT / 'tools/make_support.py', '--check'], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_tables_name_their_sources_and_builds(self):
        for path in LAYOUTS.glob('*.json'):
            with self.subTest(path.name):
                document = json.loads(path.read_text())
                self.assertEqual([kind for kind, fields in document['types'].items() if not fields.get('$')], [])
                major = path.stem.split('-')[2]
                for build in document['builds']:
                    self.assertTrue(build['version'].startswith(major + '.'), build)
                    self.assertTrue(build['proof'])
                    form = r'[0-9a-f]{40}' if path.stem.startswith('linux') else r'[0-9A-F]{8}-[0-9a-f]+'
                    self.assertRegex(build['id'], re.compile(f'^{form}$'))


if __name__ == '__main__':
    unittest.main()
