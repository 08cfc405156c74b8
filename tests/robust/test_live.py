"""Live processes: what is read of them, and that they come out of it unharmed, whenever and however we end."""
import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import unittest

import clrtrail

# A program of some threads that allocate, sleep and fork, so that threads come and go while it is read. It counts as long as it lives.
VICTIM = r'''
import mmap, os, sys, threading, time
block = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
block[:16 << 20] = b'\xa5' * (16 << 20)
def work():
    while True:
        threading.Thread(target=time.sleep, args=(0.001,)).start()
        time.sleep(0.002)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
count = 0
while True:
    count += 1
    os.pwrite(3, b'%012d' % count, 0)
    time.sleep(0.001)
'''


class Victim:
    def __enter__(self):
        self.counter = tempfile.TemporaryFile()
        self.process = subprocess.Popen([sys.executable, '-c', f'import os; os.dup2({self.counter.fileno()}, 3)\n' + VICTIM],
                                        pass_fds=[self.counter.fileno()], stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.wait_for_life()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.counter.close()

    def count(self):
        return int(os.pread(self.counter.fileno(), 12, 0) or 0)

    def wait_for_life(self):
        """It counts on: nothing holds it."""
        before, deadline = self.count(), time.monotonic() + 10
        while self.count() < before + 3:
            assert time.monotonic() < deadline, 'it stands still'
            time.sleep(0.002)

    def status(self, key):
        for line in pathlib.Path(f'/proc/{self.pid}/status').read_text().splitlines():
            if line.startswith(key + ':'):
                return line.split(':', 1)[1].strip()
        return None


class Growing(Victim):
    """It takes a MiB each 100 ms, and keeps it."""

    def __enter__(self):
        code = 'import time\nkept = []\nwhile True:\n    kept.append(bytearray(b"\\xa5" * (1 << 20)))\n    time.sleep(0.1)'
        self.process = subprocess.Popen([sys.executable, '-c', code], stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
# Memory of several kinds: touched and not, malloc's and mapped, and a thread.
QUIET = r'''
import mmap, threading, time
blocks = [bytearray(1000) for _ in range(5000)]
block = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
block[:16 << 20] = b'\xa5' * (16 << 20)
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
time.sleep(0.2)
print('ready', flush=True)
time.sleep(1000)
'''


class Ledger(unittest.TestCase):
    """The ledger of a process is what the kernel says of it, to the byte: it stands still meanwhile."""

    @staticmethod
    def smaps(pid):
        mappings = []
        for line in pathlib.Path(f'/proc/{pid}/smaps').read_text().splitlines():
            key, rest = line.split(None, 1) if ' ' in line else (line, '')
            if key.endswith(':'):
                if rest.endswith(' kB'):
                    mappings[-1][key[:-1]] = int(rest.split()[0]) << 10
            else:
                fields = line.split(None, 5)
                mappings.append({'protection': fields[1], 'name': fields[5] if len(fields) > 5 else ''})
        # Memory that nobody can touch is reserved only; [vvar] and [vsyscall] are the kernel's own, and cannot be dumped.
        return [m for m in mappings if m['protection'][:3] != '---' and not m['name'].startswith(('[vvar', '[vsyscall'))]

    def test_total_and_parts(self):
        process = subprocess.Popen([sys.executable, '-c', QUIET], stdout=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        process.stdout.readline()
        mappings = self.smaps(process.pid)
        ledger = {row['use']: row for row in clrtrail.document(f'pid:{process.pid}', 'ledger')['rows']}
        for column, name in ('resident', 'Rss'), ('private_dirty', 'Private_Dirty'):
            self.assertAlmostEqual(ledger['total'][column], sum(m[name] for m in mappings), delta=16 * 4096)
        rows = {use: row['committed'] for use, row in ledger.items()}
        total = rows.pop('total')
        self.assertEqual(sum(rows.values()), total)
        self.assertEqual(total, sum(m['Size'] for m in mappings))
        self.assertLessEqual(sum(m['Rss'] for m in mappings), total)
        # What was written lies where it can be written: not in files.
        written = sum(m['Private_Dirty'] for m in mappings if not m['name'].startswith('/'))
        self.assertGreaterEqual(written, 16 << 20)
        self.assertLessEqual(written, total - rows['native images'] - rows['mapped files'] + sum(
            m['Size'] for m in mappings if m['name'] == '' and m['Size'] < 1 << 20))
        stack = sum(m['Size'] for m in mappings if m['name'] == '[stack]')
        self.assertGreaterEqual(rows['thread stacks'], stack)
        files = sum(m['Size'] for m in mappings if m['name'].startswith('/'))
        self.assertLessEqual(files, rows['native images'] + rows['mapped files'])


# A process whose diagnostics port accepts, and then answers what it was told to.
PORT = r'''
import os, socket, sys, time
path = f'{os.environ["TMPDIR"]}/dotnet-diagnostic-{os.getpid()}-1-socket'
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
print('ready', flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    delay = float(sys.argv[2])
    answer = bytes.fromhex(sys.argv[1])
    for i in range(0, len(answer), 1 if delay else len(answer) or 1):
        connection.sendall(answer[i:i + 1] if delay else answer)
        time.sleep(min(delay, 3600))
    connection.close()
'''


class Listening:
    """A process with that port in `folder`; `delay`: seconds between two bytes, for ever with 'inf'."""

    def __init__(self, folder, answer, delay):
        self.process = subprocess.Popen([sys.executable, '-c', PORT, answer.hex(), delay], stdout=subprocess.PIPE,
                                        env={**os.environ, 'TMPDIR': str(folder.path)})

    def __enter__(self):
        self.process.stdout.readline()
        return self.process

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()



class Port(unittest.TestCase):
    def answer(self, answer, expected, delay='0'):
        with clrtrail.Folder() as folder, Listening(folder, answer, delay) as process:
            done = clrtrail.run('snapshot', process.pid, '--port', '-o', folder.path / 'a.core.zst')
            self.assertEqual(done.returncode, 2)
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertRegex(done.stderr, expected)
            self.assertEqual([name for name in os.listdir(folder.path) if not name.endswith('-socket')], [])

    def test_nonsense(self):
        self.answer(b'HTTP/1.1 400 Bad Request', 'something else than its protocol')

    def test_nothing(self):
        self.answer(b'', 'hung up')

    def test_refusal(self):
        self.answer(b'DOTNET_IPC_V1\0\x18\0\xff\xff\0\0\x05\x40\x00\x80', '0x80004005')

    def test_said_done_and_sent_nothing(self):
        self.answer(b'DOTNET_IPC_V1\0\x18\0\xff\x00\0\0\0\0\0\0', 'sent nothing')

    def test_pieces(self):
        """An answer that ends within its header, and one that promises more than comes."""
        self.answer(b'DOTNET_IPC_V1\0\x18', 'hung up')
        self.answer(b'DOTNET_IPC_V1\0\x18\0\xff\xff', 'hung up')
        self.answer(b'DOTNET_IPC_V1\0\x04\0\xff\xff\0\0', 'message of 4 bytes')
        self.answer(b'DOTNET_IPC_V1\0\x18\0\x09\x09\0\0\0\0\0\0', 'unknown message')

    def test_slowly(self):
        """A byte each 50 ms is an answer all the same."""
        self.answer(b'DOTNET_IPC_V1\0\x18\0\xff\xff\0\0\x05\x40\x00\x80', '0x80004005', delay='0.05')

    def test_not_at_all(self):
        with clrtrail.Folder() as folder, Listening(folder, b'DOTNET', 'inf') as process:
            run = subprocess.Popen([clrtrail.PROGRAM, 'snapshot', str(process.pid), '--port', '-o', str(folder.path / 'a.core.zst')],
                                   stderr=subprocess.PIPE, text=True)
            time.sleep(1)
            self.assertIsNone(run.poll(), 'it waits')
            run.send_signal(signal.SIGINT)
            message = run.communicate(timeout=10)[1]
            self.assertEqual((run.returncode, len(message.splitlines())), (130, 1), message)
            self.assertEqual([name for name in os.listdir(folder.path) if not name.endswith('-socket')], [])

    def test_no_port(self):
        with Victim() as victim, clrtrail.Folder() as folder:
            done = clrtrail.run('snapshot', victim.pid, '--port', '-o', folder.path / 'a.core')
            self.assertEqual((done.returncode, os.listdir(folder.path)), (2, []))
            self.assertIn('no diagnostics port', done.stderr)

    def test_somebody_else_listens(self):
        with Victim() as victim, clrtrail.Folder() as folder:
            path = f'/tmp/dotnet-diagnostic-{victim.pid}-1-socket'
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                try:
                    listener.listen()
                    done = clrtrail.run('snapshot', victim.pid, '--port', '-o', folder.path / 'a.core')
                finally:
                    os.unlink(path)
            self.assertEqual((done.returncode, os.listdir(folder.path)), (2, []))
            self.assertIn('not trusted', done.stderr)


class Live(unittest.TestCase):
    def assert_unharmed(self, victim):
        self.assertIsNone(victim.process.poll())
        victim.wait_for_life()
        for task in os.listdir(f'/proc/{victim.pid}/task'):
            try:
                text = pathlib.Path(f'/proc/{victim.pid}/task/{task}/status').read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            self.assertIn('TracerPid:\t0\n', text)

    def test_no_dotnet(self):
        with Victim() as victim:
            done = clrtrail.run(f'pid:{victim.pid}', 'modules')
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, r'no .*\.NET')
            self.assert_unharmed(victim)

    def test_mappings(self):
        with Victim() as victim:
            rows = clrtrail.document(f'pid:{victim.pid}', 'mappings', '--stop')['rows']
            self.assertTrue(any(row['size'] >= 32 << 20 and row['protection'] == 'rw-' for row in rows))
            self.assert_unharmed(victim)

    def test_no_such_process(self):
        for target in ('pid:0', 'pid:', 'pid:x', 'pid:-1', 'pid:99999999999', 'pid:2147483647'):
            done = clrtrail.run(target, 'modules')
            self.assertEqual(done.returncode, 2, target)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


    def test_snapshot_is_a_core(self):
        with Victim() as victim, clrtrail.Folder() as folder:
            for name in ('a.core', 'a.core.zst', 'heap.core.zst'):
                path = folder.path / name
                done = clrtrail.run('snapshot', victim.pid, '-o', path, *(['--heap'] if 'heap' in name else []))
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
                rows = clrtrail.document(path, 'mappings')['rows']
                block = [row for row in rows if row['size'] >= 32 << 20 and row['protection'] == 'rw-']
                self.assertTrue(block and block[0]['present'] == block[0]['size'])
                self.assertTrue(clrtrail.document(path, 'images')['rows'])
                self.assertEqual('left out on purpose' in clrtrail.run(path, 'mappings').stdout, 'heap' in name)
                self.assert_unharmed(victim)
            self.assertEqual(sorted(os.listdir(folder.path)), ['a.core', 'a.core.zst', 'heap.core.zst'])
            plain = (folder.path / 'a.core').read_bytes()
            self.assertIn(b'\xa5' * (16 << 20), plain)

    def test_what_exists_stays(self):
        with Victim() as victim, clrtrail.Folder() as folder:
            (folder.path / 'link.core').symlink_to(folder.path / 'elsewhere')
            folder.write('there.core', 'mine')
            for name in ('link.core', 'there.core'):
                self.assertNotEqual(clrtrail.run('snapshot', victim.pid, '-o', folder.path / name).returncode, 0)
            self.assertEqual((folder.path / 'there.core').read_text(), 'mine')
            self.assertEqual(sorted(os.listdir(folder.path)), ['link.core', 'there.core'])

    def test_full_disk(self):
        with Victim() as victim, clrtrail.Folder() as folder:
            limited = ['prlimit', '--fsize=1000000', clrtrail.PROGRAM, 'snapshot', str(victim.pid), '-o', str(folder.path / 'a.core')]
            done = subprocess.run(limited, capture_output=True, preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
            self.assertEqual(done.returncode, 2)
            self.assertEqual(os.listdir(folder.path), [])
            self.assert_unharmed(victim)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which('unshare'), 'needs root')
    def test_full_file_system(self):
        """A disk of 1 MB, full before the end: nothing is left on it."""
        with Victim() as victim, clrtrail.Folder() as folder:
            script = 'mount -t tmpfs -o size=1m full "$1" || exit 77; "$2" snapshot "$3" -o "$1/$4"; echo $?; ls -A "$1"'
            for name in ('a.core', 'a.core.zst'):
                # What is packed well fits into a MB: the victim's memory is not all the same.
                done = subprocess.run(['unshare', '-m', 'bash', '-c', script, 'sh', str(folder.path), clrtrail.PROGRAM, str(victim.pid), name],
                                      capture_output=True, text=True)
                if done.returncode == 77 or done.stderr.startswith('unshare:'):
                    self.skipTest('may not mount')
                self.assertEqual(done.stdout, '2\n', done.stderr)
                self.assertIn('No space left', done.stderr)
                self.assert_unharmed(victim)

    def test_ps_leaves_out_what_is_no_dotnet(self):
        with Victim() as victim:
            self.assertNotIn(victim.pid, [row['pid'] for row in clrtrail.document('ps')['rows']])

    def test_two_at_once(self):
        with Victim() as victim, clrtrail.Folder() as folder:
            runs = [subprocess.Popen([clrtrail.PROGRAM, 'snapshot', str(victim.pid), '-o', str(folder.path / name)],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for name in ('a.core.zst', 'b.core.zst')]
            for run in runs:
                # One may find the other tracing, which is a gap or a plain error, never a hang.
                self.assertIn(run.wait(60), (0, 2))
            self.assert_unharmed(victim)

    def test_ended_any_time(self):
        """200 ends at random moments."""
        chance = random.Random(4711)
        with Victim() as victim, clrtrail.Folder() as folder:
            for i in range(200):
                commands = [[f'pid:{victim.pid}', 'mappings', '--stop'], [f'pid:{victim.pid}', 'modules'],
                            ['snapshot', str(victim.pid), '-o', str(folder.path / f'{i}.core.zst')]]
                run = subprocess.Popen([clrtrail.PROGRAM, *commands[i % 3]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(chance.random() * 0.06)
                run.send_signal(chance.choice([signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGKILL]))
                run.wait(60)
                victim.wait_for_life()
                if i % 20 == 0:
                    self.assert_unharmed(victim)
            self.assert_unharmed(victim)

    def test_victim_ends_meanwhile(self):
        chance = random.Random(7)
        for i in range(20):
            with Victim() as victim, clrtrail.Folder() as folder:
                command = [['snapshot', str(victim.pid), '-o', str(folder.path / 'a.core.zst'), '--no-stop'],
                           [f'pid:{victim.pid}', 'mappings']][i % 2]
                run = subprocess.Popen([clrtrail.PROGRAM, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                time.sleep(chance.random() * 0.03)
                victim.process.kill()
                message = run.communicate(timeout=60)[1]
                self.assertIn(run.returncode, (0, 2), message)

    def test_victim_becomes_another_program(self):
        with clrtrail.Folder() as folder:
            for delay in (0, 0.005, 0.02):
                process = subprocess.Popen(['bash', '-c', 'read; exec sleep 60'], stdin=subprocess.PIPE)
                run = subprocess.Popen([clrtrail.PROGRAM, 'snapshot', str(process.pid), '--no-stop', '-o', str(folder.path / f'{delay}')],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(delay)
                process.stdin.write(b'\n')
                process.stdin.flush()
                self.assertIn(run.wait(60), (0, 2))
                process.kill()
                process.communicate()

    def watch(self, victim, *arguments):
        done = clrtrail.run(f'pid:{victim.pid}', 'watch', *arguments)
        if 'built without SQLite' in done.stderr:
            self.skipTest('built without SQLite')
        return done

    def test_watch_tells_what_grows(self):
        with clrtrail.Folder() as folder, Growing() as growing:
            path, snapshot = folder.path / 'w.db', folder.path / 'a.core.zst'
            done = self.watch(growing, '--every', '200ms', '--count', '15', '--full', '--db', path,
                              '--snapshot-when', 'total > 1', '-o', snapshot)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r'(?m)^resident +\d.* \+[\d.]+ MiB +\+')
            self.assertRegex(done.stdout, r'(?m)^limit: .* reaches in \d')
            self.assertRegex(done.stdout, r'(?m)^own cost: \d+ ms .* 15 of 15 times$')
            self.assertEqual(sum(line.startswith('20') for line in done.stdout.splitlines()), 15)
            self.assertEqual([stat.S_IMODE(file.stat().st_mode) for file in (path, snapshot)], [0o600, 0o600])
            with contextlib.closing(sqlite3.connect(path)) as database:
                values = [row[0] for row in database.execute(
                    "SELECT value FROM value JOIN metric ON metric.id = metric WHERE name = 'resident' ORDER BY sample")]
            self.assertEqual(len(values), 15)
            self.assertGreater(values[-1], values[0] + (4 << 20))
            self.assertTrue(clrtrail.document(snapshot, 'mappings')['rows'])
            self.assertIsNone(growing.process.poll())

    def test_watch_ends_with_the_process(self):
        with Victim() as victim:
            run = subprocess.Popen([clrtrail.PROGRAM, f'pid:{victim.pid}', 'watch', '--every', '100ms'], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            line = run.stdout.readline()
            victim.process.kill()
            victim.process.wait()
            output, message = run.communicate(timeout=60)
            if 'built without SQLite' in message:
                self.skipTest('built without SQLite')
            self.assertRegex(line, 'resident')
            self.assertEqual(run.returncode, 0, message)
            self.assertIn('the process has ended', message)
            self.assertIn('own cost', output)

    def test_watch_is_interrupted(self):
        with Victim() as victim:
            run = subprocess.Popen([clrtrail.PROGRAM, f'pid:{victim.pid}', 'watch', '--every', '1h'], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            line = run.stdout.readline()
            run.send_signal(signal.SIGINT)
            output, message = run.communicate(timeout=60)
            if 'built without SQLite' in message:
                self.skipTest('built without SQLite')
            self.assertEqual((run.returncode, message), (0, ''))
            self.assertIn('own cost', output)
            self.assert_unharmed(victim)

    def test_watch_says_what_is_wrong(self):
        with Victim() as victim, clrtrail.Folder() as folder:
            notes = folder.write('notes', 'mine\n' * 100)
            for arguments in (['--every', '1d'], ['--snapshot-when', 'total > 1'], ['--db'], ['--db', notes], ['--json'], ['more'],
                              ['--snapshot-when', 'total', '-o', folder.path / 'a.core']):
                done = self.watch(victim, *arguments)
                self.assertIn(done.returncode, (1, 2), arguments)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertEqual(notes.read_text(), 'mine\n' * 100)
            self.assertEqual(os.listdir(folder.path), ['notes'])

    def test_process_tells_what_the_kernel_tells(self):
        with Victim() as victim:
            row, = clrtrail.document(f'pid:{victim.pid}', 'process')['rows']
            self.assertEqual(row['pid'], victim.pid)
            self.assertAlmostEqual(row['resident'], int(victim.status('VmRSS').split()[0]) << 10, delta=8 << 20)
            self.assertLess(abs(row['started'] - time.time()), 60)
            self.assertGreater(row['limit'], row['resident'])

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which('setpriv'), 'needs root')
    def test_missing_right(self):
        program = shutil.copy(clrtrail.PROGRAM, tempfile.mkdtemp())
        os.chmod(os.path.dirname(program), 0o755)
        with Victim() as victim:
            done = subprocess.run(['setpriv', '--reuid=65534', '--clear-groups', program, f'pid:{victim.pid}', 'modules'],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertRegex(done.stderr, 'CAP_SYS_PTRACE.*--cap-add SYS_PTRACE.*kubectl debug')
        shutil.rmtree(os.path.dirname(program))


if __name__ == '__main__':
    unittest.main()
