"""Compares what commands print with tests/golden/FIXTURE/NAME.out.

A case is one file: a line `$ clrtrail FIXTURE.core.zst ...` and below it what that prints, with addresses named by their order; what
went to standard error stands behind `! `, an exit status other than 0 in the last line. Several commands may stand in a file. To add a
case write the `$` line and run `./dev test --update-golden`; what that changes is to be read in review.
"""
import difflib
import os
import pathlib
import re
import shlex
import unittest

import clrtrail

GOLDEN = pathlib.Path(__file__).resolve().parent


def run(*words):
    """A program that is killed by a signal is never what was expected, not even when goldens are written anew."""
    done = clrtrail.run(*words)
    if done.returncode < 0:
        raise AssertionError(f'killed by signal {-done.returncode}: clrtrail {shlex.join(words)}')
    return done


def play(command):
    done = run(*shlex.split(command)[1:])
    printed = clrtrail.normalise(done.stdout)
    printed += ''.join(f'! {line}\n' for line in clrtrail.normalise(done.stderr).splitlines())
    return printed + (f'[exit status {done.returncode}]\n' if done.returncode else '')


class Golden(unittest.TestCase):
    maxDiff = None


def add_case(path):
    def case(self):
        clrtrail.fixture(f'{path.parent.name}.core.zst')
        expected = path.read_text(encoding='utf-8')
        commands = [line[2:] for line in expected.splitlines() if line.startswith('$ ')]
        printed = '\n'.join(f'$ {command}\n{play(command)}' for command in commands)
        if os.environ.get('UPDATE_GOLDEN'):
            path.write_text(printed, encoding='utf-8')
        elif printed != expected:
            lines = difflib.unified_diff(expected.splitlines(), printed.splitlines(), 'expected', 'printed', lineterm='', n=1)
            self.fail('\n'.join(list(lines)[:60]))
    name = f'{path.parent.name}_{path.stem}'.replace('-', '_')
    setattr(Golden, f'test_{name}', case)


class Readme(unittest.TestCase):
    """The output that README.md shows is what is printed; addresses may differ."""
    SAMPLE = re.compile(r'(?<=    \$ clrtrail his-leak\.core\.zst\n).*?(?=\n## )', re.S)

    def test_sample(self):
        clrtrail.fixture()
        path = clrtrail.ROOT / 'README.md'
        text = path.read_text(encoding='utf-8')
        printed = run(clrtrail.LEAK, '--sysroot', '.', '--quiet').stdout
        printed = ''.join('    ' * bool(line) + line + '\n' for line in printed.rstrip().splitlines())
        if os.environ.get('UPDATE_GOLDEN'):
            path.write_text(self.SAMPLE.sub(lambda _: printed, text, count=1), encoding='utf-8')
        else:
            self.assertEqual(clrtrail.normalise(self.SAMPLE.search(text)[0]), clrtrail.normalise(printed))


for golden in sorted(GOLDEN.glob('*/*.out')):
    add_case(golden)
