/* SPDX-License-Identifier: MIT */
/*
 * From polling to sleeping (aio/poll.c, aio/notifier.c).
 *
 * Three sources wake one loop: a virtqueue, whose driver kicks only while notifications are on; a
 * completion ring, whose eventfd the kernel writes; and aio_notify() from another thread.
 *
 * A loop that is awake turns the virtqueue's notifications off (poll_begin) and leaves them off from
 * turn to turn. Before the loop sleeps it turns them on (poll_end), and only then, as the last thing,
 * polls each polled source once more, as an event may have come while nobody was told. A handler
 * found idle leaves the poll set the same way: notifications on, one more look. It returns when its
 * fd fires.
 *
 * While polling goes well the descriptors of the poll set are not watched at all (unwatch_poll_set()). They are
 * again when polling ends, and that of a source that leaves the poll set. A request that is submitted
 * meanwhile may complete without a write to the eventfd (engine/linux-aio.c); after poll_end a
 * timer looks for it.
 *
 * BUG=1  no poll after io_poll_end
 * BUG=2  the last poll comes before io_poll_end
 * BUG=3  an idle handler leaves the poll set without one more look
 * BUG=4  no barrier between turning notifications on and the last poll
 * BUG=5  io_poll_end only if this same turn has polled
 * BUG=6  an idle handler leaves the poll set with notifications off
 * BUG=7  a wait that ends in the poll set is followed by no look at the fds outside it
 * BUG=8  when polling ends, descriptors that were not watched stay so
 * BUG=9  a source that leaves the poll set stays unwatched
 * BUG=10 no timer looks for completions that write no eventfd
 */
#ifndef BUG
#define BUG 0
#endif

#define LOOP 0 /* thread numbers */
#define DRIVER 1
#define NT 2

#define AVAIL 0     /* avail->idx, one bit: the driver has at most one entry in flight */
#define NO_NOTIFY 1 /* the virtqueue's hint */
#define NV 2
#include "store-buffer.pml"

/* The three eventfds are readable, and an entry is in the completion ring: the kernel orders these. */
bool kick_fd, ring_fd, notify_fd;
bool ring;
bool unsignaled; /* the request under way will not write ring_fd */
bool notified, notify_me; /* strongly ordered here */
bit last;       /* the virtqueue's last_avail */
bool closing;   /* the producers finish what they have begun */
byte done;      /* producers that have finished */
bool stopped;   /* the loop sleeps and nothing is left to do */

#define PENDING (mem[AVAIL] != last)
#define ANY_FD (kick_fd || ring_fd || notify_fd)
#define ANY_WATCHED ((kick_fd && kick_watched) || (ring_fd && ring_watched) || notify_fd)
#define QUIET (done == 3 && !ANY_FD && !PENDING && !ring && !notified && \
               sb[LOOP].n == 0 && sb[DRIVER].n == 0)

proctype driver()
{
    bit idx;
    byte off;

    do
    :: atomic { last == idx && !closing -> idx = 1 - idx; store_release(DRIVER, AVAIL, idx) };
        atomic { fence(DRIVER); load(DRIVER, NO_NOTIFY, off) };
        atomic {
            if
            :: off -> off = 0
            :: else -> kick_fd = true
            fi
        }
    :: atomic { last == idx -> closing = true; done++; break } /* some day, or never */
    od
}

proctype kernel()
{
    do
    :: atomic { !ring && !closing -> ring = true; ring_fd = ring_fd || !unsignaled }
    :: atomic { !ring -> closing = true; done++; break }
    od
}

/* One step, and so is the loop's look: notify.pml proves the finer ones. */
proctype notifier()
{
    do
    :: atomic { !notified && !closing -> notified = true; notify_fd = notify_fd || notify_me }
    :: atomic { closing -> done++; break }
    od
}

/*
 * A d_step below has at most one access to what others write; the rest is the loop's own state. The
 * loop never writes AVAIL, so it may read memory past its buffer.
 */
inline poll_virtqueue()
{
    d_step {
        if
        :: vq_polled -> vq_ready = vq_ready || PENDING
        :: else
        fi
    }
}

inline poll_pass()
{
    seen = notified;
    poll_virtqueue();
    d_step {
        if
        :: ring_polled -> ring_ready = ring_ready || ring
        :: else
        fi
    }
}

inline enable_notification()
{
    store(LOOP, NO_NOTIFY, 0);
#if BUG != 4
    fence(LOOP)
#endif
}

inline polling_begin()
{
    if
    :: !polling && vq_polled -> store(LOOP, NO_NOTIFY, 1)
    :: else
    fi;
    polling = true
}

inline polling_end()
{
#if BUG == 2
    poll_pass();
#endif
    if
    :: vq_polled -> enable_notification()
    :: else
    fi;
    polling = false;
#if BUG != 8
    d_step {
        if
        :: settled ->
            kick_watched = kick_watched || vq_polled;
            ring_watched = ring_watched || ring_polled
        :: else
        fi
    }
#endif
    settled = false;
    ended = true
}

/* Polling has lasted a while. */
inline unwatch_poll_set()
{
    d_step {
        settled = true;
        kick_watched = !vq_polled;
        ring_watched = !ring_polled
    }
}

/* Settled polling has submitted a request: the one that completes next, if none has. */
inline submit_unsignaled()
{
    d_step {
        if
        :: !ring -> unsignaled = true
        :: else
        fi
    }
}

inline leave_virtqueue()
{
#if BUG != 9
    kick_watched = true;
#endif
#if BUG != 6
    if
    :: polling -> enable_notification()
    :: else
    fi;
#endif
#if BUG != 3
    poll_virtqueue();
#endif
    vq_polled = false
}

inline look_at_fds()
{
    d_step {
        kick_ready = kick_fd && kick_watched;
        ring_fired = ring_fd && ring_watched;
        notify_ready = notify_fd
    }
}

#define BUSY (seen || vq_ready || ring_ready || kick_ready || ring_fired || notify_ready)

proctype loop()
{
    bool vq_polled = true; /* in the poll set */
    bool ring_polled = true;
    bool polling;          /* notifications of the poll set are off */
    bool ended;            /* they were, before this sleep */
    bool settled;          /* descriptors of the poll set are not watched */
    bool kick_watched = true;
    bool ring_watched = true;
#if BUG == 5
    bool polled_now;       /* in this turn */
#endif
    bool seen, vq_ready, ring_ready, kick_ready, ring_fired, notify_ready;

    do
    :: true ->
        if
        :: vq_polled -> leave_virtqueue()
        :: ring_polled && !unsignaled -> /* nothing is under way */
#if BUG != 9
            ring_watched = true;
#endif
            ring_polled = false;
            ring_ready = ring_ready || ring
        :: polling && !settled -> unwatch_poll_set()
        :: polling && settled && ring_polled -> submit_unsignaled()
        :: true
        fi;

        if
        :: polling -> poll_pass()
        :: else -> seen = notified
        fi;
        if
        :: BUSY ->
            if
            :: !polling || !vq_polled || !ring_polled -> look_at_fds()
            :: else
            fi
        :: else ->
            if
            :: vq_polled || ring_polled -> /* a window; one pass stands for any number */
                polling_begin();
#if BUG == 5
                polled_now = true;
#endif
                poll_pass()
            :: true /* window 0 */
            fi;
            if
            :: BUSY
            :: else ->
                if
#if BUG == 5
                :: polling && polled_now -> polling_end()
#else
                :: polling -> polling_end()
#endif
                :: else
                fi;
                d_step {
                    notify_me = true;
                    seen = notified
                };
#if BUG != 1 && BUG != 2
                if
                :: ended -> poll_pass()
                :: else
                fi;
#endif
                if
                :: ended && BUSY
                :: seen && !ended -> look_at_fds() /* timeout 0 */
                :: !(ended && BUSY) && !seen && ANY_WATCHED -> look_at_fds()
#if BUG != 10
                :: !(ended && BUSY) && !seen && unsignaled && ring -> ring_ready = true /* the timer */
#endif
                :: !(ended && BUSY) && !seen && QUIET -> break
                fi;
                ended = false;
                notify_me = false
            fi;
#if BUG != 7
            if /* however busy the poll set is, it starves no fd outside it */
            :: !vq_polled || !ring_polled -> look_at_fds()
            :: else
            fi
#endif
        fi;

        d_step {
            notified = false;
            seen = false
        };
        d_step {
            if
            :: notify_ready -> notify_fd = false
            :: else
            fi;
            notify_ready = false
        };

        if
        :: kick_ready || vq_ready || ring_fired || ring_ready -> polling_begin()
        :: else
        fi;
        if
        :: kick_ready ->
            if
            :: polling && !vq_polled -> store(LOOP, NO_NOTIFY, 1)
            :: else
            fi;
            d_step {
                kick_fd = false;
                kick_watched = kick_watched && !settled;
                vq_polled = true;
                vq_ready = true;
                kick_ready = false
            }
        :: else
        fi;
        d_step {
            if
            :: vq_ready -> last = mem[AVAIL]
            :: else
            fi
        };
        /* Taken, and the driver may have added one more: the handler goes on until it sees none, */
        /* or, so as not to starve the others, comes back on the next turn. */
        vq_ready = vq_ready && PENDING;

        d_step {
            if
            :: ring_fired -> ring_polled = true; ring_ready = true;
                ring_watched = ring_watched && !settled;
                ring_fd = false;
                ring_fired = false
            :: else
            fi
        };
        d_step {
            if
            :: ring_ready -> ring = false; unsignaled = false
            :: else
            fi;
            ring_ready = false
        };
#if BUG == 5
        polled_now = false
#endif
    od;
    stopped = true
}

init
{
    atomic {
        run flush(LOOP);
        run flush(DRIVER);
        run loop();
        run driver();
        run kernel();
        run notifier()
    }
}

/* Whatever is visible is taken, even if no producer ever rests. */
ltl virtqueue { [] ((PENDING && !last) -> <> last) }
ltl completion { [] (ring -> <> !ring) }
/* When all producers rest, so does the loop. */
ltl rests { [] (done == 3 -> <> stopped) }
