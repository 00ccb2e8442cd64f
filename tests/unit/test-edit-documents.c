/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-edit-documents.c - what holds for edits of any document: nothing differs but what was asked
 * for, taking it back gives the same bytes, and what libvirt's schema accepts it accepts then.
 *
 *   test-edit-documents                  documents made from seeds
 *   test-edit-documents --schema         the same, and against libvirt's schema
 *   test-edit-documents --corpus DIR...  every file below these that is a domain
 */
#undef NDEBUG
#include <assert.h>
#include <fts.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libxml/c14n.h>
#include <libxml/relaxng.h>
#include <libxml/xpath.h>

#include "base/file.h"
#include "domain/metadata_cache.h"
#include "domain/xml.h"
#include "edit_round.h"
#include "random_domain.h"

#define SCHEMA "/usr/share/libvirt/schemas/domain.rng"
#define DOCUMENTS 3000
#define ROUNDS 3         /* of edits of a document */
#define CORPUS_ROUNDS 10 /* of these, on a document that somebody else wrote */

static xmlRelaxNGPtr schema;

/* What became of the edits. */
static struct {
    unsigned documents, edited, unchanged, refused, validated;
    GHashTable *reasons; /* how often each error */
} tally;

static void tell(const char *what, const char *xml, const char *after)
{
    print_message("# %s:\n%s\n# became:\n%s\n", what, xml, after ? after : "(nothing)");
}

/* --- An edit, looked at from outside ---------------------------------------------------------- */

struct asked {
    char target[64];
    struct disk_setting settings[SETTINGS_MAX];
    size_t count;
};

static const struct random_attribute words[] = {
    {"cache", {"none", "directsync", "writeback", "writethrough", "default"}},
    {"io", {"threads", "native", "io_uring"}},
    {"discard", {"unmap", "ignore"}},
    {"detect_zeroes", {"off", "on", "unmap"}},
    {"queues", {"1", "4", "256"}},
    {"iothread", {"new", "new", "1", "2"}},
    {"metadata_cache", {"4096", "1", "8192", "9223372036854775807"}},
};

/* Some settings in any order, each of which may be absent. */
static void ask(struct random_domain *d, struct asked *a)
{
    a->count = 0;
    for (unsigned i = 0, first = below(d, ARRAY_SIZE(words)); i < ARRAY_SIZE(words); i++) {
        const struct random_attribute *w = &words[(first + i) % ARRAY_SIZE(words)];
        if (chance(d, 40))
            a->settings[a->count++] = (struct disk_setting){
                w->name, chance(d, 20) ? NULL : w->values[below(d, value_count(w))]};
    }
}

static xmlNodePtr find(xmlDocPtr doc, const char *path)
{
    xmlXPathContextPtr context = xmlXPathNewContext(doc);
    xmlXPathObjectPtr object = xmlXPathEvalExpression(BAD_CAST path, context);
    xmlNodePtr node = object && object->nodesetval && object->nodesetval->nodeNr
                          ? object->nodesetval->nodeTab[0]
                          : NULL;
    xmlXPathFreeObject(object);
    xmlXPathFreeContext(context);
    return node;
}

static xmlNodePtr disk_of(xmlDocPtr doc, const char *target)
{
    cleanup_free char *path = xasprintf("/domain/devices/disk[target/@dev=\"%s\"]", target);
    return find(doc, path);
}

static xmlNodePtr controller_of(xmlDocPtr doc, xmlNodePtr disk)
{
    cleanup_free char *index = xml_attribute(xml_child(disk, "address"), "controller");
    cleanup_free char *path =
        xasprintf("/domain/devices/controller[@type='scsi' and (@index='%s' or not(@index))]",
                  index ? index : "0");
    return find(doc, path);
}

/* The <driver> that a setting is of, by what the disk's bus is or has to be. */
static xmlNodePtr driver_of(xmlDocPtr doc, const char *target, const char *key)
{
    xmlNodePtr disk = disk_of(doc, target);
    cleanup_free char *bus = xml_attribute(xml_child(disk, "target"), "bus");
    bool scsi = bus ? strcmp(bus, "scsi") == 0 : g_str_has_prefix(target, "sd");
    bool serving = strcmp(key, "queues") == 0 || strcmp(key, "iothread") == 0;
    return xml_child(scsi && serving ? controller_of(doc, disk) : disk, "driver");
}

/* --- Nothing else differs --------------------------------------------------------------------- */

static void remove_node(xmlNodePtr node)
{
    if (!node)
        return;
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}

static void remove_blank_nodes(xmlNodePtr parent)
{
    for (xmlNodePtr node = parent->children, next; node; node = next) {
        next = node->next;
        if (node->type == XML_TEXT_NODE && xmlIsBlankNode(node))
            remove_node(node);
        else if (node->type == XML_ELEMENT_NODE)
            remove_blank_nodes(node);
    }
}

static bool is_asked_for(const struct asked *a, const char *key)
{
    bool asked = false;
    for (size_t i = 0; i < a->count; i++)
        asked |= strcmp(a->settings[i].key, key) == 0;
    return asked;
}

static void forget_settings(xmlNodePtr driver, const struct asked *a)
{
    if (driver && is_asked_for(a, "metadata_cache"))
        remove_node(xml_child(driver, "metadata_cache"));
    for (size_t i = 0; driver && i < a->count; i++)
        xmlUnsetNsProp(driver, NULL, BAD_CAST a->settings[i].key);
    /* One that is bare now may have been made for these. */
    xmlAttrPtr left = driver ? driver->properties : NULL;
    cleanup_free char *name = xml_attribute(driver, "name");
    if (driver)
        remove_blank_nodes(driver);
    if (driver && !driver->children &&
        (!left || (!left->next && name && strcmp(name, "qemu") == 0)))
        remove_node(driver);
}

/* The document without what may differ: what was asked for, and the iothreads. */
static char *rest_of(const char *xml, const struct asked *a)
{
    cleanup_xml xmlDocPtr doc = xml_parse(xml, strlen(xml), NULL);
    assert(doc);
    forget_settings(driver_of(doc, a->target, "io"), a);
    forget_settings(driver_of(doc, a->target, "queues"), a);
    remove_node(find(doc, "/domain/iothreads"));
    xmlNodePtr named;
    while ((named = find(doc, "/domain/iothreadids/iothread[last()]")))
        remove_node(named);
    remove_blank_nodes((xmlNodePtr)doc);
    xmlChar *text = NULL;
    assert(xmlC14NDocDumpMemory(doc, NULL, XML_C14N_1_0, NULL, /* with_comments = */ 1, &text) > 0);
    char *copy = xstrdup((const char *)text);
    xmlFree(text);
    return copy;
}

/* How many iothreads a document has. */
static unsigned iothread_count(xmlDocPtr doc, unsigned *ret_named)
{
    xmlNodePtr domain = xmlDocGetRootElement(doc);
    cleanup_free char *count = xml_child_text(domain, "iothreads");
    *ret_named = 0;
    xmlNodePtr node = xml_child(xml_child(domain, "iothreadids"), "iothread");
    for (; node; node = xml_next(node, "iothread"))
        ++*ret_named;
    return MAX(*ret_named, count ? (unsigned)atoi(count) : 0);
}

static bool iothreads_are_well(const char *xml, const char *after, const struct asked *a)
{
    cleanup_xml xmlDocPtr was = xml_parse(xml, strlen(xml), NULL);
    cleanup_xml xmlDocPtr is = xml_parse(after, strlen(after), NULL);
    unsigned named_before, named_after;
    unsigned before = iothread_count(was, &named_before), now = iothread_count(is, &named_after);
    cleanup_free char *id = xml_attribute(driver_of(is, a->target, "iothread"), "iothread");
    bool wanted = false;
    for (size_t i = 0; i < a->count; i++)
        wanted |= g_strcmp0(a->settings[i].value, "new") == 0;
    bool more_named = named_after == named_before + (named_before && now > before);
    return (now == before || (wanted && now == before + 1)) && more_named && (!wanted || id);
}

/* What a setting is, as text; NULL. */
static char *value_of(xmlDocPtr doc, const struct asked *a, const char *key)
{
    xmlNodePtr driver = driver_of(doc, a->target, key);
    xmlNodePtr cache = xml_child(driver, "metadata_cache");
    if (strcmp(key, "metadata_cache") != 0)
        return xml_attribute(driver, key);
    return cache ? xasprintf("%" PRIu64, metadata_cache_bytes(cache)) : NULL;
}

/* Whether every setting is what was asked for. */
static bool is_as_asked(const char *after, const struct asked *a)
{
    cleanup_xml xmlDocPtr doc = xml_parse(after, strlen(after), NULL);
    for (size_t i = 0; i < a->count; i++) {
        const struct disk_setting *s = &a->settings[i];
        cleanup_free char *is = value_of(doc, a, s->key);
        bool same = g_strcmp0(is, s->value) == 0;
        if (!same && !(is && g_strcmp0(s->value, "new") == 0) &&
            !(!is && g_strcmp0(s->value, "default") == 0))
            return false;
    }
    return true;
}

static void stay_silent(void *data, xmlErrorPtr error)
{
    (void)data, (void)error;
}

static bool is_valid(const char *xml)
{
    if (!schema)
        return true;
    cleanup_xml xmlDocPtr doc = xml_parse(xml, strlen(xml), NULL);
    xmlRelaxNGValidCtxtPtr context = xmlRelaxNGNewValidCtxt(schema);
    xmlRelaxNGSetValidStructuredErrors(context, stay_silent, NULL);
    bool valid = xmlRelaxNGValidateDoc(context, doc) == 0;
    xmlRelaxNGFreeValidCtxt(context);
    return valid;
}

static bool has_state(const char *xml, const GPtrArray *edits, enum edits_state wanted)
{
    enum edits_state state;
    return edits_state(xml, edits, &state, NULL) == 0 && state == wanted;
}

/* Everything that has to hold of one edit. */
static bool holds(const char *xml, const char *after, const GPtrArray *edits, const struct asked *a)
{
    cleanup_free char *rest_before = rest_of(xml, a), *rest_after = rest_of(after, a);
    bool valid_before = is_valid(xml);
    tally.validated += schema && valid_before;
    const struct {
        bool held;
        const char *what;
    } checks[] = {
        {strcmp(rest_before, rest_after) == 0, "something else differs"},
        {is_as_asked(after, a), "it is not as was asked"},
        {iothreads_are_well(xml, after, a), "the iothreads are not well"},
        {!valid_before || is_valid(after), "the schema refuses it"},
        {(strcmp(xml, after) == 0) == (edits->len == 0), "edits and changes do not agree"},
        {has_state(after, edits, EDITS_PRESENT), "the edits are not present"},
        {!edits->len || has_state(xml, edits, EDITS_ABSENT), "the edits are not absent"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        if (checks[i].held)
            continue;
        tell(checks[i].what, xml, after);
        return false;
    }
    return true;
}

/* --- Rounds ----------------------------------------------------------------------------------- */

static void refused(const struct error *err)
{
    gpointer count = g_hash_table_lookup(tally.reasons, err->message);
    g_hash_table_insert(tally.reasons, g_strdup(err->message),
                        GUINT_TO_POINTER(GPOINTER_TO_UINT(count) + 1));
    tally.refused++;
}

static void append_all(GPtrArray *all, GPtrArray *edits)
{
    g_autoptr(GPtrArray) kept = through_json(edits);
    while (kept->len)
        g_ptr_array_add(all, g_ptr_array_steal_index(kept, 0));
}

/* Edits a document once; *xml becomes what came out. */
static void edit_once(char **xml, const struct asked *a, GPtrArray *all)
{
    cleanup_error struct error *err = NULL;
    g_autoptr(GPtrArray) edits = NULL;
    cleanup_free char *after =
        edit_disk(*xml, a->target, a->settings, a->count, EDIT_SHARED_CONTROLLER, &edits, &err);
    assert_int_equal(!after, !!err);
    if (!after) {
        refused(err);
        return;
    }
    assert_true(holds(*xml, after, edits, a));
    *(edits->len ? &tally.edited : &tally.unchanged) += 1;
    append_all(all, edits);
    free(*xml);
    *xml = TAKE_PTR(after);
}

/* Several edits of any of its disks, which then are all taken back. */
static void check_document(struct random_domain *d, const char *document, const GPtrArray *targets)
{
    cleanup_error struct error *err = NULL;
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)edit_free);
    g_autoptr(GPtrArray) left = NULL;
    cleanup_free char *xml = xstrdup(document);
    for (unsigned i = 0; targets->len && i < ROUNDS; i++) {
        struct asked a = {0};
        snprintf(a.target, sizeof(a.target), "%s",
                 (const char *)targets->pdata[below(d, targets->len)]);
        ask(d, &a);
        edit_once(&xml, &a, all);
    }
    tally.documents++;
    cleanup_free char *back = edit_undo(xml, all, &left, &err);
    if (!back)
        fail_msg("%s", err->message);
    for (guint i = 0; i < left->len; i++)
        print_message("# left: %s\n", (const char *)left->pdata[i]);
    if (strcmp(back, document) != 0 || left->len)
        tell("what was taken back is not what it was", document, back);
    assert_string_equal(back, document);
    assert_int_equal(left->len, 0);
}

static void report(void)
{
    GHashTableIter iter;
    gpointer reason, count;
    print_message("# %u documents: %u edits, %u with nothing to do, %u refused, %u in the schema\n",
                  tally.documents, tally.edited, tally.unchanged, tally.refused, tally.validated);
    g_hash_table_iter_init(&iter, tally.reasons);
    while (g_hash_table_iter_next(&iter, &reason, &count))
        print_message("# %5u %s\n", GPOINTER_TO_UINT(count), (const char *)reason);
}

static void test_made_up(void **state)
{
    (void)state;
    for (guint32 seed = 1; seed <= DOCUMENTS; seed++) {
        at_scope_end(random_domain_done) struct random_domain d = random_domain(seed);
        g_autoptr(GPtrArray) targets = g_ptr_array_new();
        for (unsigned i = 0; i < d.disks; i++)
            g_ptr_array_add(targets, d.targets[i]);
        check_document(&d, d.xml->str, targets);
    }
    report();
    /* These are edits of something, and the schema has seen them. */
    assert_int_equal(tally.documents, DOCUMENTS);
    assert_true(tally.edited > DOCUMENTS);
    assert_true(!schema || tally.validated > DOCUMENTS);
}

/* --- Other people's documents ----------------------------------------------------------------- */

static char **corpus;

/* The targets of all disks; of none where it is no domain. */
static GPtrArray *targets_of(xmlDocPtr doc)
{
    GPtrArray *targets = g_ptr_array_new_with_free_func(free);
    xmlNodePtr disk = doc ? find(doc, "/domain/devices/disk") : NULL;
    for (; disk; disk = xml_next(disk, "disk")) {
        char *target = xml_attribute(xml_child(disk, "target"), "dev");
        if (target)
            g_ptr_array_add(targets, target);
    }
    return targets;
}

/* Another hypervisor's, or twice what there can be once: it is not even looked at. */
static bool is_refused(const char *xml)
{
    enum edits_state state;
    cleanup_error struct error *err = NULL;
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    if (edits_state(xml, none, &state, &err) == 0)
        return false;
    refused(err);
    return true;
}

static void check_file(const char *path, guint32 seed)
{
    size_t length;
    cleanup_free char *xml = file_read(path, &length, NULL);
    assert_non_null(xml);
    cleanup_xml xmlDocPtr doc = xml_parse(xml, length, NULL);
    g_autoptr(GPtrArray) targets = targets_of(doc);
    if (!targets->len || is_refused(xml)) {
        tally.documents++;
        return;
    }
    struct random_domain d = {.rand = g_rand_new_with_seed(seed)};
    for (unsigned i = 0; i < CORPUS_ROUNDS; i++)
        check_document(&d, xml, targets);
    tally.documents -= CORPUS_ROUNDS - 1;
    g_rand_free(d.rand);
}

static void test_corpus(void **state)
{
    (void)state;
    guint32 seed = 1;
    FTS *tree = fts_open(corpus, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; tree && (entry = fts_read(tree));)
        if (entry->fts_info == FTS_F)
            check_file(entry->fts_path, seed++);
    fts_close(tree);
    report();
    assert_true(tally.edited > 0);
}

static void load_schema(void)
{
    if (access(SCHEMA, R_OK) != 0)
        return;
    xmlRelaxNGParserCtxtPtr parser = xmlRelaxNGNewParserCtxt(SCHEMA);
    schema = xmlRelaxNGParse(parser);
    xmlRelaxNGFreeParserCtxt(parser);
    assert(schema);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest made_up[] = {cmocka_unit_test(test_made_up)};
    const struct CMUnitTest others[] = {cmocka_unit_test(test_corpus)};
    const char *mode = argc > 1 ? argv[1] : "";
    tally.reasons = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    corpus = argv + 2;
    if (*mode)
        load_schema();
    if (strcmp(mode, "--schema") == 0 && !schema) {
        printf("1..0 # SKIP libvirt's schema is not installed\n");
        g_hash_table_unref(tally.reasons);
        return 0;
    }
    int failed = strcmp(mode, "--corpus") == 0 && argc > 2
                     ? cmocka_run_group_tests_name("corpus", others, NULL, NULL)
                     : cmocka_run_group_tests_name("documents", made_up, NULL, NULL);
    xmlRelaxNGFree(schema);
    g_hash_table_unref(tally.reasons);
    return failed;
}
