#!/bin/bash
# SPDX-License-Identifier: MIT
# Make the tables of docs/verified.md from what long.sh left.
#
#   verified.sh DIR          print them
#   verified.sh DIR FILE     put them between the two marks in FILE
#
# A cell is filled only by what a run said of it; what was not run stays empty.
set -euo pipefail

dir=$1

about() { # KEY: what the runs said, each value once
    sed -n "s/^$1 //p" "$dir"/*.log | sort -u | paste -sd, | sed 's/,/, /g'
}

tables() {
    echo "Run on $(about date) with Pollux $(about pollux), Linux $(about linux) as host and as guest," \
        "fio $(about fio), QEMU $(about qemu)."
    echo
    # What long.sh calls a run is in the file's name.
    awk '
        # "    | RING QUEUES ENGINE CACHE VERDICT TEXT"
        function text(from,    i, s) {
            for (i = from; i <= NF; i++)
                s = s (i > from ? " " : "") $i
            return s
        }
        FNR == 1 {
            records += last
            last = 0
            test = FILENAME
            sub(/.*\//, "", test)
        }
        /^ +\| (split|packed) / {
            cell = $4 "/" $5
            column = $2 "/" $3
            if ($6 == "REFUSED") {
                why[cell] = text(7)
                got[cell, column] = "refused"
            } else if (test ~ /^verify/) {
                got[cell, column] = $6 == "PASS" ? "pass" : "FAIL"
            } else if (test ~ /^discard/) {
                freed[cell, $2] = $6 == "PASS" ? "pass" : "FAIL"
            } else if (test ~ /^kills/) {
                kills[cell]++
                power[cell] += /lost: power/
                replayed[cell] += /journal replayed/
                for (i = 1; i < NF; i++)
                    if ($(i + 1) == "flushes;")
                        flushes[cell] += $i
                match($0, /[0-9]+ records acknowledged/)
                last = substr($0, RSTART) + 0
                verdicts[cell] = verdicts[cell] ($6 == "PASS" ? "" : " FAIL")
            }
        }
        END {
            records += last
            n = split("linux-aio/none linux-aio/writeback linux-aio/writethrough linux-aio/directsync " \
                "io_uring/none io_uring/writeback io_uring/writethrough " \
                "threads/none threads/writeback threads/writethrough", cells, " ")
            split("split/1 split/4 packed/1 packed/4", columns, " ")
            print "| engine | cache | split, 1 queue | split, 4 | packed, 1 | packed, 4 | freed, split | freed, packed |"
            print "| --- | --- | --- | --- | --- | --- | --- | --- |"
            for (i = 1; i <= n; i++) {
                cell = cells[i]
                if (cell ~ /directsync/)
                    continue
                split(cell, name, "/")
                printf "| %s | %s |", name[1], name[2]
                for (c = 1; c <= 4; c++)
                    printf " %s |", got[cell, columns[c]]
                printf " %s | %s |\n", cell in why ? "refused" : freed[cell, "split"],
                    cell in why ? "refused" : freed[cell, "packed"]
            }
            print ""
            for (i = 1; i <= n; i++)
                if (cells[i] in why)
                    print "Refused: `" why[cells[i]] "`.\n"
            print "| engine | cache | kills | of them with loss of power | journal replayed | flushes acknowledged | lost |"
            print "| --- | --- | --- | --- | --- | --- | --- |"
            for (i = 1; i <= n; i++) {
                cell = cells[i]
                if (!kills[cell])
                    continue
                split(cell, name, "/")
                printf "| %s | %s | %d | %d | %d | %d | %s |\n", name[1], name[2], kills[cell], power[cell],
                    replayed[cell], flushes[cell], verdicts[cell] == "" ? "none" : "SOME"
                all += kills[cell]
                all_flushes += flushes[cell]
            }
            printf "\n%d kills, %d flushes and %d records acknowledged.\n", all, all_flushes, records
        }' "$dir"/*.log
    grep -h '^\(FAIL\|SKIP\)' "$dir"/*.log || true
}

if [ $# -eq 1 ]; then
    tables
    exit
fi
tables >"$dir/table.md"
awk -v table="$dir/table.md" '
    /^<!-- tables end -->/ { skip = 0 }
    !skip { print }
    /^<!-- tables begin/ {
        skip = 1
        while ((getline line <table) > 0)
            print line
    }' "$2" >"$dir/doc.md"
cp "$dir/doc.md" "$2"
