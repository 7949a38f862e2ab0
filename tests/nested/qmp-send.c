// SPDX-License-Identifier: MIT
/*
 * qmp-send SOCKET COUNT LINE...: send each LINE to a control socket and wait for its answer, all of
 * them COUNT times. Prints the answers and events of the last round. Ends with 1 when an answer is an
 * error or the connection ends early. For machines without Python.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Reads up to the answer of a command; events may come before it. */
static void await_answer(FILE *in, bool print)
{
    static char line[1 << 20];

    do {
        if (!fgets(line, sizeof(line), in)) {
            die("the connection ended");
        }
        if (print) {
            fputs(line, stdout);
        }
    } while (strstr(line, "\"event\":"));
    if (!strncmp(line, "{\"error\"", 8)) {
        fputs(line, stderr);
        exit(1);
    }
}

static void command(int fd, FILE *in, const char *line, bool print)
{
    if (write(fd, line, strlen(line)) != (ssize_t)strlen(line)) {
        die("write");
    }
    await_answer(in, print);
}

int main(int argc, char **argv)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), rounds;
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r");

    if (argc < 4 || !in || strlen(argv[1]) >= sizeof(addr.sun_path)) {
        fputs("usage: qmp-send SOCKET COUNT LINE...\n", stderr);
        return 2;
    }
    rounds = atoi(argv[2]);
    strcpy(addr.sun_path, argv[1]);
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        die(argv[1]);
    }
    await_answer(in, false);
    command(fd, in, "{\"execute\":\"qmp_capabilities\"}", false);
    for (int i = 0; i < rounds; i++) {
        for (int j = 3; j < argc; j++) {
            command(fd, in, argv[j], i == rounds - 1);
        }
    }
    return 0;
}
