// SPDX-License-Identifier: MIT
#include <string.h>

#include "control/json-stream.h"

static enum json_stream_result in_string(struct json_stream *s, char c)
{
    if ((unsigned char)c < ' ') {
        return JSON_STREAM_GARBAGE;
    }
    if (s->escaped) {
        s->escaped = false;
    } else if (c == '\\') {
        s->escaped = true;
    } else if (c == '"') {
        s->in_string = false;
    }
    return JSON_STREAM_MORE;
}

static enum json_stream_result outside_string(struct json_stream *s, char c)
{
    switch (c) {
    case '"':
        s->in_string = true;
        break;
    case '{':
    case '[':
        if (s->depth == JSON_STREAM_DEPTH_MAX) {
            return JSON_STREAM_TOO_DEEP;
        }
        s->depth++;
        break;
    case '}':
    case ']':
        s->depth--;
        return s->depth ? JSON_STREAM_MORE : JSON_STREAM_MESSAGE;
    default:
        break;
    }
    return JSON_STREAM_MORE;
}

static enum json_stream_result take(struct json_stream *s, char c)
{
    if (s->depth == 0) {
        if (c && strchr(" \t\r\n", c)) {
            return JSON_STREAM_MORE;
        }
        if (c != '{' && c != '[') {
            return JSON_STREAM_GARBAGE;
        }
        s->len = 0;
    }
    if (s->len == sizeof(s->buf)) {
        return JSON_STREAM_TOO_LONG;
    }
    s->buf[s->len++] = c;
    return s->in_string ? in_string(s, c) : outside_string(s, c);
}

enum json_stream_result json_stream_feed(struct json_stream *s, const char *data, size_t len,
                                         size_t *used)
{
    enum json_stream_result result = JSON_STREAM_MORE;

    for (*used = 0; *used < len && result == JSON_STREAM_MORE; ++*used) {
        result = take(s, data[*used]);
    }
    return result;
}

const char *json_stream_error(enum json_stream_result result)
{
    switch (result) {
    case JSON_STREAM_GARBAGE:
        return "Invalid JSON: an object is expected, with no control characters in its strings";
    case JSON_STREAM_TOO_LONG:
        return "Invalid JSON: the message is longer than 64 KiB";
    case JSON_STREAM_TOO_DEEP:
        return "Invalid JSON: more than 64 objects and arrays are in each other";
    default:
        return "";
    }
}
