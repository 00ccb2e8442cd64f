/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/process.h"

#define LOCK_NAME "lock"

/* Opens the claim's lock file and tries to lock it: the descriptor, or -1 with errno (EWOULDBLOCK:
 * its owner is alive). */
static int open_lock(const char *claim, int flags)
{
    cleanup_free char *path = xasprintf("%s/" LOCK_NAME, claim);
    cleanup_close int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -1;
    return TAKE_FD(fd);
}

/* What mkdtemp puts in the place of XXXXXX. */
#define UNIQUE_LENGTH 6

/* Whether the name is one that create() gives, to the letter: what is not is never touched. */
static bool is_claim_name(const char *name, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(name, prefix, length) == 0 && strlen(name) == length + UNIQUE_LENGTH &&
           strspn(name + length, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") ==
               UNIQUE_LENGTH;
}

/* --- Burying ---------------------------------------------------------------------------------- */

static void bury(const char *path);

/* Buries the claim unless its owner is alive: then -1 with errno EWOULDBLOCK. The lock is the first
 * thing in a claim and the last to be removed, so one without is empty, or none of ours. */
static int bury_if_dead(const char *path)
{
    cleanup_close int lock = open_lock(path, 0);
    if (lock >= 0)
        bury(path);
    else if (errno == ENOENT)
        rmdir(path);
    else
        return -1;
    return 0;
}

/* Buries the claim that `path` says dies with it, if that is one of ours and dead. */
static void bury_linked(const char *path)
{
    cleanup_free char *link = xasprintf("%s/linked", path);
    cleanup_free char *other = file_read(link, NULL, NULL);
    if (!other)
        return;
    const char *name = strrchr(other, '/');
    struct stat st;
    if (!name || !is_claim_name(name + 1, CLAIM_SCRATCH_PREFIX) ||
        lstat(other, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return;
    bury_if_dead(other);
}

static void bury(const char *path)
{
    cleanup_free char *below = xasprintf("%s/", path);
    const char *const guests[] = {CLAIM_DOMAIN_PREFIX, below, NULL};
    /* A QEMU that libvirt's driver in that run only asked what it can: it is no guest's. */
    const char *const asked[] = {"qmp.monitor", below, NULL};
    bury_linked(path);
    /* A child that was about to become QEMU when its run was killed may still make files: once more
     * then. What cannot be removed after all is found again by the next run. */
    for (unsigned attempt = 0; attempt < 10; attempt++) {
        process_kill(guests);
        process_kill(asked);
        if (file_remove_tree_lastly(path, LOCK_NAME, NULL) == 0)
            return;
        usleep(50000);
    }
}

static int refuse_company(const char *path, struct error **err)
{
    cleanup_free char *lock = xasprintf("%s/" LOCK_NAME, path);
    cleanup_free char *owner = file_read(lock, NULL, NULL);
    text_one_line(owner ? owner : (char[]){""});
    error_set(err, "another run (process %s) is measuring here: two would measure each other",
              owner ? owner : "unknown");
    return error_hint(err, "wait until it is done, or use a directory on another disk");
}

/* Buries every dead claim in `parent`. An error only where `alone` is asked for and one lives. */
static int sweep(const char *parent, const char *prefix, bool alone, struct error **err)
{
    cleanup_dir DIR *dir = opendir(parent);
    if (!dir)
        return error_set_errno(err, errno, "cannot read the directory %s", parent);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!is_claim_name(entry->d_name, prefix))
            continue;
        cleanup_free char *path = xasprintf("%s/%s", parent, entry->d_name);
        struct stat st;
        if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
            continue;
        if (bury_if_dead(path) < 0 && alone && errno == EWOULDBLOCK)
            return refuse_company(path, err);
    }
    return 0;
}

/* --- Taking ----------------------------------------------------------------------------------- */

static int create(const char *parent, const char *prefix, struct claim *ret, struct error **err)
{
    cleanup_free char *path = xasprintf("%s/%sXXXXXX", parent, prefix);
    if (!mkdtemp(path))
        return error_set_errno(err, errno, "cannot create a directory in %s", parent);
    cleanup_close int lock = open_lock(path, O_CREAT | O_EXCL);
    cleanup_free char *pid = xasprintf("%d\n", (int)getpid());
    if (lock < 0 || file_write_all(lock, pid, strlen(pid)) < 0) {
        error_set_errno(err, errno, "cannot write in %s", parent);
        file_remove_tree(path, NULL);
        return -1;
    }
    *ret = (struct claim){TAKE_PTR(path), TAKE_FD(lock)};
    return 0;
}

/* Another run that takes a claim holds the lock for moments, or, while it buries, some seconds. */
#define PARENT_PATIENCE_SECONDS 60

struct claim *claim_take(const char *parent, const char *prefix, bool alone, struct error **err)
{
    cleanup_close int parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd < 0) {
        error_set_errno(err, errno, "cannot open the directory %s", parent);
        return NULL;
    }
    /* Held until this function returns. Where directories cannot be locked (NFS) go on without:
     * what can happen then is that a claim in the making is taken for a dead one. */
    if (flock(parent_fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK &&
        file_lock(parent_fd, parent, PARENT_PATIENCE_SECONDS, err) < 0)
        return NULL;
    struct claim made;
    if (sweep(parent, prefix, alone, err) < 0 || create(parent, prefix, &made, err) < 0)
        return NULL;
    struct claim *claim = xcalloc(1, sizeof(*claim));
    *claim = made;
    return claim;
}

int claim_link(const struct claim *claim, const struct claim *other, struct error **err)
{
    cleanup_free char *path = xasprintf("%s/linked", claim->path);
    return file_write_atomic(path, other->path, err);
}

void claim_release(struct claim *claim)
{
    if (!claim)
        return;
    file_remove_tree_lastly(claim->path, LOCK_NAME, NULL);
    close(claim->lock_fd);
    free(claim->path);
    free(claim);
}
