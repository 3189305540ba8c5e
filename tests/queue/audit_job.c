/* A job that proves it is alone on its GPUs, by means that have nothing to do with file locks.

   usage: audit_job MILLISECONDS EXIT_CODE

   For each GPU of CUDA_VISIBLE_DEVICES it listens on an abstract unix socket, AUDIT_NAME-gpu, which
   only one process can. It appends lines "EVENT PID NANOSECONDS" to the file AUDIT_LOG: start, end,
   and double where another live process has the GPU. A holder whom the kernel is tearing down (it
   closes files one by one) is waited for. */

#define _GNU_SOURCE /* struct ucred */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PF_EXITING 0x4 /* of the kernel's include/linux/sched.h */
#define FOUND_DOUBLE 99

static void note(const char *event) {
    struct timespec now;
    char line[96];
    clock_gettime(CLOCK_MONOTONIC, &now);
    int length = snprintf(line, sizeof line, "%s %d %lld\n", event, getpid(),
                          now.tv_sec * 1000000000LL + now.tv_nsec);
    int file = open(getenv("AUDIT_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (file < 0 || write(file, line, length) != length)
        abort();
    close(file);
}

/* Pid of who listens there, 0 where nobody does any more. */
static int holder(const struct sockaddr_un *address, socklen_t length) {
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(client, (const struct sockaddr *)address, length) == 0)
        getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    close(client);
    return peer.pid;
}

static int is_exiting(int pid) {
    char path[64], text[512] = "";
    unsigned flags = PF_EXITING;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (file) {
        char *rest = fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
        if (rest)
            sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags);
        fclose(file);
    }
    return flags & PF_EXITING;
}

static void claim(const char *gpu) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int socket_of_gpu = socket(AF_UNIX, SOCK_STREAM, 0);
    int written = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s-%s",
                           getenv("AUDIT_NAME"), gpu);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 1 + written;
    while (bind(socket_of_gpu, (struct sockaddr *)&address, length)) {
        if (errno != EADDRINUSE)
            abort();
        int pid = holder(&address, length);
        if (pid && !is_exiting(pid)) {
            note("double");
            exit(FOUND_DOUBLE);
        }
        usleep(200);
    }
    listen(socket_of_gpu, 64);
}

int main(int count, char **words) {
    if (count != 3)
        return 2;
    for (char *gpu = strtok(strdup(getenv("CUDA_VISIBLE_DEVICES")), ","); gpu;
         gpu = strtok(NULL, ","))
        claim(gpu);
    note("start");
    usleep(1000 * atoi(words[1]));
    note("end");
    return atoi(words[2]);
}
