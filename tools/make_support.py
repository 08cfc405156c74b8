#!/usr/bin/env python3
"""Writes docs/support.md from src/clr/layouts/*.json: which runtimes were proven how. `--check`: only says whether it is up to date."""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / 'docs/support.md'
SYSTEMS = {'linux': 'Linux', 'windows': 'Windows'}
# What a table must know for a part of the program to work; the parts that not every table has.
PARTS = {
    'load contexts': [('AssemblyBinder', 'AssemblyLoadContext')],
    'fields': [('EEClass', 'NumInstanceFields|FixedEEClassFields')],
    'statics': [('DynamicStaticsInfo', 'GCStatics')],
    'methods': [('EEClass', 'MethodDescChunk'), ('MethodDesc', 'Flags')],
    'stacks': [('Frame', 'Next')],
}
HEAD = '''# What was proven with which runtime

Made by `tools/make_support.py` from the tables in `src/clr/layouts`; CI fails when it is out of date.

A build is *proven* when dumps of it were read and compared with ClrMD driving the build's own DAC, value by value: modules, types with their names, objects and
bytes by type, GC segments, loader heap and code heap blocks, threads, handles; the minidumps by totals, the most frequent types and the kinds of heaps. Where no DAC of a build could be had, its row says
what it was compared with instead. Tables are chosen by the build (ELF build-id; timestamp and size of the PE image) where it is
one of these, else by major version, and then checked against the dump before they are used; `clrtrail DUMP layouts_used` says which way it was, row by row. `./dev labs --matrix` makes dumps of 3.1, 8, 9 and 10 on Linux anew, heap and full, with
each GC, and compares all of it again, together with the minidumps at hand.
'''
TAIL = '''
## Not proven on a real dump

| what | what happens |
|---|---|
| other builds of the versions above | the version's table, if its structures agree with the dump; what servicing is known to move (entries of the DAC table) is found by shape |
| .NET 5 and 7, .NET 3.1 on Windows | no table: neither a runtime of them could be had to measure one, nor the sources of exactly those releases. The nearest table whose structures agree with the dump, else what needs no runtime: memory, native modules, threads |
| a runtime newer than any table | the same; tried with dumps that claim to be .NET 99, alike and unlike |
| .NET 11 | its own descriptor (with its sub-descriptors), over the nearest table; tried with descriptors made in tests |
| arm64 | the table of 10.0 was checked on the memory of one real process (under qemu-user), without registers; no stacks are walked. Other versions: by the descriptor (.NET 9 and later) |
| musl | what needs no registers reads the same structures by the descriptor (.NET 9 and later); the dynamic section that musl leaves as it is in the file: tried with images made in tests |
| .NET Framework | recognised, with its version; its structures are not read: memory, native modules and threads only |
'''


def version_key(text):
    return [int(part) for part in text.split('.')]


def tables():
    for path in (ROOT / 'src/clr/layouts').glob('*.json'):
        system, arch, version = path.stem.split('-')
        yield system, arch, version, json.loads(path.read_text(encoding='utf-8'))


def parts_of(document):
    types = document['types']
    return {part: all(any(name in types.get(kind, {}) for name in field.split('|')) for kind, field in needed) for part, needed in PARTS.items()}


def page():
    rows = sorted(tables(), key=lambda row: (row[0], row[1], version_key(row[2])))
    lines = [HEAD, '## Proven', '', '| runtime | on | build | with |', '|---|---|---|---|']
    for system, arch, version, document in rows:
        for build in sorted(document['builds'], key=lambda b: version_key(b['version'])):
            lines.append(f"| .NET {build['version']} | {SYSTEMS[system]} {arch} | `{build['id']}` | {build['proof']} |")
    lines += ['', '## What the tables know', '', f"| table | rows | {' | '.join(PARTS)} |", '|---' * (2 + len(PARTS)) + '|']
    for system, arch, version, document in rows:
        count = sum(len([field for field in fields if field != '$']) for fields in document['types'].values())
        known = ' | '.join('yes' if has else 'no' for has in parts_of(document).values())
        lines.append(f"| {SYSTEMS[system]} {arch}, .NET {version} | {count} | {known} |")
    return '\n'.join(lines) + '\n' + TAIL


def main():
    text = page()
    if '--check' not in sys.argv[1:]:
        PAGE.write_text(text, encoding='utf-8')
        return None
    if not PAGE.exists() or PAGE.read_text(encoding='utf-8') != text:
        return 'docs/support.md is out of date: run tools/make_support.py'
    return None


if __name__ == '__main__':
    sys.exit(main())
