/* SPDX-License-Identifier: MIT */
/*
 * Shared memory as a weakly ordered machine gives it: a store first sits in its thread's buffer,
 * and a flush process moves it to memory at some later time. Its own thread sees it at once.
 *
 *   store          may overtake older stores to other variables (more than x86 allows, as Arm does)
 *   store_release  leaves only after every older store
 *   fence          full barrier: waits until the buffer is empty
 *   exchange       atomic on memory, *no* barrier for older stores to other variables
 *
 * Loads run in program order, so a missing acquire is not found.
 *
 * The includer defines NT (threads, numbered from 0) and NV (variables, numbered from 0), and runs
 * one flush(t) for each thread.
 */
#define SLOTS 3

typedef buffer {
    byte n;
    byte var[SLOTS];
    byte val[SLOTS];
    bit rel[SLOTS]
}

byte mem[NV];
buffer sb[NT];

#define BUFFERED(t, i, v) (sb[t].n > i && sb[t].var[i] == v)

inline store_as(t, v, x, r)
{
    d_step {
        sb[t].n < SLOTS ->
        sb[t].var[sb[t].n] = v;
        sb[t].val[sb[t].n] = x;
        sb[t].rel[sb[t].n] = r;
        sb[t].n++
    }
}

#define store(t, v, x) store_as(t, v, x, 0)
#define store_release(t, v, x) store_as(t, v, x, 1)
#define fence(t) (sb[t].n == 0)

inline load(t, v, dst)
{
    d_step {
        if
        :: BUFFERED(t, 2, v) -> dst = sb[t].val[2]
        :: !BUFFERED(t, 2, v) && BUFFERED(t, 1, v) -> dst = sb[t].val[1]
        :: !BUFFERED(t, 2, v) && !BUFFERED(t, 1, v) && BUFFERED(t, 0, v) -> dst = sb[t].val[0]
        :: else -> dst = mem[v]
        fi
    }
}

inline exchange(t, v, x, dst)
{
    d_step {
        !BUFFERED(t, 0, v) && !BUFFERED(t, 1, v) && !BUFFERED(t, 2, v) ->
        dst = mem[v];
        mem[v] = x
    }
}

/* Slots are closed up and zeroed, so that equal buffers are equal states. */
inline commit(t, i)
{
    mem[sb[t].var[i]] = sb[t].val[i];
    if
    :: i < 1 -> sb[t].var[0] = sb[t].var[1]; sb[t].val[0] = sb[t].val[1]; sb[t].rel[0] = sb[t].rel[1]
    :: else
    fi;
    if
    :: i < 2 -> sb[t].var[1] = sb[t].var[2]; sb[t].val[1] = sb[t].val[2]; sb[t].rel[1] = sb[t].rel[2]
    :: else
    fi;
    sb[t].var[2] = 0;
    sb[t].val[2] = 0;
    sb[t].rel[2] = 0;
    sb[t].n--
}

proctype flush(byte t)
{
end:
    do
    :: d_step { sb[t].n > 0 -> commit(t, 0) }
    :: d_step { sb[t].n > 1 && !sb[t].rel[1] && sb[t].var[1] != sb[t].var[0] -> commit(t, 1) }
    :: d_step {
           sb[t].n > 2 && !sb[t].rel[2] && sb[t].var[2] != sb[t].var[0] &&
           sb[t].var[2] != sb[t].var[1] -> commit(t, 2)
       }
    od
}
