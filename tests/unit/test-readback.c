/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-readback.c - what QEMU runs is read from its answers, as they were recorded, and held
 * against what was asked, field by field; that it fell back to threads is seen, and nothing else is
 * taken for that. A real one is asked in the functional tests.
 */
#undef NDEBUG
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "probe/readback.h"
#include "scratch.h"

static const struct disk_config asked = {"virtio", "qcow2", "falloc", "none", "native", true};

static const struct {
    const char *message;
    struct disk_config effective;
} differences[] = {
    {"bus='virtio' was asked for, QEMU runs bus='other'",
     {"other", "qcow2", "falloc", "none", "native", true}},
    {"bus='virtio' was asked for, QEMU runs bus='scsi'",
     {"scsi", "qcow2", "falloc", "none", "native", true}},
    {"format='qcow2' was asked for, QEMU runs format='raw'",
     {"virtio", "raw", "falloc", "none", "native", true}},
    {"preallocation='falloc' was asked for, QEMU runs preallocation='off'",
     {"virtio", "qcow2", "off", "none", "native", true}},
    {"cache='none' was asked for, QEMU runs cache='writeback'",
     {"virtio", "qcow2", "falloc", "writeback", "native", true}},
    {"io='native' was asked for, QEMU runs io='threads'",
     {"virtio", "qcow2", "falloc", "none", "threads", true}},
    {"iothread='yes' was asked for, QEMU runs iothread='no'",
     {"virtio", "qcow2", "falloc", "none", "native", false}},
    {"iothreads='0' was asked for, QEMU runs iothreads='2'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .iothreads = 2}},
    {"poll_max_ns='32768' was asked for, QEMU runs poll_max_ns='0'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .poll_max_ns = DISK_POLL_OFF}},
    {"poll_max_ns='32768' was asked for, QEMU runs poll_max_ns='200000'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .poll_max_ns = 200000}},
    {"queues='0' was asked for, QEMU runs queues='2'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .queues = 2}},
    {"cluster_size='0' was asked for, QEMU runs cluster_size='131072'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .cluster_bytes = 131072}},
    {"extended_l2='no' was asked for, QEMU runs extended_l2='yes'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .extended_l2 = true}},
    {"metadata_cache='0' was asked for, QEMU runs metadata_cache='327680'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .metadata_cache_bytes = 327680}},
    {"discard='no' was asked for, QEMU runs discard='yes'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .discard = true}},
    {"detect_zeroes='no' was asked for, QEMU runs detect_zeroes='yes'",
     {"virtio", "qcow2", "falloc", "none", "native", true, .detect_zeroes = true}},
};

static void test_same(void **state)
{
    (void)state;
    /* The same text in another place is the same. */
    char native[] = "native";
    struct disk_config effective = asked;
    struct error *err = NULL;
    effective.io = native;
    assert_int_equal(readback_compare(&asked, &effective, &err), 0);
    /* What an old machine type gives a disk that says nothing of queues. */
    effective.queues = 1;
    assert_int_equal(readback_compare(&asked, &effective, &err), 0);
    assert_null(err);
}

static void test_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
        cleanup_error struct error *err = NULL;
        assert_int_equal(readback_compare(&asked, &differences[i].effective, &err), -1);
        assert_string_equal(err->message, differences[i].message);
        assert_int_equal(readback_compare(&asked, &differences[i].effective, NULL), -1);
        /* And the other way round. */
        assert_int_equal(readback_compare(&differences[i].effective, &asked, NULL), -1);
    }
}

/* --- Answers ---------------------------------------------------------------------------------- */

#define CACHE "\"cache\":{\"no-flush\":false,\"direct\":true,\"writeback\":true}"

/* Of QEMU 7.2 under libvirt 9.0: a node of the format above that of the file. */
#define FORMAT_NODE(driver, name, image)                                                           \
    "{\"iops_rd\":0,\"detect_zeroes\":\"off\",\"image\":" image                                    \
    ",\"ro\":false,\"node-name\":\"libvirt-" name                                                  \
    "-format\",\"backing_file_depth\":0,\"drv\":\"" driver "\",\"encrypted\":false," CACHE         \
    ",\"file\":\"%s\"}"
#define RAW_7_2                                                                                    \
    FORMAT_NODE(                                                                                   \
        "raw", "2",                                                                                \
        "{\"virtual-size\":8388608,\"filename\":\"%s\",\"format\":\"raw\",\"actual-size\":4096,"   \
        "\"dirty-flag\":false}")
#define QCOW2_7_2                                                                                  \
    FORMAT_NODE(                                                                                   \
        "qcow2", "1",                                                                              \
        "{\"virtual-size\":8388608,\"filename\":\"%s\",\"cluster-size\":131072,"                   \
        "\"format\":\"qcow2\",\"actual-size\":200704,\"format-specific\":{\"type\":\"qcow2\","     \
        "\"data\":{\"compat\":\"1.1\",\"compression-type\":\"zlib\",\"lazy-refcounts\":false,"     \
        "\"refcount-bits\":16,\"corrupt\":false,\"extended-l2\":true}},\"dirty-flag\":false}")
#define FILE_7_2                                                                                   \
    "{\"detect_zeroes\":\"off\",\"image\":{\"virtual-size\":8388608,\"filename\":\"%s\","          \
    "\"format\":"                                                                                  \
    "\"file\",\"actual-size\":4096,\"dirty-flag\":false},\"ro\":false,\"node-name\":\"libvirt-2-"  \
    "storage\",\"backing_file_depth\":0,\"drv\":\"file\",\"encrypted\":false," CACHE               \
    ",\"file\":\"%s\"}"

/* Of QEMU 10 under libvirt 10.1 or later: what is raw is the node of the file, or of the device. */
#define ALONE_10(driver)                                                                           \
    "{\"detect_zeroes\":\"unmap\",\"active\":true,\"image\":{\"virtual-size\":8388608,"            \
    "\"filename\":"                                                                                \
    "\"%s\",\"format\":\"" driver                                                                  \
    "\",\"actual-size\":4096,\"format-specific\":{\"type\":\"" driver                              \
    "\",\"data\":{}},\"dirty-flag\":false},\"ro\":false,\"children\":[],\"node-name\":\"libvirt-"  \
    "2-"                                                                                           \
    "storage\",\"backing_file_depth\":0,\"drv\":\"" driver "\",\"encrypted\":false," CACHE         \
    ",\"file\":\"%s\"}"

/* The answer to query-block, or to query-named-block-nodes, with these nodes in it, and the path of
 * an image in all their places; the caller owns it. */
static json_t *answer(bool blocks, const char *first, const char *second, const char *image)
{
    cleanup_free char *text = blocks
                                  ? xasprintf("[{\"inserted\":%s}]", first)
                                  : xasprintf("[%s%s%s]", first, second ? "," : "", second ?: "");
    json_t *json;
    for (char *at; (at = strstr(text, "%s"));) {
        *at = '\0';
        char *longer = xasprintf("%s%s%s", text, image, at + 2);
        free(text);
        text = longer;
    }
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

/* What is read of an image that these nodes are of, the topmost first. */
static struct disk_config parse(const char *top, const char *below, const char *image)
{
    struct disk_config wanted = asked, found = {0};
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s", image);
    struct probe_disk disk = {.config = &wanted, .image_path = path};
    json_t *block = NULL;
    cleanup_error struct error *err = NULL;
    cleanup_json json_t *blocks = answer(true, top, NULL, image),
                        *nodes = answer(false, top, below, image);
    if (readback_parse(blocks, nodes, &disk, &found, &block, &err) < 0)
        fail_msg("%s", err->message);
    assert_ptr_equal(block, json_array_get(blocks, 0));
    return found;
}

static void test_answers(void **state)
{
    (void)state;
    struct disk_config raw = parse(RAW_7_2, FILE_7_2, "/d.raw");
    assert_string_equal(raw.format, "raw");
    assert_string_equal(raw.cache, "none");
    assert_string_equal(raw.preallocation, "off");
    assert_false(raw.detect_zeroes);
    struct disk_config qcow2 = parse(QCOW2_7_2, FILE_7_2, "/d.qcow2");
    assert_string_equal(qcow2.format, "qcow2");
    assert_string_equal(qcow2.cache, "none");
    assert_int_equal(qcow2.cluster_bytes, 131072);
    assert_true(qcow2.extended_l2);
    struct disk_config alone[] = {parse(ALONE_10("file"), NULL, "/d.raw"),
                                  parse(ALONE_10("host_device"), NULL, "/dev/vg/d")};
    for (size_t i = 0; i < ARRAY_SIZE(alone); i++) {
        assert_string_equal(alone[i].format, "raw");
        assert_string_equal(alone[i].cache, "none");
        assert_string_equal(alone[i].preallocation, "off");
        assert_int_equal(alone[i].cluster_bytes, 0);
        assert_true(alone[i].detect_zeroes);
    }
}

/* A raw image has its full length whatever is allocated of it; of a qcow2 that tells of its tables.
 */
static void test_length(void **state)
{
    (void)state;
    cleanup_free char *image = scratch_path("image");
    assert_int_equal(file_write_atomic(image, "", NULL), 0);
    assert_int_equal(truncate(image, 8 << 20), 0);
    assert_string_equal(parse(RAW_7_2, FILE_7_2, image).preallocation, "off");
    assert_string_equal(parse(ALONE_10("file"), NULL, image).preallocation, "off");
    assert_string_equal(parse(QCOW2_7_2, FILE_7_2, image).preallocation, "metadata");
}

static void test_unknown(void **state)
{
    (void)state;
    struct disk_config found;
    json_t *block;
    char path[] = "/other";
    struct probe_disk disk = {.config = &asked, .image_path = path};
    cleanup_json json_t *blocks = answer(true, RAW_7_2, NULL, "/d.raw"),
                        *other = answer(true, RAW_7_2, NULL, path),
                        *nodes = answer(false, RAW_7_2, FILE_7_2, "/d.raw");
    for (int i = 0; i < 2; i++) {
        cleanup_error struct error *err = NULL;
        assert_int_equal(readback_parse(i ? other : blocks, nodes, &disk, &found, &block, &err),
                         -1);
        assert_string_equal(err->message, "QEMU does not know the disk /other");
    }
}

/* --- Fallback --------------------------------------------------------------------------------- */

#define MAP "7f5c9a7fd000-7f5c9a7fe000 rw-s 00000000 00:0f 1047      /[aio] (deleted)\n"
#define HEAP "55d0c8a2d000-55d0c9b3f000 rw-p 00000000 00:00 0         [heap]\n"
#define RING "/dev/kvm\nanon_inode:[io_uring]\n"
#define NATIVE_LOG "qemu: Unable to use native AIO, falling back to thread pool: no more contexts"
#define URING_LOG "qemu: Unable to use linux io_uring, falling back to thread pool: not permitted"
#define FELL(io, why) "io='" io "' was asked for, QEMU fell back to threads (" why ")"
#define UNSEEN(io)                                                                                 \
    "io='" io "' was asked for, and whether QEMU fell back to threads cannot be seen: its log "    \
    "cannot be read"

static const struct {
    const char *what;
    const char *maps, *descriptors, *log;
    unsigned native, uring; /* event loops */
    const char *why_native, *why_uring;
} falls[] = {
    {"all is there", HEAP MAP MAP, RING RING, "", 2, 2, NULL, NULL},
    {"more than are needed", MAP MAP MAP, RING RING, NULL, 2, 1, NULL, NULL},
    {"too few", HEAP MAP, RING, "", 2, 3, FELL("native", "1 AIO contexts where 2 are needed"),
     FELL("io_uring", "1 rings where 3 are needed")},
    {"both fell back", HEAP, "/dev/kvm\n", "starting up\n" NATIVE_LOG "\r\n" URING_LOG "\n", 1, 1,
     FELL("native", NATIVE_LOG), FELL("io_uring", URING_LOG)},
    {"one of the two", MAP, "/dev/kvm\n", URING_LOG, 1, 1, NULL, FELL("io_uring", URING_LOG)},
    {"the other", HEAP, RING, NATIVE_LOG "\n", 1, 1, FELL("native", NATIVE_LOG), NULL},
    /* What is there is that of other disks. */
    {"the log's word counts", MAP MAP, RING RING, NATIVE_LOG "\n" URING_LOG, 1, 1,
     FELL("native", NATIVE_LOG), FELL("io_uring", URING_LOG)},
    {"before the first request", HEAP, "", "starting up\n", 0, 0, NULL, NULL},
    {"before the first request, with a word", HEAP, "", URING_LOG, 0, 0, NULL,
     FELL("io_uring", URING_LOG)},
    {"nothing can be counted", NULL, NULL, "", 2, 2, NULL, NULL},
    {"nothing can be counted, with a word", NULL, NULL, NATIVE_LOG, 2, 2,
     FELL("native", NATIVE_LOG), NULL},
    {"no log", MAP, RING, NULL, 1, 1, NULL, NULL},
    {"nothing can be read", NULL, NULL, NULL, 1, 1, UNSEEN("native"), UNSEEN("io_uring")},
};

static void check_fallback(const char *what, const char *found, const char *wanted)
{
    if (!found != !wanted || (found && strcmp(found, wanted) != 0))
        fail_msg("%s: '%s' instead of '%s'", what, found ? found : "nothing",
                 wanted ? wanted : "nothing");
}

static void test_fallback(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(falls); i++) {
        const struct readback_evidence e = {(char *)falls[i].maps, (char *)falls[i].descriptors,
                                            (char *)falls[i].log};
        cleanup_free char *native = readback_fallback(&e, "native", falls[i].native);
        cleanup_free char *uring = readback_fallback(&e, "io_uring", falls[i].uring);
        check_fallback(falls[i].what, native, falls[i].why_native);
        check_fallback(falls[i].what, uring, falls[i].why_uring);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),    cmocka_unit_test(test_differences),
        cmocka_unit_test(test_answers), cmocka_unit_test(test_length),
        cmocka_unit_test(test_unknown), cmocka_unit_test(test_fallback),
    };
    return cmocka_run_group_tests(tests, scratch_set_up, scratch_tear_down);
}
