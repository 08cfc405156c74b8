"""Live processes: what is read of them, and that they come out of it unharmed, whenever and however we end."""
import os
import pathlib
import random
import shutil
import signal
import socket
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


# A process whose diagnostics port accepts, and then answers what it was told to.
PORT = r'''
import os, socket, sys
path = f'{os.environ["TMPDIR"]}/dotnet-diagnostic-{os.getpid()}-1-socket'
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
print('ready', flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(bytes.fromhex(sys.argv[1]))
    connection.close()
'''


class Port(unittest.TestCase):
    def answer(self, answer, expected):
        with clrtrail.Folder() as folder:
            process = subprocess.Popen([sys.executable, '-c', PORT, answer.hex()], stdout=subprocess.PIPE,
                                       env={**os.environ, 'TMPDIR': str(folder.path)})
            try:
                process.stdout.readline()
                done = clrtrail.run('snapshot', process.pid, '--port', '-o', folder.path / 'a.core.zst')
                self.assertEqual(done.returncode, 2)
                self.assertEqual(len(done.stderr.splitlines()), 1)
                self.assertRegex(done.stderr, expected)
                self.assertEqual([name for name in os.listdir(folder.path) if not name.endswith('-socket')], [])
            finally:
                process.kill()
                process.communicate()

    def test_nonsense(self):
        self.answer(b'HTTP/1.1 400 Bad Request', 'something else than its protocol')

    def test_nothing(self):
        self.answer(b'', 'hung up')

    def test_refusal(self):
        self.answer(b'DOTNET_IPC_V1\0\x18\0\xff\xff\0\0\x05\x40\x00\x80', '0x80004005')

    def test_said_done_and_sent_nothing(self):
        self.answer(b'DOTNET_IPC_V1\0\x18\0\xff\x00\0\0\0\0\0\0', 'sent nothing')

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
