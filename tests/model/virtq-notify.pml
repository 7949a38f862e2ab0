/* SPDX-License-Identifier: MIT */
/*
 * Turning a virtqueue's notifications back on (virtq/split.c; virtio 1.2, 2.7.7 and 2.7.10).
 *
 * The driver writes the ring, publishes avail->idx, and reads the device's hint to decide whether
 * to kick. The device drains, clears the eventfd if that woke it, writes the hint, and looks at
 * avail->idx once more before it sleeps.
 * Each side writes its own word before it reads the other's, with a full barrier between.
 *
 * EVENT_IDX=0: the hint is VIRTQ_USED_F_NO_NOTIFY in used->flags.
 * EVENT_IDX=1: the hint is avail_event, and the driver kicks when it steps past it.
 *
 * BUG=1  device: no look at avail->idx after the hint is written
 * BUG=2  device: no barrier between the hint and that look
 * BUG=3  driver: no barrier between avail->idx and the hint
 * BUG=4  driver: avail->idx is not a release, and may be seen before the ring entry
 * BUG=5  device: the eventfd is cleared after the last look, not before it
 * BUG=6  device: the look comes before the hint is written
 * BUG=7  device: avail_event is one too far (EVENT_IDX=1)
 * BUG=8  device: avail_event is not moved on if notifications were never off (EVENT_IDX=1)
 * BUG=9  driver: asks for avail_event == idx instead of a step past it (EVENT_IDX=1)
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef EVENT_IDX
#define EVENT_IDX 0
#endif

#define DRIVER 0 /* thread numbers */
#define DEVICE 1
#define NT 2

#define RING(i) ((i) & 1) /* 0, 1: two entries */
#define IDX 2             /* avail->idx */
#define USED 3            /* used->idx */
#define HINT 4            /* used->flags or avail_event */
#define NV 5
#include "store-buffer.pml"

/* Indices wrap at 8, as the real ones do at 65536. */
#define WRAP(x) ((x) & 7)
#define DIFF(a, b) WRAP((a) + 16 - (b))
#define ENTRY(i) ((i) + 1) /* what the driver writes for index i: differs from the slot's last */

bool efd;       /* the ioeventfd is readable; the kernel orders it, no buffer */
byte last;      /* the device's last_avail */
bool done;      /* the driver has finished */
bool stopped;   /* the device sleeps and nothing is left to do */

#define PENDING (mem[IDX] != last)
#define ODD (last & 1)
#define QUIET (done && !efd && !PENDING && sb[DRIVER].n == 0 && sb[DEVICE].n == 0)

#if EVENT_IDX
#if BUG == 9
#define NEED_KICK(hint, idx, old) (DIFF(idx, 1) == hint)
#else
#define NEED_KICK(hint, idx, old) (DIFF(DIFF(idx, hint), 1) < DIFF(idx, old))
#endif
#else
#define NEED_KICK(hint, idx, old) (!hint)
#endif

inline add()
{
    DIFF(idx, mem[USED]) < 2;
    store(DRIVER, RING(idx), ENTRY(idx));
    idx = WRAP(idx + 1)
}

proctype driver()
{
    byte idx, old, hint;

    do
    :: true ->
        old = idx;
        add();
        if
        :: add() /* two in one batch: one publication, one kick */
        :: true
        fi;
#if BUG == 4
        store(DRIVER, IDX, idx);
#else
        store_release(DRIVER, IDX, idx);
#endif
#if BUG != 3
        fence(DRIVER);
#endif
        load(DRIVER, HINT, hint);
        if
        :: NEED_KICK(hint, idx, old) -> efd = true
        :: else
        fi;
        hint = 0
    :: true -> break
    od;
    done = true
}

inline disable()
{
#if EVENT_IDX
    store(DEVICE, HINT, DIFF(last, 1)) /* just passed: the next step past it is a whole wrap away */
#else
    store(DEVICE, HINT, 1)
#endif
}

inline enable()
{
#if EVENT_IDX && BUG == 7
    store(DEVICE, HINT, WRAP(last + 1))
#elif EVENT_IDX && BUG == 8
    if
    :: off -> store(DEVICE, HINT, last)
    :: else
    fi
#elif EVENT_IDX
    store(DEVICE, HINT, last)
#else
    store(DEVICE, HINT, 0)
#endif
}

proctype device()
{
    byte idx, entry;
    bool off, unread;

    do
    :: true ->
        if
        :: efd -> unread = true
        :: QUIET -> break
        fi;
again:
        if
        :: disable(); off = true
        :: off = true /* virtq_suppress() writes nothing if the driver is past avail_event */
        :: true       /* not asked for */
        fi;
drain:
        load(DEVICE, IDX, idx);
        if
        :: idx != last ->
            load(DEVICE, RING(last), entry);
            assert(entry == ENTRY(last));
            last = WRAP(last + 1);
            store_release(DEVICE, USED, last);
            goto drain
        :: else
        fi;
#if BUG == 6
        load(DEVICE, IDX, idx);
#endif
#if BUG != 5
        if
        :: unread -> efd = false; unread = false
        :: else
        fi;
#endif
        enable();
        off = false;
#if BUG != 2
        fence(DEVICE);
#endif
#if BUG != 1 && BUG != 6
        load(DEVICE, IDX, idx);
#endif
        if
        :: idx != last -> goto again
        :: else
        fi;
#if BUG == 5
        efd = false;
        unread = false;
#endif
        idx = 0;
        entry = 0
    od;
    stopped = true
}

init
{
    atomic {
        run flush(DRIVER);
        run flush(DEVICE);
        run driver();
        run device()
    }
}

/* A published entry is taken: the device moves on from an even and from an odd place. */
ltl served { [] ((PENDING && !ODD) -> <> ODD) && [] ((PENDING && ODD) -> <> !ODD) }
/* When the driver rests, so does the device. */
ltl rests { [] (done -> <> stopped) }
