/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent.h - the guest agent of a running domain (qemu-ga): files and programs inside the guest.
 *
 * Everything has a limit: a guest that hangs is an error in time, and so is a signal
 * (base/interrupt.h). libvirt marks a domain whose agent was asked like this as tainted
 * (custom-ga-command), once, in its log. An agent is used by one thread at a time.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "domain/connection.h"

struct agent;

/* What its own small calls (all but agent_call and agent_exec) may take, each. */
#define AGENT_SECONDS 5

/* Asks the agent which commands it has. The domain is referred to. The caller frees. Errors: the
 * domain does not run or is paused; it has no channel for an agent, or none listens there, or none
 * answers (with a hint); the connection is a read-only one; there is another hypervisor. */
struct agent *agent_open(virDomainPtr domain, struct error **err);
void agent_free(struct agent *a);
CLEANUP_PTR(cleanup_agent_handler, struct agent, agent_free)
#define cleanup_agent at_scope_end(cleanup_agent_handler)

/* Whether there is this command ("guest-file-open"), and the guest's administrator allows it. */
bool agent_can(const struct agent *a, const char *command);

/* Whether the last call had no answer in time: the next ones would wait as long for theirs. */
bool agent_is_silent(const struct agent *a);

/* Calls a command; the arguments (an object, or NULL) are taken over. What it returns is the
 * caller's to free. Errors: it has not, or may not do, this command; the command failed; there was
 * no answer in time; interrupted. */
json_t *agent_call(struct agent *a, const char *command, json_t *arguments,
                   unsigned timeout_seconds, struct error **err);

/* Reads a file of the guest, of any bytes; behind the last one there is a NUL. ret_length may be
 * NULL. The caller frees. Errors: those of agent_call; it is longer than max_bytes. */
char *agent_read_file(struct agent *a, const char *path, size_t max_bytes, size_t *ret_length,
                      struct error **err);

/* Writes a file of the guest, from its beginning; one that is there keeps its mode, and a new one
 * has 0666, whatever the agent's umask: everybody in the guest may write to it. After an error it
 * may be there in part. Errors: those of agent_call. */
int agent_write_file(struct agent *a, const char *path, const void *data, size_t length,
                     struct error **err);

/* A program to be run in the guest. */
struct agent_program {
    const char *const *argv; /* up to a NULL; the first is a path, or a name that the agent's PATH
                                has. No shell is between. */
    const void *input;       /* its standard input, at most AGENT_INPUT_MAX bytes; NULL: none */
    size_t input_length;
    unsigned timeout_seconds;
    bool tidies; /* it removes what would stay: no signal keeps it from that, or ends the wait */
};
/* Commands of 240 KB were seen to reach the agent in pieces, which it took for other commands
 * (libvirt 9.0, QEMU 7.2); those of 200 KB were not. */
#define AGENT_INPUT_MAX (64 << 10)

/* What came of it. The texts have a NUL behind the last byte. */
struct agent_result {
    int status; /* its exit status; 128 + N where signal N ended it */
    char *out, *err_text;
    size_t out_length, err_length;
    bool truncated; /* it wrote more than the agent keeps */
    bool started;   /* also where it is not known how it ended */
};

/* Runs it to its end. What it prints has to go through one answer of libvirt, which is about 3 MB:
 * more is an error. From about 7 MB on libvirt takes the agent for broken, and nobody can ask it
 * until it is started anew in the guest: a program that may print so much has to print to a file.
 * agent_result_done() frees what is in *ret. Errors: those of agent_call; it has not ended in time,
 * and goes on: the agent has no way to stop it. */
int agent_exec(struct agent *a, const struct agent_program *program, struct agent_result *ret,
               struct error **err);
void agent_result_done(struct agent_result *r);
#define cleanup_agent_result at_scope_end(agent_result_done)
