/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

/* --- Owners ----------------------------------------------------------------------------------- */

/* What a lock says: the process that the claim is of, its machine's name, and which start of that
 * machine it is; the latter two empty where it says nothing of them. */
struct owner {
    char pid[16], host[HOST_NAME_MAX + 1], boot[64];
};

static struct owner this_owner(void)
{
    struct owner o = {0};
    cleanup_free char *boot = file_read("/proc/sys/kernel/random/boot_id", NULL, NULL);
    snprintf(o.pid, sizeof(o.pid), "%d", (int)getpid());
    gethostname(o.host, sizeof(o.host) - 1);
    text_one_line(boot ? boot : (char[]){""});
    snprintf(o.boot, sizeof(o.boot), "%s", boot ? boot : "");
    return o;
}

static struct owner owner_of(const char *claim)
{
    struct owner o = {0};
    cleanup_free char *path = xasprintf("%s/" LOCK_NAME, claim);
    cleanup_free char *text = file_read(path, NULL, NULL);
    char *fields[] = {o.pid, o.host, o.boot};
    const size_t sizes[] = {sizeof(o.pid), sizeof(o.host), sizeof(o.boot)};
    char *rest = text;
    for (size_t i = 0; rest && i < ARRAY_SIZE(fields); i++) {
        char *line = strsep(&rest, "\n");
        text_one_line(line);
        snprintf(fields[i], sizes[i], "%s", line);
    }
    return o;
}

/* On storage that machines share, where each may know its own locks alone. A machine that was
 * started anew is the same, and so is a container on it. */
static bool is_of_another_machine(const char *claim)
{
    struct owner o = owner_of(claim), here = this_owner();
    return o.host[0] && strcmp(o.host, here.host) != 0 && strcmp(o.boot, here.boot) != 0;
}

/* Whether what this user makes in the directory belongs to this one: with root_squash, what root
 * makes on NFS is somebody else's. */
static bool is_own(const char *directory, uid_t uid)
{
    if (uid == geteuid())
        return true;
    struct stat st;
    cleanup_free char *path = xasprintf("%s/.virt-disktune.XXXXXX", directory);
    cleanup_close int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return false;
    unlink(path);
    return fstat(fd, &st) == 0 && st.st_uid == uid;
}

/* --- Burying ---------------------------------------------------------------------------------- */

static void bury(const char *path);

/* NFS keeps a file that is removed while it is open under another name until it is closed: only
 * then the claim's directory is empty. */
static void remove_emptied(const char *path)
{
    for (unsigned attempt = 0; attempt < 10 && rmdir(path) < 0 && errno != ENOENT; attempt++)
        usleep(20000);
}

/* Buries the claim unless its owner is alive (-1 with errno EWOULDBLOCK), or was on another machine
 * (EREMOTE), of whose locks this one may not know. The lock is the first thing in a claim and the
 * last to be removed, so one without is empty, or none of ours. */
static int bury_if_dead(const char *path)
{
    cleanup_close int lock = open_lock(path, 0);
    if (lock < 0) {
        if (errno != ENOENT)
            return -1;
        rmdir(path);
        return 0;
    }
    if (is_of_another_machine(path)) {
        errno = EREMOTE;
        return -1;
    }
    bury(path);
    close(TAKE_FD(lock));
    remove_emptied(path);
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
    if (!name || !is_claim_name(name + 1, CLAIM_SCRATCH_PREFIX) || lstat(other, &st) < 0 ||
        !S_ISDIR(st.st_mode))
        return;
    cleanup_free char *parent = strndup(other, (size_t)(name - other));
    if (is_own(parent, st.st_uid))
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

static int refuse_company(const char *path, bool lives, struct error **err)
{
    struct owner o = owner_of(path), here = this_owner();
    bool known = o.pid[0], elsewhere = o.host[0] && strcmp(o.host, here.host) != 0;
    if (!lives) {
        error_set(err,
                  "a run of the machine %s (process %s) was measuring here: whether it still is "
                  "cannot be told from this one",
                  o.host, o.pid);
        return error_hint(err, "if it is over, remove %s", path);
    }
    error_set(err, "another run (process %s%s%s) is measuring here: two would measure each other",
              known ? o.pid : "unknown", elsewhere ? " of the machine " : "",
              elsewhere ? o.host : "");
    return error_hint(err, "wait until it is done, or use a directory on another disk");
}

/* Buries every dead claim in `parent`. An error only where `alone` is asked for and one lives, or
 * may live. */
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
        if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || !is_own(parent, st.st_uid))
            continue;
        if (bury_if_dead(path) < 0 && alone && (errno == EWOULDBLOCK || errno == EREMOTE))
            return refuse_company(path, errno == EWOULDBLOCK, err);
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
    struct owner here = this_owner();
    cleanup_free char *text = xasprintf("%s\n%s\n%s\n", here.pid, here.host, here.boot);
    if (lock < 0 || file_write_all(lock, text, strlen(text)) < 0) {
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
    remove_emptied(claim->path);
    free(claim->path);
    free(claim);
}
