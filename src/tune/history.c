/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune/history.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>

#include "base/file.h"
#include "base/memory.h"

#define FILE_NAME "history.sqlite3"

/* How long one run waits for another, which holds the file for milliseconds. */
#define PATIENCE_MS 10000

/* The version of the tables, in the file's user_version: 0 in one that is empty. */
#define SCHEMA 1

/* The columns in the order in which put_race and get_race have them. */
#define RACE_COLUMNS                                                                               \
    "time, version, host, storage, accelerator, works, goal, directory, work, kernel, qemu, "      \
    "vcpus, rounds, seconds, settled, best, recommended"
#define CANDIDATE_COLUMNS "id, config, verdict, rounds, share, low, high, cpu_us_per_io"

static const char schema[] =
    "CREATE TABLE race (race INTEGER PRIMARY KEY, time INTEGER NOT NULL, version TEXT NOT NULL, "
    " host TEXT NOT NULL, storage TEXT NOT NULL, accelerator TEXT NOT NULL, works TEXT NOT NULL, "
    " goal TEXT NOT NULL, directory TEXT NOT NULL, work TEXT NOT NULL, kernel TEXT NOT NULL, "
    " qemu TEXT NOT NULL, vcpus INTEGER NOT NULL, rounds INTEGER NOT NULL, seconds REAL NOT NULL, "
    " settled INTEGER NOT NULL, best TEXT, recommended TEXT);"
    "CREATE TABLE candidate (race INTEGER NOT NULL REFERENCES race ON DELETE CASCADE, "
    " place INTEGER NOT NULL, id TEXT NOT NULL, config TEXT NOT NULL, verdict TEXT NOT NULL, "
    " rounds INTEGER NOT NULL, share REAL, low REAL, high REAL, cpu_us_per_io REAL, "
    " PRIMARY KEY (race, place));"
    "PRAGMA user_version = 1;";
G_STATIC_ASSERT(SCHEMA == 1);

struct history {
    char *path;
    sqlite3 *db; /* NULL: there are no races yet */
};

/* Says what SQLite has against it. Returns -1. */
static int failed(const struct history *h, struct error **err)
{
    return error_set(err, "%s: %s", h->path, h->db ? sqlite3_errmsg(h->db) : "out of memory");
}

static int execute(struct history *h, const char *sql, struct error **err)
{
    return sqlite3_exec(h->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(h, err);
}

static int commit(struct history *h, struct error **err)
{
    return execute(h, "COMMIT", err);
}

/* Some errors have rolled back already. */
static int roll_back(struct history *h)
{
    sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

/* --- Rows --------------------------------------------------------------------------------------
 */

/* A statement, and the last of its parameters or columns that was dealt with. */
struct row {
    sqlite3_stmt *statement;
    int at;
};

static void row_done(struct row *r)
{
    sqlite3_finalize(r->statement);
}
#define cleanup_row at_scope_end(row_done)

static int prepare(struct history *h, const char *sql, struct row *ret, struct error **err)
{
    *ret = (struct row){0};
    return sqlite3_prepare_v2(h->db, sql, -1, &ret->statement, NULL) == SQLITE_OK ? 0
                                                                                  : failed(h, err);
}

/* Binding fails for want of memory alone, and the column's NOT NULL tells then. */
static void put_text(struct row *r, const char *text)
{
    sqlite3_bind_text(r->statement, ++r->at, text, -1, SQLITE_STATIC);
}

static void put_integer(struct row *r, int64_t value)
{
    sqlite3_bind_int64(r->statement, ++r->at, value);
}

/* NaN becomes NULL. */
static void put_real(struct row *r, double value)
{
    sqlite3_bind_double(r->statement, ++r->at, value);
}

/* NULL for NULL. The caller frees. */
static char *get_text_or_null(struct row *r)
{
    const unsigned char *text = sqlite3_column_text(r->statement, r->at++);
    return text ? xstrdup((const char *)text) : NULL;
}

static char *get_text(struct row *r)
{
    char *text = get_text_or_null(r);
    return text ? text : xstrdup("");
}

static int64_t get_integer(struct row *r)
{
    return sqlite3_column_int64(r->statement, r->at++);
}

static double get_real(struct row *r)
{
    bool null = sqlite3_column_type(r->statement, r->at) == SQLITE_NULL;
    double value = sqlite3_column_double(r->statement, r->at++);
    return null ? NAN : value;
}

/* --- Opening -----------------------------------------------------------------------------------
 */

/* The one number that a query comes to. */
static int query_number(struct history *h, const char *sql, int64_t *ret, struct error **err)
{
    cleanup_row struct row r;
    if (prepare(h, sql, &r, err) < 0)
        return -1;
    if (sqlite3_step(r.statement) != SQLITE_ROW)
        return failed(h, err);
    *ret = get_integer(&r);
    return 0;
}

/* Both as of one moment: another run may be making them. */
static int read_schema(struct history *h, int64_t *ret_version, int64_t *ret_tables,
                       struct error **err)
{
    if (execute(h, "SAVEPOINT reading", err) < 0)
        return -1;
    int r = query_number(h, "PRAGMA user_version", ret_version, err) < 0 ||
                    query_number(h, "SELECT count(*) FROM sqlite_master", ret_tables, err) < 0
                ? -1
                : 0;
    sqlite3_exec(h->db, "RELEASE reading", NULL, NULL, NULL);
    return r;
}

/* *ret_empty: the file has no tables yet. */
static int check_schema(struct history *h, bool *ret_empty, struct error **err)
{
    int64_t version, tables;
    if (read_schema(h, &version, &tables, err) < 0)
        return -1;
    if (version > SCHEMA) {
        error_set(err, "%s is that of a newer virt-disktune (version %d of it)", h->path,
                  (int)version);
        return error_hint(err, "another one can be kept beside it: set VIRT_DISKTUNE_STATE_DIR");
    }
    if (version < SCHEMA && (version || tables))
        return error_set(err, "%s is not a history of virt-disktune", h->path);
    *ret_empty = version < SCHEMA;
    return 0;
}

/* Two runs may find it empty at the same time: the second waits here, and finds it made. */
static int make_schema(struct history *h, struct error **err)
{
    bool empty;
    if (execute(h, "BEGIN IMMEDIATE", err) < 0)
        return -1;
    if (check_schema(h, &empty, err) < 0 || (empty && execute(h, schema, err) < 0) ||
        commit(h, err) < 0)
        return roll_back(h);
    return 0;
}

static int open_database(struct history *h, bool make, struct error **err)
{
    /* A journal that a killed run has left is rolled back even by whoever only reads. */
    int flags = SQLITE_OPEN_READWRITE | (make ? SQLITE_OPEN_CREATE : 0);
    bool empty;
    if (!make && access(h->path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (sqlite3_open_v2(h->path, &h->db, flags, NULL) != SQLITE_OK)
        return failed(h, err);
    sqlite3_busy_timeout(h->db, PATIENCE_MS);
    if (execute(h, "PRAGMA foreign_keys = ON", err) < 0 || check_schema(h, &empty, err) < 0)
        return -1;
    if (empty && make)
        return make_schema(h, err);
    if (empty) {
        sqlite3_close(h->db);
        h->db = NULL;
    }
    return 0;
}

struct history *history_open(const char *directory, bool make, struct error **err)
{
    cleanup_history struct history *h = xcalloc(1, sizeof(*h));
    h->path = xasprintf("%s/" FILE_NAME, directory);
    if ((make && file_make_directories(directory, err) < 0) || open_database(h, make, err) < 0)
        return NULL;
    return TAKE_PTR(h);
}

void history_close(struct history *h)
{
    if (!h)
        return;
    sqlite3_close(h->db);
    free(h->path);
    free(h);
}

/* --- Writing -----------------------------------------------------------------------------------
 */

static int put_race(struct history *h, const struct history_race *race, struct error **err)
{
    cleanup_row struct row r;
    if (prepare(h, "INSERT INTO race (" RACE_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                &r, err) < 0)
        return -1;
    put_integer(&r, race->time);
    put_text(&r, race->version);
    put_text(&r, race->host);
    put_text(&r, race->storage);
    put_text(&r, race->accelerator);
    put_text(&r, race->works);
    put_text(&r, race->goal);
    put_text(&r, race->directory);
    put_text(&r, race->work);
    put_text(&r, race->kernel);
    put_text(&r, race->qemu);
    put_integer(&r, race->vcpus);
    put_integer(&r, (int64_t)race->rounds);
    put_real(&r, race->seconds);
    put_integer(&r, race->settled);
    put_text(&r, race->best);
    put_text(&r, race->recommended);
    return sqlite3_step(r.statement) == SQLITE_DONE ? 0 : failed(h, err);
}

/* `race` is its number, `place` the candidate's among its own. */
static int put_candidate(struct history *h, int64_t race, size_t place,
                         const struct history_candidate *c, struct error **err)
{
    cleanup_row struct row r;
    if (prepare(h,
                "INSERT INTO candidate (race, place, " CANDIDATE_COLUMNS
                ") VALUES (?,?,?,?,?,?,?,?,?,?)",
                &r, err) < 0)
        return -1;
    put_integer(&r, race);
    put_integer(&r, (int64_t)place);
    put_text(&r, c->id);
    put_text(&r, c->config);
    put_text(&r, c->verdict);
    put_integer(&r, (int64_t)c->rounds);
    put_real(&r, c->share.value);
    put_real(&r, c->share.low);
    put_real(&r, c->share.high);
    put_real(&r, c->cpu_us_per_io);
    return sqlite3_step(r.statement) == SQLITE_DONE ? 0 : failed(h, err);
}

int history_add(struct history *h, const struct history_race *race, struct error **err)
{
    if (execute(h, "BEGIN IMMEDIATE", err) < 0)
        return -1;
    if (put_race(h, race, err) < 0)
        return roll_back(h);
    int64_t number = sqlite3_last_insert_rowid(h->db);
    for (size_t i = 0; i < race->count; i++)
        if (put_candidate(h, number, i, &race->candidates[i], err) < 0)
            return roll_back(h);
    return commit(h, err) < 0 ? roll_back(h) : 0;
}

/* --- Reading -----------------------------------------------------------------------------------
 */

static struct history_race *get_race(struct row *r)
{
    struct history_race *race = xcalloc(1, sizeof(*race));
    race->time = get_integer(r);
    race->version = get_text(r);
    race->host = get_text(r);
    race->storage = get_text(r);
    race->accelerator = get_text(r);
    race->works = get_text(r);
    race->goal = get_text(r);
    race->directory = get_text(r);
    race->work = get_text(r);
    race->kernel = get_text(r);
    race->qemu = get_text(r);
    race->vcpus = (unsigned)get_integer(r);
    race->rounds = (size_t)get_integer(r);
    race->seconds = get_real(r);
    race->settled = get_integer(r);
    race->best = get_text_or_null(r);
    race->recommended = get_text_or_null(r);
    return race;
}

static struct history_candidate get_candidate(struct row *r)
{
    struct history_candidate c = {.id = get_text(r), .config = get_text(r)};
    c.verdict = get_text(r);
    c.rounds = (size_t)get_integer(r);
    c.share.value = get_real(r);
    c.share.low = get_real(r);
    c.share.high = get_real(r);
    c.cpu_us_per_io = get_real(r);
    return c;
}

static int get_candidates(struct history *h, int64_t number, struct history_race *race,
                          struct error **err)
{
    cleanup_row struct row r;
    int step;
    if (prepare(h, "SELECT " CANDIDATE_COLUMNS " FROM candidate WHERE race = ? ORDER BY place", &r,
                err) < 0)
        return -1;
    put_integer(&r, number);
    while ((step = sqlite3_step(r.statement)) == SQLITE_ROW) {
        r.at = 0;
        race->candidates =
            xreallocarray(race->candidates, race->count + 1, sizeof(*race->candidates));
        race->candidates[race->count++] = get_candidate(&r);
    }
    return step == SQLITE_DONE ? 0 : failed(h, err);
}

static int get_races(struct history *h, const struct history_query *query, GPtrArray *races,
                     struct error **err)
{
    static const struct history_race any;
    const struct history_race *like = query->like ? query->like : &any;
    cleanup_row struct row r;
    int step;
    if (prepare(h,
                "SELECT " RACE_COLUMNS ", race FROM race WHERE (?1 IS NULL OR host = ?1) "
                "AND (?2 IS NULL OR storage = ?2) AND (?3 IS NULL OR accelerator = ?3) "
                "AND (?4 IS NULL OR works = ?4) AND (?5 IS NULL OR goal = ?5) "
                "AND (?6 IS NULL OR directory = ?6) ORDER BY time DESC, race DESC LIMIT ?7",
                &r, err) < 0)
        return -1;
    put_text(&r, like->host);
    put_text(&r, like->storage);
    put_text(&r, like->accelerator);
    put_text(&r, like->works);
    put_text(&r, like->goal);
    put_text(&r, query->directory);
    put_integer(&r, query->limit ? (int64_t)query->limit : -1);
    while ((step = sqlite3_step(r.statement)) == SQLITE_ROW) {
        r.at = 0;
        struct history_race *race = get_race(&r);
        g_ptr_array_add(races, race);
        if (get_candidates(h, get_integer(&r), race, err) < 0)
            return -1;
    }
    return step == SQLITE_DONE ? 0 : failed(h, err);
}

GPtrArray *history_list(struct history *h, const struct history_query *query, struct error **err)
{
    g_autoptr(GPtrArray) races = g_ptr_array_new_with_free_func(history_race_free);
    if (h->db && get_races(h, query, races, err) < 0)
        return NULL;
    return g_steal_pointer(&races);
}
