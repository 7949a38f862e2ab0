// SPDX-License-Identifier: MIT
/* Compiles if the types of engine/rbd-api.h are those of librbd's headers. */
#include <rados/librados.h>
#include <rbd/librbd.h>

#include "engine/rbd-api.h"

_Static_assert(RBD_API_EXCLUSIVE_LOCK == RBD_FEATURE_EXCLUSIVE_LOCK, "feature");
_Static_assert(RBD_API_LOCK_EXCLUSIVE == RBD_LOCK_MODE_EXCLUSIVE, "mode of a lock");
_Static_assert(RBD_API_THICK_PROVISION == RBD_WRITE_ZEROES_FLAG_THICK_PROVISION, "flag");

#define SAME_TYPE(result, name, parameters)                                                        \
    _Static_assert(__builtin_types_compatible_p(__typeof__(&(name)), result(*) parameters), #name);

RBD_API(SAME_TYPE)
