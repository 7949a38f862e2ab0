// SPDX-License-Identifier: MIT
/*
 * Cuts a stream of bytes into JSON objects and arrays, which may arrive in pieces of any size. The
 * reader finds where a message ends; it does not check the text in between, which is the parser's
 * work. Size and depth are limited before anything is parsed.
 */
#ifndef POLLUX_CONTROL_JSON_STREAM_H
#define POLLUX_CONTROL_JSON_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_STREAM_SIZE_MAX  (64u << 10) /* bytes of a message */
#define JSON_STREAM_DEPTH_MAX 64          /* objects and arrays in each other */

/* All zeroes: nothing has arrived. */
struct json_stream {
    size_t len; /* bytes of @buf */
    unsigned depth;
    bool in_string, escaped;
    char buf[JSON_STREAM_SIZE_MAX];
};

enum json_stream_result {
    JSON_STREAM_MORE,    /* all bytes are taken; the message goes on */
    JSON_STREAM_MESSAGE, /* @buf has a message of @len bytes, until the next call */
    /* The rest is errors: where the next message begins is not known any more. */
    JSON_STREAM_GARBAGE, /* no object or array begins here, or a line ends inside a string */
    JSON_STREAM_TOO_LONG,
    JSON_STREAM_TOO_DEEP,
};

/**
 * json_stream_feed - take bytes up to the end of a message
 * @used: set to the number of bytes taken; the caller offers the others again
 * Not to be called again after an error.
 */
enum json_stream_result json_stream_feed(struct json_stream *s, const char *data, size_t len,
                                         size_t *used);

/**
 * json_stream_error - one line about an error, for the client
 */
const char *json_stream_error(enum json_stream_result result);

#endif
