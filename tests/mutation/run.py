#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py COUNT SEED DIR... - change COUNT places of the product, and see which the unit tests notice

README.md explains it. Works on a copy of the tree in build/mutation, which has three builds: one for
gcov, which says once for a state of the tree what each test program executes; a plain one, which
sees most changes and is quick; one with AddressSanitizer for the rest.
"""
import collections
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

from changes import changes_of, drawn

WORK = os.path.abspath('build/mutation')
TREE = f'{WORK}/tree'
COVERAGE = f'{WORK}/coverage'
MAP = f'{WORK}/map.json'
EQUIVALENTS = 'tests/mutation/equivalents'

# A change may make a warning true: -w.
BUILDS = {
    'coverage': ['CFLAGS=-O0 -g --coverage', 'SAN_FLAGS=-w'],
    'plain': ['CFLAGS=-O1 -g1', 'SAN_FLAGS=-w'],
    'asan': ['CFLAGS=-O1 -g1', 'SAN_FLAGS=-fsanitize=address -fno-omit-frame-pointer -w'],
}

# Seconds that a test of a changed program may take; the program, so many times what it took before,
# and so many more.
TEST_LIMIT = {'coverage': 120, 'plain': 20, 'asan': 60}
LIMIT_FACTOR = {'plain': 5, 'asan': 25}
LIMIT_MORE = 30

# Of the programs that execute a line, so many are tried, and so many with AddressSanitizer.
MOST = int(os.environ.get('MOST', 100))
ASAN_PROGRAMS = 3

# A change that allocates for ever must not take the machine with it.
ENV = dict(os.environ, ASAN_OPTIONS='hard_rss_limit_mb=2048', CK_TAP_LOG_FILE_NAME='-')


def die(message):
    sys.exit(f'mutation: {message}')


# --- the copy ---

def sources():
    out = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [f for f in out.splitlines() if os.path.isfile(f)]


def copy_tree():
    """Make TREE what the checkout is, and leave alone what is the same. Return: a hash of it."""
    digest = hashlib.sha256()
    wanted = sources()
    for file in wanted:
        with open(file, 'rb') as f:
            data = f.read()
        if file.endswith(('.c', '.h')) or 'Makefile' in file:
            digest.update(file.encode() + b'\0' + data)
        put(f'{TREE}/{file}', data)
        shutil.copymode(file, f'{TREE}/{file}')
    for directory, _, files in os.walk(TREE):
        for file in files:
            path = os.path.relpath(f'{directory}/{file}', TREE)
            if not path.startswith('build/') and path not in wanted:
                os.remove(f'{TREE}/{path}')
    return digest.hexdigest()


def put(path, data):
    if os.path.exists(path):
        with open(path, 'rb') as f:
            if f.read() == data:
                return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(data)


def make(build, *files, quiet=True):
    args = ['make', '-C', TREE, '-j2', '--no-print-directory', 'DEPS=no', 'LTO=',
            f'B=build/{build}', *BUILDS[build], 'build/traces/made',
            *(f'build/{build}/{f}' for f in files)]
    out = subprocess.DEVNULL if quiet else None
    return subprocess.run(args, stdout=out, stderr=out, check=False).returncode == 0


# --- test programs ---

def end(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(build, program, limit, **env):
    """Run a program until its first test fails. Return: None if none did, else which one."""
    env = dict(ENV, CK_DEFAULT_TIMEOUT=str(TEST_LIMIT[build]), **env)
    child = subprocess.Popen([f'build/{build}/tests/unit/{program}'], cwd=TREE, env=env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True, text=True,
                             errors='replace')
    late = threading.Event()
    timer = threading.Timer(limit, lambda: (late.set(), end(child)))
    timer.start()
    failed = None
    for line in child.stdout:
        m = re.match(r'not ok \d+ - [^:]*:[^:]*:(\w+)', line)
        if m:
            failed = m.group(1)
            break
    timer.cancel()
    end(child) if failed else child.wait()
    end(child)  # what the program has started
    child.stdout.close()
    child.wait()
    if late.is_set():
        return 'does not end'
    return failed or (f'status {child.returncode}' if child.returncode not in (0, 77) else None)


def executed_lines(program, files):
    """{file: {line: did @program execute it?}}"""
    data = []
    for file in files:
        stem = f'{TREE}/build/coverage/{file[:-2]}'
        written = f'{COVERAGE}/{program}{stem}'
        if os.path.exists(f'{written}.gcda'):
            shutil.copy(f'{stem}.gcno', f'{written}.gcno')
            data.append(f'{written}.gcda')
    lines = {}
    if not data:
        return lines
    out = subprocess.run(['gcov', '-t', '-j', *data], cwd=TREE, check=True, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    for report in filter(None, out.splitlines()):
        for file in json.loads(report)['files']:
            for line in file['lines']:
                of_file = lines.setdefault(file['file'], {})
                n = str(line['line_number'])
                of_file[n] = of_file.get(n, False) or line['count'] > 0
    return lines


def seconds_of(program):
    """How long an unchanged program takes. One that has failed may do better a second time."""
    for _ in range(3):
        start = time.monotonic()
        failure = run('coverage', program, 600, GCOV_PREFIX=f'{COVERAGE}/{program}')
        if not failure:
            return time.monotonic() - start
    return die(f'{program} fails without any change: {failure}')


def make_map(state, files):
    """{'seconds': {program: s}, 'lines': {file: {line: [program]}}} of this state of the tree."""
    if os.path.exists(MAP):
        with open(MAP, encoding='utf-8') as f:
            known = json.load(f)
        if known['state'] == [state, files]:
            return known
    programs = test_programs()
    make('coverage', *(f'tests/unit/{p}' for p in programs), quiet=False) or die('the tree does not build')
    shutil.rmtree(COVERAGE, ignore_errors=True)
    seconds, lines = {}, {}
    for i, program in enumerate(programs):
        print(f'what do the tests execute? {i + 1} of {len(programs)}: {program}', flush=True)
        seconds[program] = seconds_of(program)
        for file, executed in executed_lines(program, files).items():
            for n, count in executed.items():
                lines.setdefault(file, {}).setdefault(n, []).extend([program] if count else [])
    known = {'state': [state, files], 'seconds': seconds, 'lines': lines}
    with open(MAP, 'w', encoding='utf-8') as f:
        json.dump(known, f)
    shutil.rmtree(COVERAGE)
    return known


def test_programs():
    return sorted(os.path.basename(p)[:-2] for p in glob.glob('tests/unit/test_*.c'))


def programs_for(known, change):
    """The programs that execute the changed line; first those that execute most of its file in a
    second. A line without code, as in a table, counts as executed by all that execute something of
    the file."""
    lines = known['lines'].get(change.file, {})
    of_file = collections.Counter(p for programs in lines.values() for p in programs)
    found = lines.get(str(change.line), of_file)
    return sorted(set(found), key=lambda p: -of_file[p] / (0.5 + known['seconds'][p]))


# --- changes ---

def read_equivalents():
    """{(file, old, new): reason}"""
    known = {}
    with open(EQUIVALENTS, encoding='utf-8') as f:
        text = re.sub(r'^#.*\n', '', f.read(), flags=re.M)
    for block in filter(None, (b.strip('\n') for b in re.split(r'\n\s*\n', text))):
        m = re.fullmatch(r'(\S+)\n- (.*)\n\+ ?(.*)\n((?:  .*\n?)+)', block)
        if not m:
            die(f'{EQUIVALENTS}: not of the form file, - old, + new, reason:\n{block}')
        known[m.group(1), m.group(2), m.group(3)] = ' '.join(m.group(4).split())
    return known


def fails(known, build, program):
    """A test that has failed must do so again: a busy machine may be late once."""
    limit = LIMIT_MORE + LIMIT_FACTOR[build] * known['seconds'][program]
    failure = run(build, program, limit)
    return failure and (failure == 'does not end' or run(build, program, limit)) and failure


def try_change(known, change):
    """Return: (what became of it, by which program)."""
    programs = programs_for(known, change)[:MOST]
    if not programs:
        return 'survived', 'no test executes this line'
    path = f'{TREE}/{change.file}'
    with open(path, encoding='utf-8') as f:
        source = f.read()
    try:
        with open(path, 'w', encoding='utf-8') as f:
            f.write(source[:change.start] + change.put + source[change.end:])
        for build, tried in ('plain', programs), ('asan', programs[:ASAN_PROGRAMS]):
            for program in tried:
                if not make(build, f'tests/unit/{program}'):
                    return 'did not compile', ''
                failure = fails(known, build, program)
                if failure:
                    return 'noticed', f'{program}, {build}: {failure}'
        return 'survived', f'{len(programs)} programs execute it'
    finally:
        with open(path, 'w', encoding='utf-8') as f:
            f.write(source)


def show(change):
    print(f'    {change.file}:{change.line}\n    - {change.old}\n    + {change.new}', flush=True)


def main():
    if len(sys.argv) < 4:
        die('usage: run.py COUNT SEED DIR...')
    count, seed, rooms = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    only = os.environ.get('ONLY')  # a pattern: of the changes, those that match
    os.makedirs(WORK, exist_ok=True)
    lock = open(f'{WORK}/lock', 'w', encoding='utf-8')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        die('another run is using build/mutation')

    state = copy_tree()
    files = sorted(f for room in rooms for f in sources()
                   if f.startswith(room.rstrip('/') + '/') and f.endswith('.c'))
    if not files:
        die(f'no sources in {" ".join(rooms)}')
    known = make_map(state, files)
    for build in 'plain', 'asan':
        make(build, 'libpollux.a', quiet=False) or die('the tree does not build')
    changes = []
    for file in files:
        with open(file, encoding='utf-8') as f:
            changes += changes_of(file, f.read())
    equivalents = read_equivalents()
    names = {c.name() for c in changes}
    for file, old, new in equivalents:
        if file in files and (file, old, new) not in names:
            die(f'{EQUIVALENTS}: {file} has no such change any more:\n- {old}\n+ {new}')

    tally = dict.fromkeys(['noticed', 'survived', 'did not compile', 'known equivalent'], 0)
    survivors = []
    start = time.monotonic()
    for change in drawn(changes, seed):
        if tally['noticed'] + tally['survived'] == count:
            break
        if only and not re.search(only, f'{change.file}: {change.old} => {change.new}'):
            continue
        if change.name() in equivalents:
            outcome, by = 'known equivalent', ''
        else:
            outcome, by = try_change(known, change)
        tally[outcome] += 1
        if outcome == 'survived':
            survivors.append((change, by))
        tried = tally['noticed'] + tally['survived']
        so_far = int(time.monotonic() - start)
        print(f'{tried} of {count}, {so_far // 60}:{so_far % 60:02}: {outcome} '
              f'{f"({by})" if by else ""}')
        show(change)

    tried = tally['noticed'] + tally['survived']
    print(f'\nseed {seed} in {" ".join(rooms)}: {len(changes)} possible changes')
    for outcome, n in tally.items():
        print(f'  {outcome:18}{n:4}' +
              (f'  {100 * n / tried:.0f} %' if tried and outcome in ('noticed', 'survived') else ''))
    for change, by in survivors:
        print(f'\nsurvived: {by}')
        show(change)


if __name__ == '__main__':
    main()
