/* What a disk holds after a power cut: only what a sync has written. Preloaded into the daemon by tests/it/fire/power.rs.
 *
 * After each successful fsync or fdatasync of a database file (*.db, *.db-wal, *.db-journal) the file is copied to
 * <file>.durable, whole and by a rename, so that a kill in the middle leaves the older copy: a sync that has not
 * returned has promised nothing. The test then cuts the power: kill -9, and every file becomes its durable copy, with
 * any part of what was written since, block by block. Not modelled: the order of directory entries (an unlink counts
 * as durable at once), and disks that lie about a sync. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

static void keep(int fd) {
    char link[64], path[4096], part[4200], durable[4200], block[65536];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    if (!ends_with(path, ".db") && !ends_with(path, ".db-wal") && !ends_with(path, ".db-journal")) return;
    snprintf(part, sizeof part, "%s.part", path);
    snprintf(durable, sizeof durable, "%s.durable", path);
    int to = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0) abort(); /* A model with a hole in it would prove nothing. */
    off_t at = 0;
    for (;;) {
        ssize_t got = pread(fd, block, sizeof block, at);
        if (got == 0) break;
        if (got < 0 || write(to, block, (size_t)got) != got) abort();
        at += got;
    }
    close(to);
    if (rename(part, durable) != 0) abort();
}

static int synced(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int done = real(fd);
    if (done == 0) keep(fd);
    return done;
}

int fsync(int fd) { return synced("fsync", fd); }
int fdatasync(int fd) { return synced("fdatasync", fd); }
