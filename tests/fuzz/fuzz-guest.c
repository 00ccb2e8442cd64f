/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-guest.c - whatever a guest says, as a record that unit/recorded-guest.h reads: names of its
 * devices are such as kernels give, and what is to be pasted into a shell has what it quotes in
 * quotes.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "../unit/recorded-guest.h"
#include "check/ask.h"
#include "domain/agent_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name)
{
    assert(*name && strlen(name) < 32);
    for (const char *c = name; *c; c++)
        assert(g_ascii_isalnum(*c) || *c == '_' || *c == '-');
}

static void check_guest(const struct guest_facts *g)
{
    for (guint i = 0; i < g->disks->len; i++) {
        const struct guest_disk *d = g->disks->pdata[i];
        check_name(d->name);
        for (guint k = 0; k < d->partitions->len; k++)
            check_name(((const struct guest_partition *)d->partitions->pdata[k])->name);
    }
}

static void check_findings(const GPtrArray *findings)
{
    for (guint i = 0; i < findings->len; i++) {
        const struct finding *f = findings->pdata[i];
        assert(!strpbrk(f->summary, "\n\r\033"));
        if (f->kind != FIX_GUEST)
            continue;
        int argc;
        g_auto(GStrv) argv = NULL;
        /* Two lines at most, and no quote that does not end. */
        assert(strcspn(f->fix, "\r\033") == strlen(f->fix));
        assert(g_shell_parse_argv(f->fix, &argc, &argv, NULL));
    }
}

/* The agent's own answers, which are JSON as well. */
static void read_replies(const json_t *json, const char *text)
{
    bool flag;
    cleanup_json json_t *value = agent_reply_value(text, NULL);
    cleanup_agent_result struct agent_result result = {0};
    GHashTable *commands = agent_reply_commands(json, NULL);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    agent_reply_bytes(json, 100, bytes, &flag, NULL);
    assert(bytes->len <= 100);
    if (agent_reply_status(json, &result, &flag, NULL) == 0 && flag)
        assert(result.out && result.err_text && !result.out[result.out_length]);
    if (commands)
        g_hash_table_unref(commands);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *text = xcalloc(size + 1, 1);
    memcpy(text, data, size);
    cleanup_json json_t *json = json_loadb(text, size, 0, NULL);
    read_replies(json, text);
    cleanup_check_domain struct check_domain *d = json ? recorded_domain(json) : NULL;
    if (!d)
        return 0;
    check_guest(d->guest);
    const struct look at = {.domain = d};
    g_autofree GPtrArray **findings = g_new0(GPtrArray *, d->disk_count + 1);
    ask_domain(&at, NULL, findings);
    for (size_t i = 0; i <= d->disk_count; i++) {
        check_findings(findings[i]);
        g_ptr_array_unref(findings[i]);
    }
    return 0;
}
