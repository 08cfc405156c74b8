"""Dumps the lab `values` afresh and compares what `dumpobj` shows of each field with what the lab says of itself. Needs the .NET SDK and root."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import clrtrail


def check(test, path, *options):
    """Every field of the lab's truth is shown so."""
    truth = json.loads(pathlib.Path(f'{path}.truth.json').read_text())
    type_name = truth['holder'].rpartition('.')[0]
    holder = clrtrail.document(path, 'objects', '--where', f"type = '{type_name}'", *options)['rows'][0]['address']
    rows = clrtrail.document(path, 'dumpobj', holder, *options)['rows']
    for field, text in truth['shown'].items():
        with test.subTest(field=field):
            values = [row['value'] for row in rows if row['name'] == field or row['name'].startswith(field + '.')]
            test.assertTrue(values, 'no such field')
            test.assertTrue(any(value is not None and (value == text or value.endswith(f'({text})')) for value in values),
                            f'{values}, expected {text}')


class Values(unittest.TestCase):
    def test_each_kind_of_value(self):
        folder = os.environ.get('CLRTRAIL_LAB_DUMPS')
        if not folder:
            if not shutil.which('dotnet'):
                self.skipTest('no .NET SDK')
            handle = tempfile.TemporaryDirectory(prefix='clrtrail-labs-')
            self.addCleanup(handle.cleanup)
            folder = handle.name
        path = pathlib.Path(folder) / 'values.core'
        if not path.exists():
            subprocess.run([clrtrail.ROOT / 'labs/run', 'values', '-o', path], check=True, capture_output=True, timeout=600)
        check(self, path)


if __name__ == '__main__':
    unittest.main()
