/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-check-tables.c - what check finds in what qemu-img says of an image's tables.
 */
#undef NDEBUG
#include "judge.h"

#define TABLES(...)                                                                                \
    (const struct image_tables[])                                                                  \
    {                                                                                              \
        {                                                                                          \
            .allocated = 16384, __VA_ARGS__                                                        \
        }                                                                                          \
    }

static const struct judge_row rows[] = {
    {"tables-corrupt", "6 errors", .image = QCOW2(), .tables = TABLES(.corruptions = 6),
     .severity = SEVERITY_ERROR, .says = "its tables have 6 errors",
     .fix = "cp --sparse=always '/srv/a b.img' '/srv/a b.img.copy' &&\n"
            "qemu-img check -f qcow2 '/srv/a b.img'"},
    {"tables-corrupt", "one, in a layer below", .image = QCOW2(), .behind = 1, .layer = 1,
     .tables = TABLES(.corruptions = 1), .severity = SEVERITY_ERROR,
     .says = "base1.img: its tables have 1 error"},
    {"tables-corrupt", "leaks", .image = QCOW2(), .tables = TABLES(.leaks = 6)},
    {"tables-corrupt", "sound", .image = QCOW2(), .tables = TABLES()},
    {"tables-corrupt", "not asked", .image = QCOW2()},
    {"tables-corrupt", "in use", .image = QCOW2(),
     .tables = TABLES(.in_use = true, .corruptions = 6)},
    {"tables-leaks", "5 clusters", .image = QCOW2(), .tables = TABLES(.leaks = 5),
     .severity = SEVERITY_NOTE, .says = "5 lost clusters take up to 320 KiB",
     .fix = "qemu-img check -f qcow2 -r leaks '/srv/a b.img'"},
    {"tables-leaks", "one", .image = QCOW2(.cluster_bytes = 2 << 20), .tables = TABLES(.leaks = 1),
     .severity = SEVERITY_NOTE, .says = "1 lost cluster takes up to 2 MiB"},
    {"tables-leaks", "more than there can be", .image = QCOW2(),
     .tables = TABLES(.leaks = INT64_MAX), .severity = SEVERITY_NOTE, .says = "lost clusters"},
    {"tables-leaks", "damaged as well", .image = QCOW2(),
     .tables = TABLES(.leaks = 5, .corruptions = 1)},
    {"tables-leaks", "none", .image = QCOW2(), .tables = TABLES()},
    {"tables-fragmented", "clusters in any order", .image = QCOW2(),
     .tables = TABLES(.fragmented = 16383), .severity = SEVERITY_NOTE,
     .says = "16383 pieces inside it, of 64.0 KiB", .fix = "-o cluster_size=65536"},
    {"tables-fragmented", "all of it", .image = QCOW2(),
     .tables = TABLES(.allocated = INT64_MAX, .fragmented = INT64_MAX), .severity = SEVERITY_NOTE,
     .says = "pieces inside it"},
    {"tables-fragmented", "large pieces", .image = QCOW2(),
     .tables = TABLES(.allocated = 16 * 4096, .fragmented = 4096)},
    {"tables-fragmented", "few pieces", .image = QCOW2(), .tables = TABLES(.fragmented = 4095)},
    /* Each of them counts as a piece, wherever it lies. */
    {"tables-fragmented", "compressed", .image = QCOW2(),
     .tables = TABLES(.fragmented = 16384, .compressed = 16384)},
    {"tables-fragmented", "more compressed ones than clusters", .image = QCOW2(),
     .tables = TABLES(.fragmented = 8192, .compressed = INT64_MAX)},
    {"tables-compressed", "all", .image = QCOW2(),
     .tables = TABLES(.compressed = 16384, .fragmented = 16384), .severity = SEVERITY_NOTE,
     .says = "16384 of 16384 clusters are compressed", .fix = "-o cluster_size=65536"},
    {"tables-compressed", "encrypted", .image = QCOW2(.encryption = "luks"),
     .tables = TABLES(.compressed = 16384), .severity = SEVERITY_NOTE, .says = "16384",
     .fix = "with its secret"},
    {"tables-compressed", "a few", .image = QCOW2(), .tables = TABLES(.compressed = 100)},
    {"tables-compressed", "none", .image = QCOW2(), .tables = TABLES()},
    {"tables-unread", "no permission", .image = QCOW2(),
     .tables = TABLES(.unread = TEXT("Permission denied"), .corruptions = 1),
     .severity = SEVERITY_NOTE, .says = "could not be read: Permission denied"},
    {"tables-corrupt", "not read", .image = QCOW2(),
     .tables = TABLES(.unread = TEXT("Permission denied"), .corruptions = 1)},
    {"tables-unread", "read", .image = QCOW2(), .tables = TABLES()},
    {"tables-unread", "not asked", .image = QCOW2()},
};

JUDGE_MAIN("check-tables", &rules_tables)
