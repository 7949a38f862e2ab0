// SPDX-License-Identifier: MIT
/* The program itself, as a user meets it: messages, exit statuses, and what becomes of a terminal.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "engine/image.h"
#include "guest-images/bench/bench-guest.h"
#include "tests/vm/guest.h"

#define WORDS_MAX 16

/* Echo what is typed; 'q' powers off, 't' is a triple fault, 'd' is deaf from then on. */
GUEST_CODE(talker, "1: movw $0x3fd, %dx; inb %dx, %al; testb $1, %al; jz 1b;"
                   "movw $0x3f8, %dx; inb %dx, %al; cmpb $'q', %al; je 2f;"
                   "cmpb $'t', %al; je 3f; cmpb $'d', %al; je 4f; outb %al, %dx; jmp 1b;"
                   "2: " GUEST_POWEROFF "4: cli; hlt; jmp 4b;"
                   "3: movl $0x8000, %esp; pushl $0; pushl $0; lidt (%esp); ud2");

static char pollux[PATH_MAX];
static char dir[] = "/var/tmp/pollux-test-XXXXXX"; /* /tmp may be a tmpfs without O_DIRECT */

/* build/tests/vm/test_program lies beside build/pollux. */
static void find_program(void)
{
    char self[PATH_MAX] = "";

    ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
    for (unsigned up = 0; up < 3; up++) {
        dirname(self);
    }
    ck_assert_int_lt(snprintf(pollux, sizeof(pollux), "%s/pollux", self), (int)sizeof(pollux));
}

static void make_file(const char *name, const void *data, size_t len, off_t size)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, len), (ssize_t)len);
    ck_assert_int_eq(ftruncate(fd, size), 0);
    close(fd);
}

/* An empty directory with a guest and what a user may mistake for a disk. */
static void set_up(void)
{
    static uint8_t elf[GUEST_ELF_MAX];
    size_t len = guest_elf(elf, talker_begin, (size_t)(talker_end - talker_begin));

    find_program();
    strcpy(dir + sizeof(dir) - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(chdir(dir), 0);
    make_file("guest", elf, len, (off_t)len);
    make_file("cut", elf, len, (off_t)len - 1);
    make_file("empty", "", 0, 0);
    make_file("odd", "", 0, 1000);
    make_file("disk", "", 0, 1 << 20);
    make_file("small", "", 0, 1 << 16);
    ck_assert_int_eq(mkdir("dir", 0700), 0);
    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
}

static void tear_down(void)
{
    static const char *const files[] = {"guest", "cut", "empty", "odd", "disk", "small", "fifo"};

    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        unlink(files[i]);
    }
    rmdir("dir");
    ck_assert_int_eq(chdir("/"), 0);
    rmdir(dir);
}

/* --- a run without a terminal --- */

struct outcome {
    int status;                   /* as the shell has it */
    char out[1 << 17], err[8192]; /* bytes beyond these are dropped */
};

static struct rlimit file_size = {RLIM_INFINITY, RLIM_INFINITY}; /* of the run */

static void read_back(FILE *f, char *buf, size_t size)
{
    rewind(f);
    buf[fread(buf, 1, size - 1, f)] = '\0';
    fclose(f);
}

static int shell_status(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* @words after "pollux", a tab stands for a blank inside one; @stdout_path NULL: into o->out. */
static void run(struct outcome *o, const char *words, const char *input, const char *stdout_path)
{
    FILE *in = tmpfile(), *out = stdout_path ? fopen(stdout_path, "w+") : tmpfile();
    FILE *err = tmpfile();
    char copy[1024], *argv[WORDS_MAX + 2] = {pollux};
    int status;
    pid_t pid;

    ck_assert(in && out && err && strlen(words) < sizeof(copy));
    fputs(input, in);
    rewind(in);
    strcpy(copy, words);
    for (unsigned n = 1; n <= WORDS_MAX; n++) {
        argv[n] = strtok(n == 1 ? copy : NULL, " ");
        if (!argv[n]) {
            break;
        }
        for (char *tab; (tab = strchr(argv[n], '\t'));) {
            *tab = ' ';
        }
    }
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(fileno(in), STDIN_FILENO);
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(err), STDERR_FILENO);
        setrlimit(RLIMIT_FSIZE, &file_size);
        execv(pollux, argv);
        _exit(126);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    o->status = shell_status(status);
    fclose(in);
    read_back(out, o->out, sizeof(o->out));
    read_back(err, o->err, sizeof(o->err));
}

static const struct {
    const char *words, *says;
} mistakes[] = {
    {"run", "--kernel"},
    {"run --frob", "'--frob'"},
    {"run --kernel", "needs a value"},
    {"run --kernel nowhere", "nowhere"},
    {"run --kernel empty", "empty"},
    {"run --kernel cut", "truncated"},
    {"run --kernel dir", "directory"},
    {"run --kernel fifo", "regular file"},
    {"run --kernel odd", "bzImage"},
    {"run --kernel guest --initrd nowhere", "nowhere"},
    {"run --kernel guest --initrd empty", "empty"},
    {"run --kernel guest --disk nowhere", "nowhere"},
    {"run --kernel guest --disk dir", "directory"},
    {"run --kernel guest --disk fifo", "block device"},
    {"run --kernel guest --disk empty", "empty"},
    {"run --kernel guest --disk odd", "512"},
    {"run --kernel guest --disk disk,iothread=io9", "'io9'"},
    {"run --kernel guest --disk disk,frob=1", "'frob'"},
    {"run --kernel guest --disk disk,engine=frob", "linux-aio"},
    {"run --kernel guest --disk disk,queue-size=3", "power of 2"},
    {"run --kernel guest --disk engine=null", "size"},
    {"run --kernel guest --memory 1M", "16M"},
    {"run --kernel guest --memory 4096T", "RAM"},
    {"run --kernel guest --memory 16.5", "'16.5'"},
    {"run --kernel guest --cpus 65", "64"},
    {"run --kernel guest --iothread id=a --iothread id=a", "twice"},
    {"run --kernel guest --trace dir", "dir"},
    {"run --kernel guest more", "'more'"},
    {"bench --guest linux --guest-dir nowhere", "nowhere/vmlinuz"},
    {"bench --guest linux --pause 1us", "--pause"},
    {"bench --guest linux --queues 2", "--queues"},
    {"advise", "--disk"},
    {"advise --disk nowhere", "nowhere"},
    {"advise --disk dir", "directory"},
    {"advise --disk empty", "empty"},
    {"advise --disk odd", "512"},
    {"advise --disk small", "1 MiB"},
    {"advise --disk disk --time 0", "1s"},
    {"frob", "'frob'"},
};

START_TEST(a_mistake_gets_one_line_and_status_1)
{
    struct outcome o;
    char *end;

    run(&o, mistakes[_i].words, "", NULL);
    ck_assert_msg(o.status == 1, "%s: status %d", mistakes[_i].words, o.status);
    ck_assert_str_eq(o.out, "");
    ck_assert_msg(strncmp(o.err, "pollux", 6) == 0 && strstr(o.err, mistakes[_i].says), "%s: %s",
                  mistakes[_i].words, o.err);
    end = strchr(o.err, '\n');
    ck_assert_msg(end && end[1] == '\0', "%s: not one line: %s", mistakes[_i].words, o.err);
}
END_TEST

START_TEST(without_a_terminal_bytes_pass_unchanged)
{
    struct outcome o;

    run(&o, "run --kernel guest --disk disk", "a\001x\001hb\nq", NULL);
    ck_assert_int_eq(o.status, 0);
    ck_assert_str_eq(o.out, "a\001x\001hb\n");
    ck_assert_str_eq(o.err, "");
}
END_TEST

START_TEST(a_triple_fault_has_its_own_status)
{
    struct outcome o;

    run(&o, "run --kernel guest", "at", NULL);
    ck_assert_int_eq(o.status, 2);
    ck_assert_str_eq(o.out, "a");
    ck_assert_ptr_nonnull(strstr(o.err, "triple fault"));
    ck_assert(strstr(o.err, "code at rip: 0f 0b") || strstr(o.err, "resets its registers"));
}
END_TEST

/* A line of the table of stages. */
struct stage {
    double mean, p50, p99, p999, max;
    unsigned long timed;
};

static struct stage stage_of(const struct outcome *o, const char *op, const char *name)
{
    struct stage s;
    char title[64];
    const char *line;

    snprintf(title, sizeof(title), "disk0:   %-15s %-22s ", op, name);
    line = strstr(o->err, title);
    ck_assert_msg(line, "no '%s' in: %s", title, o->err);
    ck_assert_int_eq(sscanf(line + strlen(title), "%lf %lf %lf %lf %lf %lu", &s.mean, &s.p50,
                            &s.p99, &s.p999, &s.max, &s.timed),
                     6);
    return s;
}

START_TEST(stats_say_where_the_time_of_requests_went)
{
    static const char *const ops[] = {"read", "write", "flush"};
    static const char *const stages[] = {"seen to submitted", "submitted to completed",
                                         "completed to used"};
    struct outcome o;

    make_file("guest", bench_guest_start, (size_t)(bench_guest_end - bench_guest_start),
              bench_guest_end - bench_guest_start);
    run(&o,
        "run --kernel guest --disk engine=null,size=16M,delay=20us --stats "
        "--append rw=mixed:50\trequests=400\tflush_every=4\twarmup=0\twait=irq\tctl=0",
        "", NULL);
    ck_assert_msg(o.status == 0, "%d: %s%s", o.status, o.out, o.err);
    for (unsigned i = 0; i < 3; i++) {
        struct stage total = stage_of(&o, ops[i], "seen to used");
        double sum = 0;

        ck_assert_uint_gt(total.timed, 0);
        for (unsigned n = 0; n < 3; n++) {
            struct stage s = stage_of(&o, ops[i], stages[n]);

            ck_assert_uint_eq(s.timed, total.timed);
            ck_assert(s.p50 <= s.p99 && s.p99 <= s.p999 && s.p999 <= s.max && s.max <= total.max);
            sum += s.mean;
        }
        ck_assert(sum > total.mean - 0.05 && sum < total.mean + 0.05); /* they are rounded */
        ck_assert(stage_of(&o, ops[i], stages[1]).p50 >= 20);          /* the delay */
    }
    ck_assert_ptr_null(strstr(o.err, "discard, zeroes"));
}
END_TEST

START_TEST(output_that_is_lost_is_no_success)
{
    static const char *const words[] = {"run --kernel guest", "run --help", "help", "version"};
    struct outcome o;

    run(&o, words[_i], "abcq", "/dev/full");
    ck_assert_int_eq(o.status, 1);
    ck_assert_ptr_nonnull(strstr(o.err, "standard output"));
}
END_TEST

START_TEST(recorded_waits_that_are_lost_are_no_success)
{
    struct outcome o;

    run(&o, "run --kernel guest --iothread id=io0,record=/dev/full", "abcq", NULL);
    ck_assert_int_eq(o.status, 1);
    ck_assert_ptr_nonnull(strstr(o.err, "record: cannot write '/dev/full'"));
}
END_TEST

START_TEST(the_limit_of_file_sizes_makes_writes_fail_and_ends_nothing)
{
    struct outcome o;

    file_size.rlim_cur = 64; /* less than the help, more than the message */
    run(&o, "run --help", "", NULL);
    ck_assert_int_eq(o.status, 1);
    ck_assert_ptr_nonnull(strstr(o.err, "standard output"));
    ck_assert_uint_eq(strlen(o.out), 64);
}
END_TEST

/* --- advise --- */

START_TEST(advise_reads_a_disk_that_it_may_not_write_and_changes_nothing)
{
    static uint8_t before[1 << 20], after[1 << 20];
    struct stat st, now;
    struct outcome o;
    int fd;

    memset(before, 0xa5, sizeof(before));
    make_file("disk", before, sizeof(before), sizeof(before));
    ck_assert_int_eq(chmod("disk", 0400), 0);
    ck_assert_int_eq(stat("disk", &st), 0);
    run(&o, _i ? "advise --disk disk --time 1 --json" : "advise --disk disk --time 1", "", NULL);
    ck_assert_msg(o.status == 0, "status %d: %s", o.status, o.err);
    ck_assert_str_eq(o.err, "");
    ck_assert_msg(strstr(o.out, "--iothread id=io0,poll-policy=") != NULL, "%.4000s", o.out);
    ck_assert_msg(strstr(o.out, "file=disk,engine=") != NULL, "%.4000s", o.out);
    ck_assert_int_eq(stat("disk", &now), 0);
    ck_assert_int_eq(now.st_mtim.tv_sec, st.st_mtim.tv_sec);
    ck_assert_int_eq(now.st_mtim.tv_nsec, st.st_mtim.tv_nsec);
    fd = open("disk", O_RDONLY | O_CLOEXEC);
    ck_assert_int_eq(read(fd, after, sizeof(after)), sizeof(after));
    close(fd);
    ck_assert_mem_eq(before, after, sizeof(after));
}
END_TEST

START_TEST(advise_says_who_writes_the_disk)
{
    struct image_config config = {.path = "disk"};
    struct image image;
    struct outcome o;
    struct error err = {""};
    char pid[32];

    ck_assert_msg(image_open(&image, &config, &err) == 0, "%s", err.msg);
    run(&o, "advise --disk disk --time 1", "", NULL);
    image_close(&image);
    snprintf(pid, sizeof(pid), "(pid %d), which writes", (int)getpid());
    ck_assert_int_eq(o.status, 1);
    ck_assert_str_eq(o.out, "");
    ck_assert_msg(strstr(o.err, pid) != NULL, "%s", o.err);
}
END_TEST

/* --- a run on a terminal --- */

struct screen {
    int master, slave;
    struct termios before;
    pid_t pid;
};

static bool same_modes(const struct termios *a, const struct termios *b)
{
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
           a->c_lflag == b->c_lflag;
}

static void screen_write(struct screen *s, const char *text, size_t len)
{
    ck_assert_int_eq(write(s->master, text, len), (ssize_t)len);
}

static void screen_expect(struct screen *s, const char *text)
{
    char seen[8192] = "";
    size_t len = 0;

    while (!strstr(seen, text)) {
        ssize_t n = read(s->master, seen + len, sizeof(seen) - 1 - len);

        ck_assert_int_gt(n, 0);
        len += (size_t)n;
        seen[len] = '\0';
    }
}

/* Returns when the guest has answered: then the terminal is raw. */
static void screen_start(struct screen *s)
{
    struct termios now;

    ck_assert_int_eq(openpty(&s->master, &s->slave, NULL, NULL, NULL), 0);
    ck_assert_int_eq(tcgetattr(s->slave, &s->before), 0);
    s->pid = fork();
    ck_assert_int_ge(s->pid, 0);
    if (s->pid == 0) {
        close(s->master);
        login_tty(s->slave);
        execl(pollux, "pollux", "run", "--kernel", "guest", NULL);
        _exit(126);
    }
    do {
        ck_assert_int_eq(tcgetattr(s->slave, &now), 0);
    } while (same_modes(&now, &s->before));
    screen_write(s, "!", 1);
    screen_expect(s, "!");
}

static int screen_end(struct screen *s)
{
    struct termios after;
    int status;

    ck_assert_int_eq(waitpid(s->pid, &status, 0), s->pid);
    ck_assert_int_eq(tcgetattr(s->slave, &after), 0);
    ck_assert_msg(same_modes(&after, &s->before), "the terminal was not restored");
    close(s->master);
    close(s->slave);
    return shell_status(status);
}

START_TEST(ctrl_a_is_an_escape)
{
    struct screen s;

    screen_start(&s);
    screen_write(&s, "\001h", 2);
    screen_expect(&s, "Ctrl-A x");
    screen_write(&s, "\001\001", 2);
    screen_expect(&s, "\001");
    screen_write(&s, "\003", 1); /* Ctrl-C is the guest's */
    screen_expect(&s, "\003");
    screen_write(&s, "\001x", 2);
    ck_assert_int_eq(screen_end(&s), 0);
}
END_TEST

START_TEST(the_terminal_is_restored_when_the_guest_ends)
{
    struct screen s;

    screen_start(&s);
    screen_write(&s, _i ? "t" : "q", 1);
    if (_i) {
        screen_expect(&s, "code at rip");
    }
    ck_assert_int_eq(screen_end(&s), _i ? 2 : 0);
}
END_TEST

static const int signals[] = {
    SIGTERM, SIGINT,  SIGQUIT, SIGABRT, SIGSEGV,   SIGBUS,    SIGFPE, SIGILL, SIGTRAP,
    SIGUSR2, SIGALRM, SIGXCPU, SIGIO,   SIGVTALRM, SIGSTKFLT, SIGPWR, SIGSYS,
};

/* Sanitizers have handlers of their own for some, which exit. */
START_TEST(the_terminal_is_restored_after_a_signal)
{
    struct screen s;

    screen_start(&s);
    ck_assert_int_eq(kill(s.pid, signals[_i]), 0);
    ck_assert_int_ne(screen_end(&s), 0);
}
END_TEST

/* It asks for a look at the disks. */
START_TEST(a_hangup_signal_of_a_terminal_that_is_there_ends_nothing)
{
    struct screen s;

    screen_start(&s);
    ck_assert_int_eq(kill(s.pid, SIGHUP), 0);
    screen_write(&s, "\001h", 2);
    screen_expect(&s, "Ctrl-A x");
    screen_write(&s, "\001x", 2);
    ck_assert_int_eq(screen_end(&s), 0);
}
END_TEST

START_TEST(a_terminal_that_goes_away_ends_the_machine)
{
    struct screen s;
    int status;

    screen_start(&s);
    close(s.master);
    ck_assert_int_eq(waitpid(s.pid, &status, 0), s.pid);
    ck_assert_int_eq(shell_status(status), 128 + SIGHUP);
    close(s.slave);
}
END_TEST

START_TEST(ctrl_c_ends_advise_and_says_so_in_its_status)
{
    struct screen s;

    ck_assert_int_eq(openpty(&s.master, &s.slave, NULL, NULL, NULL), 0);
    ck_assert_int_eq(tcgetattr(s.slave, &s.before), 0);
    s.pid = fork();
    ck_assert_int_ge(s.pid, 0);
    if (s.pid == 0) {
        close(s.master);
        login_tty(s.slave);
        execl(pollux, "pollux", "advise", "--disk", "disk", "--time", "3600", NULL);
        _exit(126);
    }
    screen_expect(&s, "s left"); /* signals are watched for by then */
    screen_write(&s, "\003", 1);
    ck_assert_int_eq(screen_end(&s), 128 + SIGINT);
}
END_TEST

START_TEST(ctrl_a_x_ends_a_guest_that_has_stopped_reading)
{
    struct pollfd pfd;
    struct screen s;
    char junk[256];
    size_t sent = 0;

    screen_start(&s);
    screen_write(&s, "d", 1);
    memset(junk, 'k', sizeof(junk));
    pfd = (struct pollfd){.fd = s.master, .events = POLLOUT};
    while (sent < 64 * sizeof(junk)) {
        ck_assert_int_eq(poll(&pfd, 1, -1), 1);
        screen_write(&s, junk, sizeof(junk));
        sent += sizeof(junk);
    }
    screen_write(&s, "\001x", 2);
    ck_assert_int_eq(screen_end(&s), 0);
}
END_TEST

START_TEST(the_terminal_is_taken_again_after_a_stop)
{
    struct screen s;
    struct termios now;
    int status;

    screen_start(&s);
    ck_assert_int_eq(kill(s.pid, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(s.pid, &status, WUNTRACED), s.pid);
    ck_assert_int_eq(tcsetattr(s.slave, TCSANOW, &s.before), 0); /* as a shell does */
    ck_assert_int_eq(kill(s.pid, SIGCONT), 0);
    do {
        ck_assert_int_eq(tcgetattr(s.slave, &now), 0);
    } while (same_modes(&now, &s.before));
    screen_write(&s, "\001x", 2);
    ck_assert_int_eq(screen_end(&s), 0);
}
END_TEST

static unsigned threads_of(pid_t pid)
{
    char path[64];
    unsigned n = 0;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    d = opendir(path);
    while (d && readdir(d)) {
        n++;
    }
    if (d) {
        closedir(d);
    }
    return n;
}

/* What a shell does for "pollux run ... &" and "fg". */
static void be_a_shell(void)
{
    pid_t job = fork();
    int status;

    signal(SIGTTOU, SIG_IGN);
    setpgid(job, job);
    if (job == 0) {
        signal(SIGTTOU, SIG_DFL);
        execl(pollux, "pollux", "run", "--kernel", "guest", NULL);
        _exit(126);
    }
    while (threads_of(job) < 2 + 4) { /* main, io0, console, vcpu0; "." and ".." */
    }
    tcsetpgrp(STDIN_FILENO, job);
    _exit(waitpid(job, &status, 0) == job ? shell_status(status) : 126);
}

START_TEST(the_terminal_is_taken_when_a_job_comes_to_the_foreground)
{
    struct termios now;
    struct screen s;

    ck_assert_int_eq(openpty(&s.master, &s.slave, NULL, NULL, NULL), 0);
    ck_assert_int_eq(tcgetattr(s.slave, &s.before), 0);
    s.pid = fork();
    ck_assert_int_ge(s.pid, 0);
    if (s.pid == 0) {
        close(s.master);
        login_tty(s.slave);
        be_a_shell();
    }
    do {
        ck_assert_int_eq(tcgetattr(s.slave, &now), 0);
    } while (same_modes(&now, &s.before));
    screen_write(&s, "\001x", 2);
    ck_assert_int_eq(screen_end(&s), 0);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
    Suite *s = suite_create("program");
    TCase *t = tcase_create("program"), *advise = tcase_create("advise");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, a_mistake_gets_one_line_and_status_1, 0, COUNT(mistakes));
    tcase_add_test(t, without_a_terminal_bytes_pass_unchanged);
    tcase_add_test(t, a_triple_fault_has_its_own_status);
    tcase_add_test(t, stats_say_where_the_time_of_requests_went);
    tcase_add_loop_test(t, output_that_is_lost_is_no_success, 0, 4);
    tcase_add_test(t, recorded_waits_that_are_lost_are_no_success);
    tcase_add_test(t, the_limit_of_file_sizes_makes_writes_fail_and_ends_nothing);
    tcase_add_test(t, advise_says_who_writes_the_disk);
    tcase_add_test(t, ctrl_a_is_an_escape);
    tcase_add_loop_test(t, the_terminal_is_restored_when_the_guest_ends, 0, 2);
    tcase_add_loop_test(t, the_terminal_is_restored_after_a_signal, 0, COUNT(signals));
    tcase_add_test(t, ctrl_c_ends_advise_and_says_so_in_its_status);
    tcase_add_test(t, ctrl_a_x_ends_a_guest_that_has_stopped_reading);
    tcase_add_test(t, a_hangup_signal_of_a_terminal_that_is_there_ends_nothing);
    tcase_add_test(t, a_terminal_that_goes_away_ends_the_machine);
    tcase_add_test(t, the_terminal_is_taken_again_after_a_stop);
    tcase_add_test(t, the_terminal_is_taken_when_a_job_comes_to_the_foreground);
    suite_add_tcase(s, t);
    /* Many short slices, each with a thread of its own that may poll: long where all is busy. */
    tcase_add_checked_fixture(advise, set_up, tear_down);
    tcase_add_loop_test(advise, advise_reads_a_disk_that_it_may_not_write_and_changes_nothing, 0,
                        2);
    tcase_set_timeout(advise, 80);
    suite_add_tcase(s, advise);
    return guest_main(s);
}
