#!/bin/bash
# SPDX-License-Identifier: MIT
# A Ceph cluster of one monitor and one OSD on the loopback device, without authentication. Sourced by
# bash scripts that run under `set -euo pipefail`. cluster_make DIR sets conf, the file for clients. Data
# is in a file of DIR and outlives the OSD. State: mon and osd are the processes.
# shellcheck disable=SC2034

write_conf() { # FSID PORT
    cat <<EOF
[global]
fsid = $1
mon host = v1:127.0.0.1:$2
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
osd objectstore = bluestore
bluestore block size = 2147483648
bluestore block create = true
mon data = $cluster/mon
osd data = $cluster/osd
run dir = $cluster/run
log file = $cluster/\$name.log
mon cluster log file = $cluster/cluster.log
keyring = $cluster/keyring
setuser match path =
[client]
admin socket =
log file =
EOF
}

cluster_make() { # DIR
    local fsid uuid port=$((20000 + RANDOM % 12000))

    cluster=$1
    conf=$cluster/ceph.conf
    mkdir -p "$cluster"/{mon,osd,run}
    fsid=$(cat /proc/sys/kernel/random/uuid) uuid=$(cat /proc/sys/kernel/random/uuid)
    write_conf "$fsid" "$port" >"$conf"
    ceph-authtool --create-keyring "$cluster/keyring" --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$cluster/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *'
    monmaptool --create --addv a "[v1:127.0.0.1:$port]" --fsid "$fsid" "$cluster/monmap"
    ceph-mon -c "$conf" --mkfs -i a --monmap "$cluster/monmap" --keyring "$cluster/keyring"
    ceph-mon -c "$conf" -i a -f &
    mon=$!
    timeout 60 ceph -c "$conf" osd new "$uuid"
    ceph-osd -c "$conf" -i 0 --mkfs --osd-uuid "$uuid"
    osd_start
    timeout 60 ceph -c "$conf" osd pool create rbd 8
    timeout 60 ceph -c "$conf" osd pool application enable rbd rbd
}

osd_start() { # returns when the monitor has seen it
    local before

    before=$(osd_epoch)
    ceph-osd -c "$conf" -i 0 -f &
    osd=$!
    until [ "$(osd_epoch)" -gt "$before" ]; do
        kill -0 "$osd" || { echo "the OSD ended"; return 1; }
        sleep 0.2
    done
}

# The epoch of the map in which the OSD last came up.
osd_epoch() { timeout 60 ceph -c "$conf" osd dump | sed -n 's/^osd\.0 .*up_from \([0-9]*\).*/\1/p'; }

osd_kill() { # it may be the child of another shell, which then has to wait for it
    kill -KILL "$osd"
    while grep -qs '^State:.[^Z]' "/proc/$osd/status"; do sleep 0.05; done
    osd=''
}
