#!/bin/sh
# SPDX-License-Identifier: MIT
# vda reports whether it has a write cache (pollux.cache=back or through), and fio verifies every byte
# that it wrote, before and after the guest has switched the cache.
. /tests/lib.sh

need_disk vda
[ -n "$cache" ] || fail "pollux.cache= is not on the command line"
type=/sys/block/vda/cache_type
[ "$(cat $type)" = "write $cache" ] || fail "vda says '$(cat $type)', not 'write $cache'"
run_fio first vda --ioengine=libaio --iodepth=8 --rw=randrw --bsrange=4k-64k --size=4m --fsync=16 ||
    fail "fio: $(grep -m 1 -E 'verify|error' /tmp/fio.first)"
[ "$cache" = back ] && other=through || other=back
echo "write $other" >$type || fail "the cache cannot be switched"
[ "$(cat $type)" = "write $other" ] || fail "the cache is '$(cat $type)' after 'write $other'"
run_fio second vda --ioengine=libaio --iodepth=8 --rw=randrw --bsrange=512-16k --size=2m --fsync=16 ||
    fail "fio with the cache switched: $(grep -m 1 -E 'verify|error' /tmp/fio.second)"
