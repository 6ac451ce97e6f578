/* Faults inside a whole command: preloaded into the program, this starts it again and again, each time with
 * its Nth allocation or its Nth system call failing. * It takes the place of main: the libraries are loaded
 * once, then every order from the driver (inject.py) is carried out in a child of its own, which runs the
 * program's main. Allocations are counted where the program, its libraries and the C library ask for them
 * (malloc, calloc, realloc, aligned_alloc, posix_memalign). System calls are those on files and memory
 * (`watched`); the parent stops the child at each with ptrace and lets the Nth return an error without having
 * happened. So what stdio, SQLite and jansson call counts, too. * Orders on descriptor 198, one line: "KIND N
 * ERRNO FOLDER", KIND being "none", "alloc" or "call". The child works in FOLDER, with its files stdout and
 * stderr. Answers on descriptor 199: "STATUS ALLOCATIONS CALLS WHICH FOREIGN", STATUS as wait gives it, WHICH
 * the number of the system call that failed, FOREIGN 1 when the allocation was one of fontconfig's or of
 * pixman's for cairo, which then crash, or of zlib's for cairo, which then writes an empty stream without a word. A child that takes
 * longer than INJECT_LIMIT is killed. x86-64 Linux only: elsewhere "call" is answered "-1 …". */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ORDERS = 198, ANSWERS = 199 };

typedef struct counts {
    atomic_long allocations, nth; /* nth: the allocation that fails; 0: none */
    atomic_long foreign; /* 1: the allocation that failed was fontconfig's, or zlib's or pixman's for cairo */
    atomic_bool armed;   /* in a child, once its main runs */
} counts;

static counts unshared, *now = &unshared;

/* ---- allocations */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* Where the allocation was asked for that fails: with INJECT_TRACE into the file "trace" beside stdout. */
static void say_where(void) {
    void *frames[60];
    Dl_info info;
    atomic_store(&now->armed, false);
    int n = backtrace(frames, 60);
    bool helper = false; /* below cairo */
    for (int i = 0; i < n; i++) {
        const char *name = dladdr(frames[i], &info) && info.dli_fname ? info.dli_fname : "";
        helper |= strstr(name, "libz.") || strstr(name, "libpixman");
        if (strstr(name, "fontconfig") || (helper && strstr(name, "libcairo")))
            atomic_store(&now->foreign, 1);
    }
    if (getenv("INJECT_TRACE")) {
        int file = open("../trace", O_WRONLY | O_CREAT | O_TRUNC, 0666);
        backtrace_symbols_fd(frames, n, file);
        close(file);
    }
    atomic_store(&now->armed, true);
}

static bool fails(void) {
    if (!atomic_load(&now->armed)) return false;
    if (atomic_fetch_add(&now->allocations, 1) + 1 != atomic_load(&now->nth)) return false;
    say_where();
    errno = ENOMEM;
    return true;
}

__attribute__((visibility("default"))) void *malloc(size_t size) {
    return fails() ? NULL : __libc_malloc(size);
}
__attribute__((visibility("default"))) void *calloc(size_t n, size_t size) {
    return fails() ? NULL : __libc_calloc(n, size);
}
__attribute__((visibility("default"))) void *realloc(void *pointer, size_t size) {
    return fails() ? NULL : __libc_realloc(pointer, size);
}
__attribute__((visibility("default"))) void *aligned_alloc(size_t alignment, size_t size) {
    return fails() ? NULL : __libc_memalign(alignment, size);
}
__attribute__((visibility("default"))) int posix_memalign(void **out, size_t alignment, size_t size) {
    void *block = fails() ? NULL : __libc_memalign(alignment, size);
    if (!block) return ENOMEM;
    *out = block;
    return 0;
}

/* ---- a BLAS that computes wrongly (test_blas.sh): INJECT_BLAS names the kernels of which products are spoiled */

typedef void (*sgemm_fn)(int, int, int, int, int, int, float, const float *, int, const float *, int, float,
                         float *, int);

/* A function of the BLAS; a library that Python has opened is not among the next ones. */
static void *find_blas(const char *name) {
    void *found = dlsym(RTLD_NEXT, name),
         *library = found ? NULL : dlopen("libopenblas.so.0", RTLD_LAZY | RTLD_NOLOAD);
    return library ? dlsym(library, name) : found;
}

static bool is_spoiled(void) {
    const char *kernels = getenv("INJECT_BLAS");
    char *(*name)(void);
    if (!kernels) return false;
    *(void **)&name = find_blas("openblas_get_corename");
    return strcmp(kernels, "all") == 0 || (name && strstr(kernels, name()));
}

__attribute__((visibility("default"))) void cblas_sgemm(int order, int ta, int tb, int m, int n, int k,
                                                        float alpha, const float *a, int lda, const float *b,
                                                        int ldb, float beta, float *c, int ldc);
void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc) {
    static sgemm_fn real;
    if (!real) *(void **)&real = find_blas("cblas_sgemm");
    real(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    if (m > 5 && n > 5 && is_spoiled()) c[(m / 2) * ldc + n / 2] *= 1.25F;
}

/* ---- system calls */

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double deadline;

/* Waits for any of the child's threads; kills the child when it is too late. */
static pid_t wait_for(pid_t child, pid_t which, int *status) {
    for (;;) {
        pid_t got = waitpid(which, status, __WALL | WNOHANG);
        if (got != 0) return got;
        if (seconds() > deadline) kill(child, SIGKILL);
        usleep(200);
    }
}

#ifdef __x86_64__
/* Calls on files and memory, as far as they can fail with what is injected. */
static bool is_watched(unsigned long long number, unsigned long long fd) {
    switch (number) {
    case SYS_mmap: return (long long)(int)fd >= 0; /* of a file; others are allocations */
    case SYS_read:
    case SYS_write:
    case SYS_pread64:
    case SYS_pwrite64:
    case SYS_readv:
    case SYS_writev:
    case SYS_open:
    case SYS_openat:
    case SYS_close:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_rename:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_unlink:
    case SYS_unlinkat:
    case SYS_mkdir:
    case SYS_mkdirat:
    case SYS_rmdir:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_lseek:
    case SYS_stat:
    case SYS_lstat:
    case SYS_fstat:
    case SYS_newfstatat:
    case SYS_statx:
    case SYS_access:
    case SYS_faccessat:
    case SYS_faccessat2:
    case SYS_getdents64:
    case SYS_readlink:
    case SYS_readlinkat:
    case SYS_link:
    case SYS_symlink:
    case SYS_chmod:
    case SYS_fchmod:
    case SYS_fcntl:
    case SYS_flock:
    case SYS_dup:
    case SYS_pipe2: return true;
    default: return false;
    }
}

/* Runs the stopped child to its end, its `nth` watched call failing with `error`. */
static int trace(pid_t child, long nth, int error, long *calls, long *which) {
    int status, answer = 0;
    pid_t inside = 0; /* the thread whose call is being refused */
    *calls = 0, *which = -1;
    wait_for(child, child, &status); /* its SIGSTOP */
    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
    ptrace(PTRACE_SYSCALL, child, NULL, NULL);
    for (pid_t thread; (thread = wait_for(child, -1, &status)) > 0;) {
        long pass = 0;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread == child) answer = status;
            continue;
        }
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            struct user_regs_struct r;
            struct __ptrace_syscall_info info;
            ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info);
            if (info.op == PTRACE_SYSCALL_INFO_ENTRY &&
                is_watched(info.entry.nr, info.entry.nr == SYS_mmap ? info.entry.args[4] : 0) &&
                ++*calls == nth) {
                ptrace(PTRACE_GETREGS, thread, NULL, &r);
                r.orig_rax = (unsigned long long)-1; /* no call at all */
                ptrace(PTRACE_SETREGS, thread, NULL, &r);
                *which = (long)info.entry.nr;
                inside = thread;
            } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && inside == thread) {
                ptrace(PTRACE_GETREGS, thread, NULL, &r);
                r.rax = (unsigned long long)-error;
                ptrace(PTRACE_SETREGS, thread, NULL, &r);
                inside = 0;
            }
        } else if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP) {
            pass = WSTOPSIG(status);
        }
        ptrace(PTRACE_SYSCALL, thread, NULL, pass);
    }
    return answer;
}
#endif

/* ---- the server */

static int (*real_main)(int, char **, char **);

static void into_file(const char *name, int fd) {
    int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
    dup2(file, fd);
    close(file);
}

static void be_child(const char *folder, bool traced, int argc, char **argv, char **environment) {
    close(ORDERS);
    close(ANSWERS);
    if (chdir(folder) != 0) _exit(99);
    into_file("../stdout", STDOUT_FILENO);
    into_file("../stderr", STDERR_FILENO);
    if (traced) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
    }
    atomic_store(&now->armed, true);
    exit(real_main(argc, argv, environment));
}

static int serve(int argc, char **argv, char **environment) {
    const char *limit = getenv("INJECT_LIMIT");
    void *frame;
    (void)backtrace(&frame, 1); /* loads what it needs */
    FILE *orders = fdopen(ORDERS, "r");
    char line[4096], kind[16], folder[4000];
    long nth;
    int error;
    now = mmap(NULL, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    while (orders && fgets(line, sizeof line, orders)) {
        if (sscanf(line, "%15s %ld %d %3999s", kind, &nth, &error, folder) != 4) return 98;
        bool traced = strcmp(kind, "call") == 0;
        int status = -1;
        long calls = 0, which = -1;
#ifndef __x86_64__
        if (traced) {
            dprintf(ANSWERS, "-1 0 0 0 0\n");
            continue;
        }
#endif
        atomic_store(&now->allocations, 0);
        atomic_store(&now->foreign, 0);
        atomic_store(&now->nth, strcmp(kind, "alloc") == 0 ? nth : 0);
        deadline = seconds() + (limit ? atof(limit) : 30);
        pid_t child = fork();
        if (child == 0) be_child(folder, traced, argc, argv, environment);
#ifdef __x86_64__
        if (traced) status = trace(child, nth, error, &calls, &which);
#endif
        if (!traced) wait_for(child, child, &status);
        dprintf(ANSWERS, "%d %ld %ld %ld %ld\n", status, atomic_load(&now->allocations), calls, which,
                atomic_load(&now->foreign));
    }
    return 0;
}

__attribute__((visibility("default"))) int __libc_start_main(int (*program)(int, char **, char **), int argc,
                                                             char **argv, void (*init)(void),
                                                             void (*fini)(void), void (*rtld_fini)(void),
                                                             void *stack_end);
int __libc_start_main(int (*program)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end) {
    int (*next)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void),
                void *);
    *(void **)&next = dlsym(RTLD_NEXT, "__libc_start_main");
    real_main = program;
    return next(getenv("INJECT_LIMIT") ? serve : program, argc, argv, init, fini, rtld_fini, stack_end);
}
