#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py COUNT SEED DIR... - change COUNT places of the product, and see which the unit tests notice

README.md explains it. Works on a copy of the tree in build/mutation, which has three builds: one for
gcov, which says what each test program executes; a plain one, which sees most changes and is quick;
one with AddressSanitizer for the rest. A changed source is compiled to an object of its own, which
replaces the one of the library in the programs that execute the line.
"""
import concurrent.futures
import fcntl
import glob
import hashlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
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

# Tests wait more than they compute: more of them at a time than there are CPUs.
JOBS = int(os.environ.get('JOBS', 2 * len(os.sched_getaffinity(0))))

# Of the programs that execute a line, so many are tried.
MOST = int(os.environ.get('MOST', 100))

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
    """Make TREE what the checkout is, and leave alone what is the same."""
    wanted = sources()
    for file in wanted:
        with open(file, 'rb') as f:
            put(f'{TREE}/{file}', f.read())
        shutil.copymode(file, f'{TREE}/{file}')
    for directory, _, files in os.walk(TREE):
        for file in files:
            path = os.path.relpath(f'{directory}/{file}', TREE)
            if not path.startswith('build/') and path not in wanted:
                os.remove(f'{TREE}/{path}')


def state_of(program):
    """A hash of the sources of one program. Other files of the test directories are not in it."""
    digest = hashlib.sha256()
    for file in sources():
        other = file.startswith('tests/') and not file.startswith('tests/unit/') \
            or os.path.basename(file).startswith('test_')
        if file == f'tests/unit/{program}.c' or file == 'Makefile' \
                or file.endswith(('.c', '.h')) and not other:
            with open(file, 'rb') as f:
                digest.update(file.encode() + b'\0' + f.read())
    return digest.hexdigest()


def put(path, data):
    if os.path.exists(path):
        with open(path, 'rb') as f:
            if f.read() == data:
                return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(data)


def make(build, programs, *options, **how):
    return subprocess.run(['make', '-C', TREE, '-j2', '--no-print-directory', 'DEPS=no', 'LTO=',
                           f'B=build/{build}', *BUILDS[build], *options, 'build/waits/made',
                           *(f'build/{build}/tests/unit/{p}' for p in programs)],
                          text=True, check=False, **how)


def commands(build, programs):
    """{object or program: the command that makes it}, of a build that is complete."""
    out = make(build, programs, '--always-make', '--dry-run', 'V=1', stdout=subprocess.PIPE).stdout
    return {m.group(1): m.group() for m in re.finditer(r'^.* -o (\S+) .*$', out, re.M)}


# --- test programs ---

def end(child):
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(build, path, limit, **env):
    """Run a program until its first test fails. Return: None if none did, else which one."""
    env = dict(ENV, CK_DEFAULT_TIMEOUT=str(TEST_LIMIT[build]), **env)
    child = subprocess.Popen([path], cwd=TREE, env=env,
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


def measure(program, files):
    """What the unchanged @program takes, and what it executes. One that has failed may do better a
    second time."""
    for _ in range(3):
        start = time.monotonic()
        failure = run('coverage', f'build/coverage/tests/unit/{program}', 600,
                      GCOV_PREFIX=f'{COVERAGE}/{program}')
        seconds = time.monotonic() - start
        if not failure:
            return {'seconds': seconds, 'lines': executed_lines(program, files)}
    print(f'{program} fails without any change, so it is left out: {failure}', flush=True)
    return None


def make_map(files):
    """{program: {'state': hash, 'seconds': s, 'lines': {file: {line: executed?}}}}"""
    known = {}
    if os.path.exists(MAP):
        with open(MAP, encoding='utf-8') as f:
            known = json.load(f)
    states = {p: state_of(p) + ' '.join(files) for p in test_programs()}
    missing = [p for p in states if known.get(p, {}).get('state') != states[p]]
    if missing:
        make('coverage', missing).returncode and die('the tree does not build')
    shutil.rmtree(COVERAGE, ignore_errors=True)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for program, found in zip(missing, pool.map(lambda p: measure(p, files), missing)):
            if found:
                print(f'what does {program} execute? {found["seconds"]:.0f} s', flush=True)
                known[program] = dict(found, state=states[program])
                put(MAP, json.dumps(known).encode())
    shutil.rmtree(COVERAGE, ignore_errors=True)
    return {p: known[p] for p in states if known.get(p, {}).get('state') == states[p]}


def test_programs():
    return sorted(os.path.basename(p)[:-2] for p in glob.glob('tests/unit/test_*.c'))


def programs_for(known, change):
    """The programs that execute the changed line; first those that execute most of its file in a
    second. A line without code, as in a table, counts as executed by all that execute something of
    the file."""
    found = {}
    for program, of in known.items():
        lines = of['lines'].get(change.file, {})
        if lines.get(str(change.line), any(lines.values())):
            found[program] = sum(lines.values()) / (0.5 + of['seconds'])
    return sorted(found, key=lambda p: -found[p])


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


def fails(known, build, program, path):
    """A test that has failed must do so again: a busy machine may be late once."""
    limit = LIMIT_MORE + LIMIT_FACTOR[build] * known[program]['seconds']
    failure = run(build, path, limit)
    return failure and (failure == 'does not end' or run(build, path, limit)) and failure


def try_change(known, how, change):
    """Return: (what became of it, by which program)."""
    programs = programs_for(known, change)[:MOST]
    if not programs:
        return 'survived', 'no test executes this line'
    with open(f'{TREE}/{change.file}', encoding='utf-8') as f:
        source = f.read()
    with tempfile.TemporaryDirectory(dir=WORK) as place:
        changed = f'{place}/changed.c'
        put(changed, (source[:change.start] + change.put + source[change.end:]).encode())
        for build in 'plain', 'asan':
            target = f'build/{build}/{change.file[:-2]}.o'
            if not execute(how[build][target].replace(f'-o {target} {change.file}',
                                                      f'-o {place}/changed.o {changed}')):
                return 'did not compile', ''
            for program in programs:
                target = f'build/{build}/tests/unit/{program}'
                link = how[build][target].replace(f'-o {target} ', f'-o {place}/{program} ')
                archive = f'build/{build}/libpollux.a'
                execute(link.replace(archive, f'{place}/changed.o {archive}')) or \
                    die(f'{program} cannot be linked with a changed {change.file}')
                failure = fails(known, build, program, f'{place}/{program}')
                if failure:
                    return 'noticed', f'{program}, {build}: {failure}'
        return 'survived', f'{len(programs)} programs execute it'


def equivalent(known, how, change):
    return 'known equivalent', ''


def execute(command):
    return subprocess.run(command, shell=True, cwd=TREE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0


def show(change):
    print(f'    {change.file}:{change.line}\n    - {change.old}\n    + {change.new}', flush=True)


def main():
    if len(sys.argv) < 4:
        die('usage: run.py COUNT SEED DIR...')
    count, seed, rooms = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    only = os.environ.get('ONLY')  # a pattern: of the changes, those that match
    # A shell that runs this in the background has these ignored, and the tests would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    os.makedirs(WORK, exist_ok=True)
    lock = open(f'{WORK}/lock', 'w', encoding='utf-8')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        die('another run is using build/mutation')

    copy_tree()
    files = sorted(f for room in rooms for f in sources()
                   if f.startswith(room.rstrip('/') + '/') and f.endswith('.c'))
    if not files:
        die(f'no sources in {" ".join(rooms)}')
    known = make_map(files)
    how = {}
    for build in 'plain', 'asan':
        make(build, known).returncode and die('the tree does not build')
        how[build] = commands(build, known)
    changes = []
    for file in files:
        with open(file, encoding='utf-8') as f:
            changes += changes_of(file, f.read())
    equivalents = read_equivalents()
    names = {c.name() for c in changes}
    for file, old, new in equivalents:
        if file in files and (file, old, new) not in names:
            die(f'{EQUIVALENTS}: {file} has no such change any more:\n- {old}\n+ {new}')

    wanted = (c for c in drawn(changes, seed)
              if not only or re.search(only, f'{c.file}: {c.old} => {c.new}'))
    tally = dict.fromkeys(['noticed', 'survived', 'did not compile', 'known equivalent'], 0)
    survivors = []
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        running = {}
        while True:
            tried = tally['noticed'] + tally['survived']
            for change in itertools.islice(wanted, max(0, min(JOBS, count - tried) - len(running))):
                running[pool.submit(equivalent if change.name() in equivalents else try_change,
                                    known, how, change)] = change
            if not running:
                break
            for ended in concurrent.futures.wait(
                    running, return_when=concurrent.futures.FIRST_COMPLETED).done:
                change = running.pop(ended)
                outcome, by = ended.result()
                tally[outcome] += 1
                if outcome == 'survived':
                    survivors.append((change, by))
                so_far = int(time.monotonic() - start)
                print(f'{tally["noticed"] + tally["survived"]} of {count}, '
                      f'{so_far // 60}:{so_far % 60:02}: {outcome} {f"({by})" if by else ""}')
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
