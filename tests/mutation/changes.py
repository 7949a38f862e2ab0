# SPDX-License-Identifier: MIT
"""The changes that can be made to a C source: each replaces one token, condition or call.

A source is read as tokens, not parsed. What it relies on is the formatter: a binary operator has a
space on both sides, a pointer's star does not.
"""
import hashlib
import re
from dataclasses import dataclass

TOKEN = re.compile(
    r'(?P<space>\s+|//[^\n]*|/\*.*?\*/)'
    r'|(?P<hash>^[ \t]*#(?:[^\n]*\\\n)*[^\n]*)'
    r'|(?P<text>"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\')'
    r'|(?P<name>[A-Za-z_]\w*)'
    r'|(?P<number>\d[\w.]*)'
    r'|(?P<sign><<=|>>=|\.\.\.|->|\+\+|--|<<|>>|[-+*/%&|^<>=!]=|&&|\|\||.)',
    re.S | re.M)

OPERATORS = {
    '<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==', '&&': '||', '||': '&&',
    '+': '-', '-': '+', '*': '+', '/': '*', '%': '+', '&': '|', '|': '&', '<<': '>>', '>>': '<<',
    '+=': '-=', '-=': '+=', '|=': '&=', '&=': '|=',
}
WORDS = {'true': 'false', 'false': 'true'}

# Checks of the program itself; barriers, which tests/model is for; hints to the CPU.
LEFT_OUT = {'assert', '_Static_assert', 'static_assert', 'full_barrier', 'write_barrier',
            'read_barrier', 'cpu_relax', '__builtin_prefetch', 'prefetch_to_write',
            '__attribute__', 'aio_assert_owner'}


@dataclass
class Token:
    kind: str
    text: str
    start: int

    @property
    def end(self):
        return self.start + len(self.text)


@dataclass
class Change:
    file: str
    function: str
    line: int  # of the change itself
    start: int
    end: int
    put: str
    old: str  # the lines that the change touches, before and after, as one line
    new: str
    nth: int = 0  # of the same changes of a function

    def order(self, seed):
        """Where the change is in the random order of @seed. Depends on the text only, so that
        the order outlives work on other lines."""
        key = f'{seed}/{self.function}/{self.old}/{self.new}/{self.nth}'
        return hashlib.sha256(key.encode()).hexdigest()

    def name(self):
        return self.file, self.old, self.new


def tokens_of(source):
    return [Token(m.lastgroup, m.group(), m.start()) for m in TOKEN.finditer(source)
            if m.lastgroup not in ('space', 'hash')]


def closing(tokens, i):
    """The index of the bracket that closes the one at @i."""
    depth = 0
    for k in range(i, len(tokens)):
        if tokens[k].text in ('(', '{', '['):
            depth += 1
        elif tokens[k].text in (')', '}', ']'):
            depth -= 1
            if depth == 0:
                return k
    raise ValueError('a bracket is not closed')


def bodies(tokens):
    """(name, first, last) of each function's body and each initialised object."""
    i = 0
    name = None
    while i < len(tokens):
        text = tokens[i].text
        if text in ('(', '['):
            if text == '(' and tokens[i - 1].kind == 'name' \
                    and tokens[i - 1].text not in LEFT_OUT | {'noinline'}:
                name = tokens[i - 1].text
            i = closing(tokens, i)
        elif text == '{':
            end = closing(tokens, i)
            if tokens[i - 1].text == ')':
                yield name, i, end
            elif tokens[i - 1].text == '=':
                k = i - 2
                while tokens[k].kind != 'name':
                    k -= 1
                yield tokens[k].text, i, end
            i = end
        i += 1


def spaced(source, token):
    return source[token.start - 1] in ' \n' and source[token.end] in ' \n'


def edits(source, tokens, first, last):
    """(start, end, replacement) of what can be changed between two tokens."""
    i = first
    while i < last:
        t, before, after = tokens[i], tokens[i - 1], tokens[i + 1]
        if t.text in LEFT_OUT and after.text == '(':
            i = closing(tokens, i + 1) + 1
            continue
        if t.text in WORDS:
            yield t.start, t.end, WORDS[t.text]
        elif t.text in ('if', 'while') and after.text == '(':
            end = tokens[closing(tokens, i + 1)].end
            yield after.start + 1, end - 1, f'false && ({source[after.start + 1:end - 1]})'
            if t.text == 'if':
                yield after.start + 1, end - 1, f'true || ({source[after.start + 1:end - 1]})'
        elif t.kind == 'name' and after.text == '(' and before.text in ';{}:':
            end = closing(tokens, i + 1) + 1
            if tokens[end].text == ';':
                yield t.start, tokens[end].start, ''
        elif t.text == '-' and re.fullmatch('E[A-Z0-9]+', after.text):
            yield t.start, after.end, '0'
            i += 1
        elif t.text in OPERATORS and spaced(source, t):
            yield t.start, t.end, OPERATORS[t.text]
        elif t.text in ('++', '--'):
            yield t.start, t.end, '--' if t.text == '++' else '++'
        elif t.text == '!':
            yield t.start, t.end, ''
        elif t.kind == 'number' and not in_declaration(source, t):
            yield t.start, t.end, '1' if t.text == '0' else f'({t.text} + 1)'
        i += 1


def in_declaration(source, token):
    """Is this the size of an array that is declared?"""
    line = source[source.rfind('\n', 0, token.start) + 1:token.end + 1]
    return re.fullmatch(r'\s*(?:[a-z]\w*\s+)+\**\w+\[\w+\]', line) is not None


def changes_of(file, source):
    """All changes of one source."""
    tokens = tokens_of(source)
    for function, first, last in bodies(tokens):
        seen = {}
        for start, end, put in edits(source, tokens, first, last):
            line_start = source.rfind('\n', 0, start) + 1
            line_end = source.find('\n', end)
            old = ' '.join(source[line_start:line_end].split())
            new = ' '.join((source[line_start:start] + put + source[end:line_end]).split())
            nth = seen[old, new] = seen.get((old, new), 0) + 1
            yield Change(file, function, source.count('\n', 0, start) + 1, start, end, put, old,
                         new, nth)


def drawn(changes, seed):
    """@changes in the random order of @seed; of those that change the same place, one only."""
    places = set()
    for change in sorted(changes, key=lambda c: c.order(seed)):
        if (change.file, change.start) not in places:
            places.add((change.file, change.start))
            yield change
