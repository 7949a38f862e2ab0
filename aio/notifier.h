// SPDX-License-Identifier: MIT
/* Waking a loop, the owner's side; aio_notify() is in aio.h. */
#ifndef POLLUX_AIO_NOTIFIER_H
#define POLLUX_AIO_NOTIFIER_H

#include "aio/aio.h"

int aio_notifier_init(AioContext *ctx);
void aio_notifier_destroy(AioContext *ctx);

/* The owner is about to block: from here on aio_notify() writes the eventfd.
 * Return: true if the loop was notified before, so that the owner must not block. */
bool aio_notifier_prepare(AioContext *ctx);

/* The owner does not block any more. */
void aio_notifier_awake(AioContext *ctx);

/* Takes the notification; what the notifying thread wrote is visible after.
 * Return: true if there was one. */
bool aio_notifier_accept(AioContext *ctx);

#endif
