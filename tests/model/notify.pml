/* SPDX-License-Identifier: MIT */
/*
 * Waking an event loop from other threads (aio/notifier.c).
 *
 * A notifier publishes work, sets `notified`, and writes the eventfd only if `notify_me` says that
 * the loop sleeps or is about to. The loop sets `notify_me`, and sleeps only if `notified` is still
 * clear. Each side writes its own flag before it reads the other's, with a full barrier between, so
 * at least one of the two sees the other.
 *
 * While the loop polls, `notify_me` is clear and it looks at `notified` with a plain load.
 *
 * BUG=1  notifier: no barrier between `notified` and `notify_me`
 * BUG=2  loop: no barrier between `notify_me` and `notified`
 * BUG=3  loop: `notified` cleared after the work is done
 * BUG=4  loop: `notified` cleared by a plain store instead of an exchange
 * BUG=5  notifier: `notified` is not a release, and may be seen before the work
 * BUG=6  loop: sleeps without looking at `notified`
 * BUG=7  loop: the eventfd is cleared only if `notified` is set, and a late write spins the loop
 */
#ifndef BUG
#define BUG 0
#endif

#define LOOP 0 /* thread numbers; 1 and 2 are the notifiers */
#define NT 3

#define NOTIFIED 0
#define WORK(t) (t) /* what notifier t published: 1, 2 */
#define NOTIFY_ME 3
#define NV 4
#include "store-buffer.pml"

bool efd;       /* the eventfd is readable; the kernel orders it, no buffer */
byte done;      /* notifiers that have finished */
bool stopped;   /* the loop sleeps and nothing is left to do */

#define EMPTY(t) (sb[t].n == 0)
#define QUIET (done == 2 && !efd && !mem[WORK(1)] && !mem[WORK(2)] && \
               EMPTY(0) && EMPTY(1) && EMPTY(2))

proctype notifier(byte t)
{
    byte asked;

    do
    :: true ->
        store(t, WORK(t), 1);
#if BUG == 5
        store(t, NOTIFIED, 1);
#else
        store_release(t, NOTIFIED, 1);
#endif
#if BUG != 1
        fence(t);
#endif
        load(t, NOTIFY_ME, asked);
        if
        :: asked -> efd = true
        :: else
        fi;
        asked = 0
    :: true -> break
    od;
    done++
}

inline clear_notified()
{
#if BUG == 4
    store(LOOP, NOTIFIED, 0)
#else
    exchange(LOOP, NOTIFIED, 0, old)
#endif
}

inline run_work()
{
    exchange(LOOP, WORK(1), 0, old);
    exchange(LOOP, WORK(2), 0, old)
}

proctype loop()
{
    byte seen, old;
    bool woken;

    do
    :: true ->
        seen = 0;
        woken = false;

        /* Awake: one look stands for any number, and the fds may or may not be looked at. */
        if
        :: load(LOOP, NOTIFIED, seen)
        :: true
        fi;
        if
        :: seen -> woken = efd
        :: seen
        :: else ->
            store(LOOP, NOTIFY_ME, 1);
#if BUG != 2
            fence(LOOP);
#endif
#if BUG != 6
            load(LOOP, NOTIFIED, seen);
#endif
            if
            :: seen -> woken = efd /* timeout 0 */
            :: !seen && efd -> woken = true
            :: !seen && QUIET -> break
            fi;
            store(LOOP, NOTIFY_ME, 0)
        fi;

        load(LOOP, NOTIFIED, seen);
#if BUG == 3
        if
        :: seen -> run_work(); clear_notified()
        :: else
        fi;
#else
        if
        :: seen -> clear_notified()
        :: else
        fi;
#endif
        if
#if BUG == 7
        :: woken && seen -> efd = false
#else
        :: woken -> efd = false
#endif
        :: else
        fi;
#if BUG != 3
        if
        :: seen -> run_work()
        :: !seen && true          /* the work may be looked at only when announced, */
        :: !seen -> run_work()    /* or on every turn: right both ways */
        fi;
#endif
        old = 0
    od;
    stopped = true
}

init
{
    atomic {
        run flush(LOOP);
        run flush(1);
        run flush(2);
        run loop();
        run notifier(1);
        run notifier(2)
    }
}

/* Work that is visible is done, even if the notifiers never rest. */
ltl served { [] (mem[WORK(1)] -> <> !mem[WORK(1)]) }
/* When the notifiers rest, so does the loop. */
ltl rests { [] (done == 2 -> <> stopped) }
