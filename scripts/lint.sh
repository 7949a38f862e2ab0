#!/bin/sh
# SPDX-License-Identifier: MIT
#
# lint.sh - formatting, licence lines, order of the rooms, static checks
#
# Runs all checks, says what each found, and fails if one did.

cd "$(dirname "$0")/.." || exit
status=0

check() {
    echo "lint: $1"
    shift
    "$@" || { status=1; echo "lint: ... failed"; }
}

files() { git ls-files -co --exclude-standard -- "$@" | while read -r f; do
    if [ -f "$f" ]; then echo "$f"; fi; done; }
sources() { files '*.c' '*.h'; }
scripts() { files | while read -r f; do
    head -n 1 "$f" | grep -qE '^#!.*[ /](ba)?sh$' && echo "$f"; done; files '*.sh'; }

format() { sources | xargs clang-format --dry-run -Werror; }

# The first line, or the second of a script.
licence() {
    files '*.c' '*.h' '*.S' '*.ld' '*.sh' '*.py' '*.mk' '*.pml' Makefile '*.1' .ci/run | {
        bad=0
        while read -r f; do
            head -n 2 "$f" | grep -q 'SPDX-License-Identifier: MIT' && continue
            echo "$f: no SPDX line"
            bad=1
        done
        return $bad
    }
}

# The program, the list of changes and the package.
versions() {
    version=$(sed -n 's/.*POLLUX_VERSION "\(.*\)"/\1/p' cli/version.h)
    for found in "$(sed -n 's/^## //p' CHANGELOG.md | head -n 1)" \
        "$(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)"; do
        [ "$found" = "$version" ] && continue
        echo "cli/version.h has $version; CHANGELOG.md or debian/changelog begins with $found"
        return 1
    done
}

# Arrows go one way: a room may include itself and what is to its left. Guest images that pollux
# carries are seen by cli and bench only; tests see everything.
ROOMS="base trace aio engine iothread virtq blk vhost kvm control sandbox cli bench"

room_order() {
    bad=0 allowed=
    for room in $ROOMS; do
        allowed="$allowed${allowed:+|}$room"
        [ "$room" = kvm ] && allowed=$(echo "$allowed" | sed 's/|vhost|/|/') # beside each other
        [ "$room" = control ] && allowed=$(echo "$allowed" | sed 's/|kvm|/|/')
        [ "$room" = cli ] && allowed="$allowed|vhost|kvm|guest-images"
        may=$allowed
        [ "$room" = sandbox ] && may="base|sandbox" # the others call it through base/thread-guard.h
        if grep -nE '^ *# *include +"' -r --include='*.[ch]' "$room" |
            grep -vE "\"($may)/"; then
            echo "lint: $room/ may include only from: $may"
            bad=1
        fi
    done
    return $bad
}

# Headers that other rooms may include; every other header belongs to its folder.
PUBLIC="base/[a-z-]+ trace/trace aio/aio aio/policy/(policy|cost-curve) aio/waits/replay
    engine/(engine|image|image-map|aio-ring) iothread/(iothread|iothread-set)
    virtq/(guest-memory|inflight|inflight-packed|iov|virtio|virtqueue)
    blk/(disk|virtio-blk|latency|blk-stats|disk-policy|throttle|throttle-group)
    vhost/server control/(qmp|target) sandbox/(config|sandbox|user) kvm/(cmdline|machine|probe|vm)
    cli/(choices|command|cpus|host-info|interrupt|json-out|median|options|trace-file|version)"

private_headers() {
    bad=0
    # shellcheck disable=SC2086 # the words of the list
    public=$(echo $PUBLIC | tr ' ' '|')
    for room in $ROOMS; do
        if grep -nE '^ *# *include +"' -r --include='*.[ch]' "$room" |
            grep -vE "\"($room/|guest-images/|($public)\.h\")"; then
            echo "lint: these headers are private to another room"
            bad=1
        fi
    done
    return $bad
}

# A callee that fails without a message leaves an empty one, not what was on the stack.
error_init() {
    # shellcheck disable=SC2086 # the words of the list
    ! grep -nE '^ +struct error [a-z_]+;' -r --include='*.c' $ROOMS
}

static_checks() {
    sources | xargs cppcheck -q --std=c11 --language=c -I. -D__x86_64__ -D__linux__ \
        --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --suppress=missingIncludeSystem --suppress=unknownMacro \
        --suppress=nullPointerArithmetic --suppress=comparePointers --suppress=varFuncNullUB \
        --suppress=normalCheckLevelMaxBranches --template='{file}:{line}: {id}: {message}'
}

shell_checks() { scripts | sort -u | xargs shellcheck -x -S warning; }

check "formatting (clang-format)" format
check "licence lines" licence
check "versions" versions
check "order of the rooms" room_order
check "private headers" private_headers
check "struct error is initialised" error_init
check "circles of includes" scripts/circles.py
check "static checks (cppcheck)" static_checks
check "shell scripts (shellcheck)" shell_checks
exit $status
