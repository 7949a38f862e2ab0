/* SPDX-License-Identifier: MIT */
/*
 * The record of chains in flight of a split ring (virtq/inflight.c and its calls in virtq/split.c).
 * The back end is killed between any two stores, also of its start, and the next one goes on with
 * the same record.
 *
 * A kill loses no store that was made, and the kernel stops the process in the order of its
 * program. So there is no store buffer: a missing compiler barrier is a pair of stores in the other
 * order.
 *
 * BUG=1   add: `inflight` is stored before the counter
 * BUG=2   add: the chain is not recorded
 * BUG=3   used: the chain's `next` is not stored
 * BUG=4   used: chains enter the list after used->idx is published
 * BUG=5   published: `inflight` is cleared before used->idx is published
 * BUG=6   published: used_idx is recorded before `inflight` is cleared
 * BUG=7   start: the last batch is not finished
 * BUG=8   start: chains in flight are not added to used->idx for the place in the available ring
 * BUG=9   start: the place in the available ring is avail->idx
 * BUG=10  start: chains are taken again in the order of the table
 * BUG=11  start: the counter begins at 0 although there are chains in flight
 * BUG=12  start: the last batch is finished, but used_idx is not recorded
 * BUG=13  start: a region of zeroes is a record whose used_idx is 0, and stays so
 * BUG=14  a chain that is taken again gets a new counter
 */
#ifndef BUG
#define BUG 0
#endif

#define SIZE 2     /* entries of the ring */
#define REQUESTS 4 /* of the driver */
#define KILLS 2

/* Indices wrap at 4, as the real ones do at 65536. */
#define WRAP(x) ((x) & 3)
#define DIFF(a, b) WRAP((a) + 4 - (b))
#define FIRST 1
#define SLOT(i) ((i) % SIZE)

/* Guest memory. */
byte avail_idx = FIRST, used_idx = FIRST;
byte avail_ring[SIZE], used_ring[SIZE];

/* The record. */
bool version;
byte last_batch_head, rec_used_idx;
bool inflight[SIZE];
byte next[SIZE], counter[SIZE];

/* Of the model only: chains that the device has from the driver; those that it took, in order. */
bool owned[SIZE];
byte taken[SIZE], nr_taken;

bool kill;

inline note_taken()
{
    assert(owned[h]);
    taken[nr_taken] = h;
    nr_taken++
}

/* used->idx moves: the driver gets chains back, and each of them was the device's. */
inline note_used()
{
    i = used_idx;
    do
    :: i != used ->
        h = used_ring[SLOT(i)];
        assert(owned[h]);
        owned[h] = false;
        n = 0;
        do
        :: taken[n] != h -> n++
        :: else -> break
        od;
        nr_taken--;
        do
        :: n < nr_taken -> taken[n] = taken[n + 1]; n++
        :: else -> break
        od;
        taken[nr_taken] = 0;
        i = WRAP(i + 1)
    :: else -> break
    od;
    h = 0;
    i = 0;
    n = 0
}

active proctype driver()
{
    byte added, h;

    do
    :: added < REQUESTS ->
        if
        :: !owned[0] -> h = 0
        :: !owned[1] -> h = 1
        fi;
        avail_ring[SLOT(avail_idx)] = h;
        d_step {
            owned[h] = true;
            avail_idx = WRAP(avail_idx + 1)
        }
        added++
    :: else -> break
    od;
    used_idx == avail_idx /* a chain that is lost leaves the driver here for ever */
}

active proctype killer()
{
    byte kills;

    do
    :: kills < KILLS ->
        kill = true;
        kills++;
        !kill
    :: break
    od
}

/* virtq_inflight_add() */
inline add()
{
#if BUG != 1
    counter[h] = count;
    count++;
#endif
    d_step {
#if BUG != 2
        inflight[h] = true;
#endif
        note_taken()
    }
#if BUG == 1
    counter[h] = count;
    count++
#endif
}

/* virtq_inflight_used() */
inline link(head)
{
#if BUG != 3
    next[head] = last_batch_head;
#endif
    last_batch_head = head
}

/* finish_batch(), to `used` */
inline clear()
{
    n = DIFF(used, rec_used_idx);
    h = last_batch_head;
    do
    :: n > 0 && n <= SIZE ->
        inflight[h] = false;
        h = next[h];
        n--
    :: else -> break
    od;
    h = 0;
    n = 0
}

/* virtq_split_push() of one of the requests that the disk has done, in any order */
inline push()
{
    if
    :: busy[0] -> h = 0
    :: busy[1] -> h = 1
    fi;
    busy[h] = false;
#if BUG != 4
    link(h);
#endif
    used_ring[SLOT(used)] = h;
    used = WRAP(used + 1);
    h = 0
}

inline publish()
{
#if BUG == 4
    m = used_idx;
#endif
#if BUG == 5
    clear();
#endif
    d_step {
        note_used();
        used_idx = used
    }
#if BUG == 4
    do
    :: m != used -> link(used_ring[SLOT(m)]); m = WRAP(m + 1)
    :: else -> break
    od;
    m = 0;
#endif
#if BUG == 6
    n = DIFF(used, rec_used_idx);
    rec_used_idx = used;
    h = last_batch_head;
    do
    :: n > 0 -> inflight[h] = false; h = next[h]; n--
    :: else -> break
    od;
    h = 0
#else
#if BUG != 5
    clear();
#endif
    rec_used_idx = used
#endif
}


/* `again` becomes the chains in flight, the smallest counter first. */
inline find_inflight()
{
    do
    :: nr_again < SIZE ->
        h = SIZE;
        i = 0;
        do
        :: i < SIZE ->
            if
            :: h == SIZE && inflight[i] && !listed[i] -> h = i
#if BUG != 10
            :: h < SIZE && inflight[i] && !listed[i] && counter[i] < counter[h] -> h = i
#endif
            :: else
            fi;
            i++
        :: else -> break
        od;
        if
        :: h == SIZE -> break
        :: else ->
            listed[h] = true;
            again[nr_again] = h;
            nr_again++;
#if BUG != 11
            count = counter[h] + 1
#endif
        fi
    :: else -> break
    od;
    /* Nothing is lost, nothing is repeated that the driver has back, and the order is kept. */
    assert(nr_again == nr_taken);
    i = 0;
    do
    :: i < nr_again ->
        assert(again[i] == taken[i]);
        listed[again[i]] = false;
        i++
    :: else -> break
    od;
    h = 0;
    i = 0
}

/* virtq_inflight_start() and virtq_split_start() */
inline start()
{
#if BUG != 13
    if
    :: !version ->
        rec_used_idx = used_idx;
        version = true
    :: else
    fi;
#endif
    used = used_idx;
#if BUG != 7
    clear();
#endif
#if BUG != 12 && BUG != 13
    rec_used_idx = used;
#endif
    d_step { find_inflight() }
#if BUG == 8
    last_avail = used;
#elif BUG == 9
    last_avail = avail_idx;
#else
    last_avail = WRAP(used + nr_again);
#endif
}

/* virtq_split_pop() */
inline pop_again()
{
    h = again[at_again];
#if BUG == 14
    counter[h] = count;
    count++;
#endif
    d_step {
        assert(!busy[h]);
        busy[h] = true;
        again[at_again] = 0;
        at_again++;
        if
        :: at_again == nr_again -> at_again = 0; nr_again = 0
        :: else
        fi;
        h = 0
    }
}

inline pop()
{
    h = avail_ring[SLOT(last_avail)];
    assert(!busy[h]);
    add();
    busy[h] = true;
    last_avail = WRAP(last_avail + 1);
    h = 0
}

active proctype device()
{
    byte last_avail, used, count, h, i, n;
#if BUG == 4
    byte m;
#endif
    byte again[SIZE], nr_again, at_again;
    bool listed[SIZE], busy[SIZE];

end_killed:
    do
    :: {
           start();
end_idle:
           do
           :: nr_again > 0 -> pop_again()
           :: nr_again == 0 && avail_idx != last_avail -> pop()
           :: busy[0] || busy[1] -> push()
           :: used != used_idx -> publish()
           od
       } unless {
           d_step {
               kill ->
               kill = false;
               last_avail = 0;
               used = 0;
               count = 0;
               h = 0;
               n = 0;
#if BUG == 4
               m = 0;
#endif
               nr_again = 0;
               at_again = 0;
               i = 0;
               do
               :: i < SIZE -> again[i] = 0; listed[i] = false; busy[i] = false; i++
               :: else -> break
               od;
               i = 0
           }
       }
    od
}
