#!/usr/bin/env python3
"""Damages copies of a dump and watches what clrtrail makes of them: `./dev damage FILE [--count N] [--seed N] [--commands ...]`.

N copies are cut off at random places, in N more random pages are overwritten. Each is given to some commands. Right is: no signal, exit status 0, 2 or 3, done within 10 s with less than 1 GiB of memory of its own, and a word
about what is missing where the file was cut off. The same seed damages the same way.
"""
import argparse
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
import clrtrail  # noqa: E402

COMMANDS = ['diagnose', 'modules', 'types', 'type_histogram']
PAGE = 4096
SECONDS = 10
OWN_MEMORY = 1 << 30
SANITIZED = 20  # a build with sanitizers may take so many times as long


def judge(arguments, file_size=0, seconds=SECONDS, statuses=(0, 2, 3), **options):
    """Runs clrtrail and returns (what is wrong or None, its output). Pages of a mapped file count as its own in ru_maxrss, so they are taken off."""
    program = os.environ.get('CLRTRAIL') or clrtrail.PROGRAM
    sanitized = 'asan' in program

    def limit():
        if not sanitized:
            resource.setrlimit(resource.RLIMIT_DATA, (4 * OWN_MEMORY, 4 * OWN_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    seconds *= SANITIZED if sanitized else 1
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([program, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=limit,
                                   cwd=clrtrail.FIXTURES, **options)
        deadline = time.monotonic() + seconds
        status = 0
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                process.kill()
                os.wait4(process.pid, 0)
                process.returncode = -9
                return f'not done within {seconds} s', ''
            time.sleep(0.002)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read(1 << 20).decode('utf-8', 'replace')
    own = usage.ru_maxrss * 1024 - file_size
    if process.returncode < 0:
        return f'killed by signal {-process.returncode}', text
    if process.returncode not in statuses:
        return f'exit status {process.returncode}', text
    if not sanitized and own > OWN_MEMORY:
        return f'{own >> 20} MiB of memory of its own', text
    if process.returncode == 2 and not text.strip():
        return 'failed without a word', text
    return None, text


def cut_off(path, count, seed):
    """Yields (description, says): the file at `path` gets shorter and shorter. `says`: the output must mention it."""
    size = path.stat().st_size
    draw = random.Random(seed)
    places = {draw.randrange(size) for _ in range(count * 3 // 4)} | {draw.randrange(min(size, 1 << 20)) for _ in range(count // 4)}
    for place in sorted(places, reverse=True):
        os.truncate(path, place)
        yield f'cut off at {place} of {size}', True


def spoil(content, draw):
    kind = draw.choice(['zero', 'ones', 'random', 'bits', 'other'])
    if kind == 'zero':
        return bytes(len(content))
    if kind == 'ones':
        return b'\xff' * len(content)
    if kind == 'random':
        return draw.randbytes(len(content))
    changed = bytearray(content)
    for _ in range(64 if kind == 'bits' else 8):
        at = draw.randrange(0, max(len(changed) - 8, 1))
        if kind == 'bits':
            changed[at] ^= 1 << draw.randrange(8)
        else:  # a word moved to another place: a valid pointer where another belongs
            there = draw.randrange(0, max(len(changed) - 8, 1)) & ~7
            changed[at & ~7:(at & ~7) + 8] = content[there:there + 8]
    return bytes(changed[:len(content)])


def overwrite(path, count, seed):
    """Yields a description for each case; the pages are put back afterwards. A quarter of the cases spoils the headers."""
    size = path.stat().st_size
    draw = random.Random(seed)
    for number in range(count):
        pages = draw.choice([1, 16, 256])
        end = min(size, 1 << 18) if number % 4 == 0 else size
        places = sorted({draw.randrange(end) // PAGE * PAGE for _ in range(pages)})
        kept = []
        with open(path, 'r+b') as file:
            for place in places:
                file.seek(place)
                kept.append(file.read(PAGE))
                file.seek(place)
                file.write(spoil(kept[-1], draw))
        yield f'{len(places)} pages overwritten, case {number}, seed {seed}', False
        with open(path, 'r+b') as file:
            for place, content in zip(places, kept):
                file.seek(place)
                file.write(content)


WORDS = ('gap', 'truncated', 'cut', 'ends', 'not in the dump', 'not in dump', 'could not', 'cannot', ' of ')


def run_cases(path, cases, commands):
    """Yields (description, command, what is wrong or None). `commands`: maps the number of a case to its commands."""
    for number, (description, must_tell) in enumerate(cases):
        for command in commands(number):
            size = path.stat().st_size
            wrong, text = judge([path, *command.split(), '--no-progress'], size)
            if not wrong and must_tell and not any(word in text for word in WORDS):
                wrong = 'no word about what is missing'
            yield description, command, wrong and f'{wrong}\n{text[-2000:]}'.rstrip()


def plain_copy(dump, folder):
    if str(dump).endswith('.zst'):
        return clrtrail.unpack(dump, folder)
    copy = pathlib.Path(folder) / pathlib.Path(dump).name
    shutil.copyfile(dump, copy)
    return copy


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file')
    parser.add_argument('--count', type=int, default=200, help='copies of each kind (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--commands', default=','.join(COMMANDS), help='separated by commas, each with its arguments (default: %(default)s)')
    parser.add_argument('--keep', metavar='COPY', help='stop at the first failure and leave the damaged copy there')
    options = parser.parse_args()
    good = bad = 0
    for kind in (overwrite, cut_off):
        with tempfile.TemporaryDirectory(prefix='clrtrail-damage-') as folder:
            copy = plain_copy(options.file, folder)
            for description, command, wrong in run_cases(copy, kind(copy, options.count, options.seed), lambda _: options.commands.split(',')):
                if wrong:
                    print(f'FAILED {command}: {description}: {wrong}', flush=True)
                    if options.keep:
                        shutil.copyfile(copy, options.keep)
                        return 1
                bad, good = bad + bool(wrong), good + (not wrong)
    print(f'{good} passed, {bad} failed, 0 skipped')
    return bad > 0


if __name__ == '__main__':
    sys.exit(main())
