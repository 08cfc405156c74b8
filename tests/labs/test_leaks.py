"""Dumps the labs of managed leaks afresh and compares what the rules find with what each lab says of itself. Needs the .NET SDK and root.

`CLRTRAIL_LAB_DUMPS=DIR` takes DIR/LAB-VARIANT.core (with its .truth.json) where it exists, and makes it there where it does not.
"""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import clrtrail

# lab, variant, N: the one finding as {column: key of the truth, or a value}; None: silence.
LEAKS = [
    ('ef', 'leak', 40, {'rule': 'ef-service-provider-cache', 'certainty': 'proven', 'count': 'internal_providers', 'key': 'CoreOptionsExtension._memoryCache', 'root': 'holder'}),
    ('ef', 'leak-extension', 40, {'rule': 'ef-service-provider-cache', 'certainty': 'proven', 'count': 'internal_providers', 'key': 'TenantExtension', 'root': 'holder'}),
    ('ef', 'harmless', 40, None),
    ('ef', 'fixed', 40, None),
    ('ef', 'healthy', 40, None),
    ('cases', 'events', 500, {'rule': 'event-handlers', 'certainty': 'proven', 'count': 'handlers', 'type': 'target', 'root': 'holder'}),
    ('cases', 'timers', 500, {'rule': 'timers', 'certainty': 'proven', 'count': 'timers', 'type': 'target'}),
    ('cases', 'registrations', 500, {'rule': 'cancellation-registrations', 'certainty': 'proven', 'count': 'registrations', 'root': 'holder'}),
    ('cases', 'linked-tokens', 500, {'rule': 'cancellation-registrations', 'certainty': 'proven', 'count': 'registrations', 'root': 'holder'}),
    ('cases', 'providers', 500, {'rule': 'service-provider-not-disposed', 'certainty': 'proven', 'count': 'kept', 'root': 'holder'}),
    ('cases', 'http-clients', 500, {'rule': 'http-client-per-call', 'certainty': 'proven', 'count': 'clients', 'root': 'holder'}),
    ('cases', 'keys', 3000, {'rule': 'accumulation', 'certainty': 'proven', 'count': 'entries', 'type': 'key', 'root': 'holder'}),
    ('cases', 'growing', 500, {'rule': 'accumulation', 'certainty': 'hint', 'count': 'entries', 'type': 'element', 'root': 'holder'}),
    ('cases', 'gc-handles', 500, {'rule': 'gc-handles', 'certainty': 'proven', 'count': 'handles', 'type': 'type'}),
] + [('cases', name + '-fixed', 500, None) for name in
     ('events', 'timers', 'registrations', 'linked-tokens', 'providers', 'http-clients', 'keys', 'growing', 'gc-handles')]


LEAKS += [
    ('stuck', 'deadlock', 100, {'rule': 'deadlock', 'certainty': 'proven', 'count': 'threads'}),
    ('stuck', 'starvation', 100, {'rule': 'pool-starvation', 'certainty': 'proven', 'count': 'workers'}),
    ('stuck', 'threads', 100, {'rule': 'thread-per-call', 'certainty': 'likely', 'count': 'threads'}),
    ('stuck', 'finalizer', 100, {'rule': 'finalizer-blocked', 'certainty': 'proven', 'count': 'waiting_at_least'}),
    ('stuck', 'async', 100, None),
] + [('stuck', name + '-fixed', 100, None) for name in ('deadlock', 'starvation', 'threads', 'finalizer', 'async')]


# Cases whose truth names count and holder alike: rule, variant, certainty, key of the count, key of the type.
MANY = [
    ('regex-per-call', 'regexes', 'proven', 'regexes', 'type'),
    ('dynamic-method-per-call', 'compiled-lambdas', 'proven', 'methods', 'type'),
    ('serializer-options-per-call', 'serializer-options', 'proven', 'options', 'type'),
    ('file-watchers', 'watchers', 'proven', 'watchers', 'type'),
    ('options-listeners', 'options-listeners', 'proven', 'listeners', 'target'),
    ('token-timeouts', 'token-timeouts', 'proven', 'sources', 'type'),
    ('logger-categories', 'loggers', 'proven', 'loggers', 'type'),
    ('http-client-names', 'http-client-names', 'proven', 'handlers', 'type'),
    ('memory-cache-unlimited', 'memory-caches', 'proven', 'entries', None),
    ('scopes-not-disposed', 'scopes', 'proven', 'scopes', None),
    ('root-disposables', 'root-disposables', 'proven', 'captured', 'service'),
    ('metric-sources', 'meters', 'proven', 'meters', 'type'),
    ('pending-tasks', 'pending-tasks', 'proven', 'pending', None),
    ('semaphore-waiters', 'semaphore-waiters', 'likely', 'waiters', None),
    ('channel-backlog', 'channel-backlog', 'likely', 'entries', 'element'),
    ('load-contexts', 'load-contexts', 'proven', 'contexts', 'type'),
    ('thread-locals', 'thread-locals', 'proven', 'locals', 'type'),
    ('certificates', 'certificates', 'proven', 'certificates', 'type'),
    ('async-local-capture', 'async-locals', 'proven', 'contexts', 'type'),
    ('sql-connection-strings', 'sqlite-pools', 'proven', 'pools', 'type'),
    ('sql-connections-open', 'sqlite-connections', 'proven', 'connections', 'type'),
    ('assembly-copies', 'assembly-copies', 'proven', 'copies', None),
    ('generic-instantiations', 'generic-types', 'likely', 'types', 'generic'),
    ('closure-capture', 'closures', 'likely', 'closures', None),
    ('weak-table-values', 'weak-tables', 'likely', 'entries', 'key'),
    ('task-continuations', 'continuations', 'proven', 'continuations', None),
]
# Held by the queue of timers, too; by a static of the library; by nobody but the runtime.
NO_HOLDER = {'token-timeouts', 'http-client-names', 'sqlite-pools', 'assembly-copies', 'generic-types'}
for rule, variant, certainty, count, kind in MANY:
    expected = {'rule': rule, 'certainty': certainty, 'count': count}
    if kind:
        expected['type'] = kind
    if variant not in NO_HOLDER:
        expected['root'] = 'holder'
    LEAKS += [('cases', variant, 500, expected), ('cases', variant + '-fixed', 500, None)]
LEAKS += [('ef', 'tracking', 40, {'rule': 'db-context-tracking', 'certainty': 'likely', 'count': 'tracked', 'type': 'tracked_type', 'root': 'holder'}),
          ('ef', 'tracking-fixed', 40, None)]

# Where the truth is a bound: rule, variant, certainty, what the finding says of it, and the key of the truth that this is not below.
SIZES = [
    ('loh-fragmentation', 'large-holes', 'proven', lambda row: row['bytes'], lambda truth: truth['free_at_least']),
    ('pinning-holes', 'pinned-holes', 'proven', lambda row: {kind['name']: kind['count'] for kind in row['types']}['System.Byte[]'], lambda truth: truth['pinned']),
    ('gc-kept-memory', 'kept-memory', 'proven', lambda row: row['bytes'], lambda truth: truth['kept_at_least']),
    ('malloc-kept-memory', 'free-chunks', 'proven', lambda row: row['bytes'], lambda truth: truth['freed'] * 0.95),
    # Words that look like addresses by chance hide a few.
    ('native-blocks', 'native-blocks', 'proven', lambda row: row['count'], lambda truth: truth['blocks'] * 0.95),
    ('string-duplicates', 'texts', 'likely', lambda row: row['count'], lambda truth: truth['strings'] - truth['distinct']),
    ('array-pool-kept', 'array-pools', 'proven', lambda row: row['bytes'], lambda truth: truth['pooled']),
    # The first one stands on none.
    ('activities-not-stopped', 'activities', 'proven', lambda row: row['count'], lambda truth: truth['activities'] - 1),
    # The runtime has an array of its own there.
    ('pinned-object-heap', 'pinned-buffers', 'likely', lambda row: row['count'], lambda truth: truth['buffers']),
    ('thread-static-values', 'thread-statics', 'likely', lambda row: row['bytes'], lambda truth: truth['bytes']),
]
LEAKS += [('cases', variant + '-fixed', 500, None) for _, variant, _, _, _ in SIZES]
ENVIRONMENT = {'kept-memory': ['--env', 'DOTNET_GCRetainVM=1']}


class Leaks(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = os.environ.get('CLRTRAIL_LAB_DUMPS')
        if not cls.folder:
            if not shutil.which('dotnet'):
                raise unittest.SkipTest('no .NET SDK')
            handle = tempfile.TemporaryDirectory(prefix='clrtrail-labs-')
            cls.addClassCleanup(handle.cleanup)
            cls.folder = handle.name

    def dump(self, lab, variant, count):
        path = pathlib.Path(self.folder) / f'{lab}-{variant}.core'
        if not path.exists():
            environment = ENVIRONMENT.get(variant.removesuffix('-fixed'), [])
            subprocess.run([clrtrail.ROOT / 'labs/run', lab, variant, str(count), *environment, '-o', path], check=True, capture_output=True, timeout=600)
        return path, json.loads(pathlib.Path(f'{path}.truth.json').read_text())


def add_case(lab, variant, count, expected):
    def case(self):
        path, truth = self.dump(lab, variant, count)
        rows = clrtrail.document(path, 'findings')['rows']
        if not os.environ.get('CLRTRAIL_LAB_DUMPS'):
            path.unlink()
        if expected is None:
            self.assertEqual([row['title'] for row in rows], [])
            return
        self.assertEqual(len(rows), 1, [row['title'] for row in rows])
        row = rows[0]
        seen = {'rule': row['rule'], 'certainty': row['certainty'], 'count': row['count']}
        for name, found in (('key', [key['field'] for key in row['keys'] or []]), ('type', [kind['name'] for kind in row['types'] or []])):
            if name in expected:
                wanted = truth.get(expected[name], expected[name])
                self.assertIn(wanted, found)
                seen[name] = wanted
        if 'root' in expected:
            seen['root'] = row['holder']['root']['name']
        self.assertEqual(seen, {name: value if name == 'rule' else truth.get(value, value) for name, value in expected.items()})
        self.assertTrue((clrtrail.ROOT / row['doc']).exists(), row['doc'])
    setattr(Leaks, 'test_' + f'{lab}_{variant}'.replace('-', '_'), case)


def add_size(rule, variant, certainty, said, bound):
    def case(self):
        path, truth = self.dump('cases', variant, 500)
        rows = clrtrail.document(path, 'findings', '--columns', 'rule,certainty,count,types,doc,bytes')['rows']
        if not os.environ.get('CLRTRAIL_LAB_DUMPS'):
            path.unlink()
        self.assertEqual([(row['rule'], row['certainty']) for row in rows], [(rule, certainty)])
        self.assertGreaterEqual(said(rows[0]), bound(truth))
        self.assertLessEqual(said(rows[0]), bound(truth) * 2.2)
        self.assertTrue((clrtrail.ROOT / rows[0]['doc']).exists())
    setattr(Leaks, 'test_size_' + variant.replace('-', '_'), case)


for leak in LEAKS:
    add_case(*leak)
for size in SIZES:
    add_size(*size)


class Growth(unittest.TestCase):
    """Two runs of a lab, the later with more: what it kept is what grew."""

    def test_growing(self):
        folder = os.environ.get('CLRTRAIL_LAB_DUMPS')
        if not folder and not shutil.which('dotnet'):
            self.skipTest('no .NET SDK')
        with tempfile.TemporaryDirectory(prefix='clrtrail-labs-') as own:
            paths = [pathlib.Path(folder or own) / f'growing-{count}.core' for count in (100, 200, 300)]
            for path in paths:
                if not path.exists():
                    subprocess.run([clrtrail.ROOT / 'labs/run', 'cases', 'growing', path.stem[-3:], '-o', path], check=True,
                                   capture_output=True, timeout=600)
            truths = [json.loads(pathlib.Path(f'{path}.truth.json').read_text()) for path in paths]
            rows = clrtrail.document(paths[0], 'diff', *paths[1:])['rows']
        entries = [truth['entries'] for truth in truths]
        self.assertEqual([row['counts'] for row in rows if (row['kind'], row['name']) == ('collection', truths[0]['holder'])], [entries])
        elements = [row for row in rows if (row['kind'], row['name']) == ('type', truths[0]['element'])]
        self.assertEqual([(row['counts'], row['steady']) for row in elements], [(entries, True)])


class Stuck(unittest.TestCase):
    """What the lab of stuck work says of itself, told by the relations about threads, async methods and exceptions."""

    def rows(self, variant, *words):
        folder = os.environ.get('CLRTRAIL_LAB_DUMPS')
        path = pathlib.Path(folder or '.') / f'stuck-{variant}.core'
        if not folder or not path.exists():
            self.skipTest('no dump of the stuck lab')
        return clrtrail.document(path, *words)['rows'], json.loads(pathlib.Path(f'{path}.truth.json').read_text())

    def test_async_methods_wait_in_three_shapes(self):
        rows, truth = self.rows('async', 'dumpasync')
        prefix = 'Labs.Stuck.Async.'
        shapes = {}
        for row in rows:
            shapes.setdefault((row['shape'], row['count']), []).append(row['method'].removeprefix(prefix))
        self.assertEqual({(count, *methods) for (_, count), methods in shapes.items()}, {
            (truth['requests'], 'Reply', 'Ask', 'Request'), (truth['gates'], 'Gate'), (truth['fork'] * 2, 'Branch', 'Fork')})
        self.assertEqual({row['method']: row['line'] for row in rows}, {
            prefix + method: self.line(f'await {text}') for method, text in (
                ('Reply', 'source.Task'), ('Ask', 'Reply(id)'), ('Request', 'Ask(id)'), ('Gate', 'closedGate'), ('Fork', 'Task.WhenAll'), ('Branch', 'Task.Delay'))})

    def line(self, text):
        lines = (clrtrail.ROOT / 'labs/stuck/Async.cs').read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)

    def test_exceptions_are_where_they_were_thrown(self):
        rows, truth = self.rows('async', 'exceptions')
        thrown = [row for row in rows if row['type'] == truth['inner']]
        self.assertEqual([row['line'] for row in thrown], [truth['failure_line']] * (truth['failures'] + 1))
        outer = [row for row in rows if row['type'] == truth['failure']]
        self.assertEqual([row['inner_type'] for row in outer], [truth['inner']] * (truth['failures'] + 1))
        self.assertEqual(outer[-1]['message'], 'payment 7 failed')
        self.assertEqual([row['message'] for row in outer if row['handled_by']], ['payment 7 failed'])

    def test_timers_and_tasks_know_their_methods(self):
        rows, truth = self.rows('async', 'timers')
        beat = [row for row in rows if row['callback'] == 'Labs.Stuck.Async.Beat(System.Object)']
        self.assertEqual([(row['due_ms'], row['period_ms'], row['state']) for row in beat], [(truth['heartbeat_due'], truth['heartbeat_period'], '"beat"')])
        self.assertEqual(sorted(row['due_ms'] for row in rows if row['target_type'] is None), [hours * 3600_000 for hours in (1, 1.5, 2, 3)])
        rows, truth = self.rows('starvation', 'tasks')
        handlers = [row for row in rows if row['method'] == 'Labs.Stuck.Starvation+<>c__DisplayClass3_0.<Run>b__0()']
        statuses = [row['status'] for row in handlers]
        self.assertEqual((statuses.count('running'), statuses.count('waiting to run')), (truth['workers'], truth['requests'] - truth['workers']))

    def test_locks_have_owners_and_waiters(self):
        rows, truth = self.rows('deadlock', 'locks')
        there, back = truth['ids']
        self.assertEqual([(row['kind'], row['owner'], row['entering'], str(back) in (row['waiters'] or '').split(', ')) for row in rows if row['owner'] == there],
                         [('sync_block', there, 2, True)])
        rows, truth = self.rows('async', 'locks')
        self.assertEqual([(row['kind'], row['recursion']) for row in rows if row['type'] == truth['thin_lock']], [('thin', 1)])

    def test_the_deadlock_names_its_threads(self):
        rows, truth = self.rows('deadlock', 'deadlocks')
        self.assertEqual([(row['thread'], row['held_by'], row['type'], row['sure']) for row in rows],
                         [(truth['ids'][0], truth['ids'][1], truth['lock'], True), (truth['ids'][1], truth['ids'][0], truth['lock'], True)])
        self.assertEqual(self.rows('deadlock-fixed', 'deadlocks')[0], [])

    def test_the_pool_starves(self):
        rows, truth = self.rows('starvation', 'threadpool')
        # One work item more than the lab counted: the one that it waits with.
        self.assertEqual((rows[0]['workers'], rows[0]['queued'], rows[0]['on_tasks'], rows[0]['max']), (truth['threads'], truth['pending'] + 1, truth['workers'], truth['workers']))
        self.assertIn(truth['method'], rows[0]['sites'])


class Differ(unittest.TestCase):
    def test_each_field_for_its_reason(self):
        folder = os.environ.get('CLRTRAIL_LAB_DUMPS')
        path = pathlib.Path(folder or '.') / 'differ-1000.core'
        if not folder or not path.exists():
            self.skipTest('no dump of the differ lab')
        truth = json.loads(pathlib.Path(f'{path}.truth.json').read_text())
        holder = [row for row in clrtrail.document(path, 'statics', 'Labs.Differ.Cache')['rows'] if row['field'] == 'Answers']
        rows = clrtrail.document(path, 'differ', '-keys-of', holder[0]['object'], '-all')['rows']
        verdicts = {row['path'].removesuffix('._dateData'): row['verdict'] for row in rows}
        self.assertEqual({name: verdicts.get(name) for name in truth['verdicts']}, truth['verdicts'])


if __name__ == '__main__':
    unittest.main()
