// SPDX-License-Identifier: MIT
#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <term.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/top-screen.h"
#include "cli/top-view.h"

struct live {
    struct qmp_connection *c;
    struct top_view view;
    struct top_sample sample; /* the newest */
    struct top_rows rows;     /* on the screen */
    uint64_t next_ns;         /* when to take the next one */
    int winch_fd;
};

/* --- the terminal --- */

int top_view_check(struct error *err)
{
    const char *term = getenv("TERM"), *cup;
    int found = 0;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return error_set(err, -ENOTTY,
                         "standard input and output must be a terminal; --once and "
                         "--json print to anything");
    }
    if (!term || !*term) {
        return error_set(err, -EINVAL, "TERM is not set; --once and --json need no terminal");
    }
    if (setupterm(NULL, STDOUT_FILENO, &found) == ERR) {
        return error_set(err, -EINVAL,
                         "terminfo does not know TERM=%.40s; --once and --json need "
                         "no terminal",
                         term);
    }
    cup = tigetstr("cup");
    del_curterm(cur_term);
    if (!cup || cup == (char *)-1) {
        return error_set(err, -EINVAL,
                         "a terminal with TERM=%.40s cannot move its cursor; --once "
                         "and --json need no terminal",
                         term);
    }
    return 0;
}

static void draw(struct live *l)
{
    unsigned width = COLS < TOP_WIDTH_MAX ? (unsigned)COLS : TOP_WIDTH_MAX;
    unsigned height = LINES < TOP_HEIGHT_MAX ? (unsigned)LINES : TOP_HEIGHT_MAX;
    char grid[TOP_WIDTH_MAX * TOP_HEIGHT_MAX];

    top_rows_sort(&l->rows, l->view.sort, l->view.reverse);
    top_draw(&l->view, &l->rows, width, height, grid);
    erase();
    for (unsigned y = 0; y < height; y++) {
        attrset(y == TOP_TITLE_LINE                     ? A_BOLD
                : y == TOP_HEADER_LINE && !l->view.help ? A_REVERSE
                                                        : A_NORMAL);
        mvaddnstr((int)y, 0, grid + (size_t)width * y, (int)width);
    }
    refresh();
}

static void resize(struct live *l)
{
    struct signalfd_siginfo info;
    struct winsize size;

    while (read(l->winch_fd, &info, sizeof(info)) > 0) {
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
        resizeterm(size.ws_row, size.ws_col);
    }
}

static int translate(int key)
{
    switch (key) {
    case KEY_UP:
        return TOP_KEY_UP;
    case KEY_DOWN:
        return TOP_KEY_DOWN;
    case KEY_PPAGE:
        return TOP_KEY_PAGE_UP;
    case KEY_NPAGE:
        return TOP_KEY_PAGE_DOWN;
    case KEY_HOME:
        return TOP_KEY_HOME;
    case KEY_END:
        return TOP_KEY_END;
    default:
        return key < TOP_KEY_UP ? key : 0;
    }
}

static void press_keys(struct live *l)
{
    int key;

    while ((key = getch()) != ERR) {
        if (key != KEY_RESIZE) { /* of resizeterm(), not of the user */
            top_press(&l->view, translate(key), (unsigned)COLS, (unsigned)LINES);
        }
    }
}

/* --- figures --- */

/* While the view is paused samples are taken nevertheless: the rates are then those of an interval
 * when the view goes on, and the end of the server is seen. */
static int refresh_rows(struct live *l, struct error *err)
{
    struct top_sample sample;
    int ret = top_sample_read(&sample, l->c, err);

    if (ret == 0 && !l->view.paused) {
        top_rows_free(&l->rows);
        ret = top_rates(&l->sample, &sample, &l->rows);
        if (ret < 0) {
            error_set(err, ret, "out of memory");
        }
    }
    if (ret < 0) {
        top_sample_free(&sample);
        return ret;
    }
    top_sample_free(&l->sample);
    l->sample = sample;
    l->next_ns = clock_ns(CLOCK_MONOTONIC) + l->view.interval_ns;
    return 0;
}

/* --- the loop --- */

static int step(struct live *l, struct error *err)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = l->c->cancel_fd, .events = POLLIN},
                           {.fd = l->winch_fd, .events = POLLIN},
                           {.fd = l->c->fd}};
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    int n = poll(fds, 4, now < l->next_ns ? (int)((l->next_ns - now) / 1000000) + 1 : 0);

    if (n < 0 && errno != EINTR) {
        return error_set(err, -errno, "cannot wait: %s", strerror(errno));
    }
    if (n > 0 && fds[1].revents) {
        return -EINTR;
    }
    if (n > 0 && fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) {
        return error_set(err, -EIO, "the terminal is gone");
    }
    if (n > 0 && fds[2].revents) {
        resize(l);
    }
    press_keys(l);
    if ((n > 0 && fds[3].revents) || clock_ns(CLOCK_MONOTONIC) >= l->next_ns) {
        return refresh_rows(l, err);
    }
    return 0;
}

static int show(struct live *l, struct error *err)
{
    int ret = refresh_rows(l, err);

    while (ret == 0 && !l->view.quit) {
        draw(l);
        ret = step(l, err);
    }
    return ret;
}

static int watch_size(struct error *err)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? error_set(err, -errno, "cannot watch signals: %s", strerror(errno)) : fd;
}

int top_view_run(struct qmp_connection *c, uint64_t interval_ns, struct error *err)
{
    struct live l = {
        .c = c,
        .view = {.title = c->path, .interval_ns = interval_ns, .sort = TOP_FIGURES},
        .winch_fd = watch_size(err),
    };
    SCREEN *screen;
    int ret;

    if (l.winch_fd < 0) {
        return l.winch_fd;
    }
    screen = newterm(NULL, stdout, stdin);
    if (screen) {
        cbreak();
        noecho();
        keypad(stdscr, TRUE);
        nodelay(stdscr, TRUE);
        curs_set(0);
        ret = show(&l, err);
        endwin();
        delscreen(screen);
    } else {
        ret = error_set(err, -EINVAL, "the terminal cannot be set up");
    }
    close(l.winch_fd);
    top_rows_free(&l.rows);
    top_sample_free(&l.sample);
    return ret;
}
