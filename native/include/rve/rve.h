/* ruvector-edge for C and C++: a memory of vectors that survives loss of power.
 *
 *   rve_options options;
 *   rve_options_init(&options);
 *   options.dimensions = 128;
 *   rve_memory *memory = NULL;
 *   if (rve_open("robot.rve", &options, &memory) != RVE_OK) puts(rve_last_error());
 *
 * The same engine as engine.hpp behind a plain C door. Rules for every call:
 * - It returns RVE_OK or an error; out-parameters come last and are set on every path. After an
 *   error, rve_last_error() says in one sentence what, where, and what to do next.
 * - It may be made from any thread, and several threads may share one memory, but for rve_close():
 *   no call may be under way on that memory then, and none may follow.
 * - It copies what it is given before it returns. Strings are UTF-8 and end in a zero byte.
 * - Structs that may grow begin with `bytes`, their size as the caller knows it: the init functions
 *   set it. A library older than its caller refuses fields that it does not know (RVE_ERR_OPTION)
 *   unless they are zero.
 *
 * One process at a time holds a memory for writing; readers may share one that has no writer.
 */
#ifndef RVE_H
#define RVE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RVE_API __attribute__((visibility("default")))
#else
#define RVE_API
#endif

/* Limits (native/base/limits.hpp). */
#define RVE_DIMENSIONS_MAX 4096u
#define RVE_K_MAX 1024u
#define RVE_EF_MAX 4096u
#define RVE_ID_MAX ((UINT64_C(1) << 48) - 1)
#define RVE_PAYLOAD_BYTES_MAX 65536u
#define RVE_NAME_BYTES_MAX 256u

/* Stable numbers (native/base/status.def has them all, with advice). */
typedef enum rve_status {
  RVE_OK = 0,
  RVE_ERR_DIMENSIONS = 1,
  RVE_ERR_VECTOR = 2,
  RVE_ERR_ID_RANGE = 3,
  RVE_ERR_ID_DUPLICATE = 5,
  RVE_ERR_OPTION = 6,
  RVE_ERR_NOT_AVAILABLE = 7,
  RVE_ERR_ARGUMENT = 8,
  RVE_ERR_PAYLOAD = 9,
  RVE_ERR_BATCH = 10,
  RVE_ERR_BUSY = 11,
  RVE_ERR_CLOSED = 12,
  RVE_ERR_READ_ONLY = 13,
  RVE_ERR_ABORTED = 14,
  RVE_ERR_NO_SPACE = 15,
  RVE_ERR_IO = 16,
  RVE_ERR_LATCHED = 17,
  RVE_ERR_CORRUPT = 18,
  RVE_ERR_NOT_A_STORE = 19,
  RVE_ERR_VERSION = 20,
  RVE_ERR_CONTRADICTION = 21,
  RVE_ERR_NOT_FOUND = 22,
  RVE_ERR_PERMISSION = 23,
  RVE_ERR_NO_MEMORY = 24,
  RVE_ERR_SYMBOLS = 25,
  RVE_ERR_NAME = 26,
  RVE_ERR_FILTER = 27,
  RVE_ERR_NOT_REGULAR = 28,
  RVE_ERR_TRUNCATED = 29,
  RVE_ERR_INTERNAL = 30
} rve_status;

/* The stable name of a status, "ERR_BUSY"; of 0 "OK". Never NULL. */
RVE_API const char *rve_status_name(rve_status status);

/* The sentence of the last error on this thread; "" before the first. Valid until the next call
 * here. */
RVE_API const char *rve_last_error(void);

/* One open memory. */
typedef struct rve_memory rve_memory;

typedef enum rve_metric {
  RVE_METRIC_FILE = 0,   /* the file's; cosine for a new one */
  RVE_METRIC_COSINE = 1,
  RVE_METRIC_L2 = 2,
  RVE_METRIC_IP = 3
} rve_metric;

/* When rve_insert() and the rve_forget calls return. */
typedef enum rve_durability {
  RVE_DURABILITY_GROUP = 0,     /* default: survives power loss */
  RVE_DURABILITY_SYNC = 1,      /* as group, and no other call rides in its group */
  RVE_DURABILITY_INTERVAL = 2,  /* written; synced every interval_ms */
  RVE_DURABILITY_BUFFERED = 3   /* in RAM; rve_flush() makes it durable */
} rve_durability;

/* How far down the tiers vectors may go to save bytes. Not stored: see engine.hpp. */
typedef enum rve_profile {
  RVE_PROFILE_EDGE = 0,      /* default: to 1 bit a dimension, within 0.30 of raw f32 */
  RVE_PROFILE_BALANCED = 1,  /* to the 8-bit family */
  RVE_PROFILE_PRECISE = 2    /* f32 and f16 */
} rve_profile;

/* What becomes of the f16 bytes of a vector that goes below warm. */
typedef enum rve_originals {
  RVE_ORIGINALS_DROP = 0,  /* default: below warm it is what its code says, for good */
  RVE_ORIGINALS_KEEP = 1   /* they stay in the file: queries rank by them */
} rve_originals;

typedef struct rve_options {
  uint32_t bytes;        /* sizeof(rve_options) */
  uint32_t dimensions;   /* 1..RVE_DIMENSIONS_MAX; 0: the file's. Needed to create a file. */
  rve_metric metric;
  rve_durability durability;
  uint32_t linger_ms;    /* wait for company before a group closes, 0..60000 */
  uint32_t interval_ms;  /* 10..60000; default 200 */
  uint64_t bytes_max;    /* refuse inserts when the file would grow beyond; 0: no bound */
  uint32_t read_only;    /* not 0: open for reading, never create */
  uint32_t reserved;     /* 0 */
  rve_profile profile;
  rve_originals originals;
  uint64_t tier_bytes_max;  /* budget of the file: beyond it colder vectors move down; 0: none */
  double tier_ratio_max;    /* the same by the live vectors as f32, 0.05..4; 0: the profile's */
} rve_options;

RVE_API void rve_options_init(rve_options *options);

/* Opens a memory, or creates it where `path` is missing. Recovers after a crash. NULL options: the
 * file's. On an error *memory is NULL. Errors: BUSY (names the holder's pid), NOT_FOUND,
 * NOT_A_STORE, VERSION, CONTRADICTION, CORRUPT, TRUNCATED, PERMISSION, NOT_REGULAR, NO_SPACE, IO,
 * DIMENSIONS, OPTION, ARGUMENT. */
RVE_API rve_status rve_open(const char *path, const rve_options *options, rve_memory **memory);

/* Drains, writes a last checkpoint, releases the lock and the handle, also when it reports an
 * error. NULL is allowed and does nothing. */
RVE_API rve_status rve_close(rve_memory *memory);

/* Everything of an insert but its rows; zero and NULL are absent. Arrays have one entry per row. */
typedef struct rve_insert_options {
  uint32_t bytes;               /* sizeof(rve_insert_options) */
  uint32_t has_sequence;        /* not 0: (source, boot, sequence) is the key of dedupe */
  const uint64_t *ids;          /* distinct, 0..RVE_ID_MAX; one that exists is replaced */
  const int64_t *times_ms;      /* since 1970; default: now */
  const char *source;           /* who sent it */
  uint64_t sequence;            /* of the first row; the others follow on */
  uint32_t boot;                /* chosen at random by the sender at its start */
  uint32_t label_count;         /* of labels: 0, 1 (for all rows) or the number of rows */
  const char *const *labels;    /* NULL entries: none */
  const void *const *payloads;  /* NULL entries: none */
  const uint32_t *payload_bytes; /* 0..RVE_PAYLOAD_BYTES_MAX each */
} rve_insert_options;

RVE_API void rve_insert_options_init(rve_insert_options *options);

/* Stores `count` rows of `matrix` (count x dimensions, row-major, finite). Returns once the
 * promise of the memory's durability holds; waits while the queue is full. `ids` (NULL, or count
 * entries) takes the ids,
 * -1 where a row was known by its sequence. `lsn` may be NULL. */
RVE_API rve_status rve_insert(rve_memory *memory, const float *matrix, uint32_t count,
                              const rve_insert_options *options, int64_t *ids, uint64_t *lsn);

/* Conjunction of what is set; times in ms, half-open [from, to). */
typedef struct rve_query_options {
  uint32_t bytes;             /* sizeof(rve_query_options) */
  uint32_t k;                 /* 1..RVE_K_MAX; init sets 10 */
  uint32_t ef;                /* candidate list, 1..RVE_EF_MAX; 0: the memory's */
  uint32_t label_count;
  const char *source;         /* NULL: any */
  const char *const *labels;  /* any of these; NULL with a count of 0: any */
  int64_t from_ms, to_ms;     /* with has_from, has_to */
  uint32_t has_from, has_to;
  float recall;               /* 0.5..0.999: ef as measured to find this share; then ef is 0 */
  uint32_t reserved;          /* 0 */
} rve_query_options;

RVE_API void rve_query_options_init(rve_query_options *options);

/* The k records nearest to `vector` (dimensions floats), on this thread. `ids` and `scores` have
 * space for k entries; the first *count are set, nearest first. Scores are similarities for cosine
 * and ip, squared distances for l2. NULL options: k = 10 without a filter. */
RVE_API rve_status rve_query(rve_memory *memory, const float *vector,
                             const rve_query_options *options, int64_t *ids, float *scores,
                             uint32_t *count);

typedef enum rve_payload_kind {
  RVE_PAYLOAD_NONE = 0,
  RVE_PAYLOAD_BYTES = 1,
  RVE_PAYLOAD_CBOR = 2  /* a value stored from JavaScript or MQTT */
} rve_payload_kind;

/* Precision class of a stored vector, finest first. */
typedef enum rve_tier {
  RVE_TIER_HOT = 0,      /* f32: as it came */
  RVE_TIER_WARM = 1,     /* f16 */
  RVE_TIER_COOL = 2,     /* 8-bit family */
  RVE_TIER_COLD = 3,     /* 4-bit family */
  RVE_TIER_ARCHIVE = 4   /* 1 bit a dimension */
} rve_tier;
#define RVE_TIERS 5u

/* A record; all it points to lives as long as it does. */
typedef struct rve_record {
  uint64_t id;
  int64_t time_ms;
  const float *vector;   /* dimensions floats, as the tier keeps them */
  uint32_t dimensions;
  rve_payload_kind payload_kind;
  const void *payload;   /* NULL: none */
  uint32_t payload_bytes;
  rve_tier tier;
  const char *source;    /* NULL: none */
  const char *label;     /* NULL: none */
} rve_record;

/* Reads one record; *record is NULL where there is none with this id, which is no error. */
RVE_API rve_status rve_get(rve_memory *memory, uint64_t id, rve_record **record);
/* NULL is allowed. */
RVE_API void rve_record_free(rve_record *record);

/* Deletes records by id; unknown ids are skipped. As durable as an insert. *gone counts those that
 * were live; it may be NULL. */
RVE_API rve_status rve_forget(rve_memory *memory, const uint64_t *ids, uint32_t count,
                              uint64_t *gone);
/* Deletes every record of a source. */
RVE_API rve_status rve_forget_source(rve_memory *memory, const char *source, uint64_t *gone);

#define RVE_HEAT_BINS 8u
typedef struct rve_tier_statistics {
  uint64_t vectors;              /* live ones; what is in the tail or the log counts as hot */
  uint64_t bytes;                /* of their codes */
  uint64_t heat[RVE_HEAT_BINS];  /* vectors by heat, in eighths of 0..1, coldest first */
} rve_tier_statistics;

typedef struct rve_statistics {
  uint32_t bytes;        /* sizeof(rve_statistics), set by the caller */
  uint32_t dimensions;
  rve_metric metric;
  uint32_t flags;        /* RVE_FLAG_... */
  uint64_t live;         /* vectors that a query can return */
  uint64_t tail_rows, frozen_rows, linked_rows, dead_rows;
  uint64_t durable_lsn, next_id;
  uint64_t file_bytes, fixed_bytes, live_bytes, reclaimable_bytes;
  uint64_t bytes_written, syncs, inserts, duplicates, deletes, queries;
  uint64_t holes, lost_records;
  rve_tier_statistics tiers[RVE_TIERS];  /* by rve_tier */
  double byte_ratio;          /* file_bytes by the live vectors as f32 */
  double tier_share;          /* what the budget makes of a heat: times this */
  float cool_bits, cold_bits; /* a dimension, of what is written next */
  uint64_t codebook_id;       /* of the newest; 0: none yet */
  uint64_t codebook_rows;     /* it was trained on */
  double codebook_distortion; /* share of the variance that it leaves */
  uint64_t codebooks_trained, recompressions, recompressed_rows;  /* since open */
  uint64_t recompressed_bytes;
} rve_statistics;

#define RVE_FLAG_LATCHED 1u    /* a write failed: open again to write */
#define RVE_FLAG_DEGRADED 2u   /* part of the memory is damaged and left out */
#define RVE_FLAG_READ_ONLY 4u
#define RVE_FLAG_NO_SPACE 8u

RVE_API rve_status rve_stats(rve_memory *memory, rve_statistics *stats);

/* Returns when all that was stored before survives power loss, whatever the durability. */
RVE_API rve_status rve_flush(rve_memory *memory);
/* Writes a checkpoint, so that the next open replays less. */
RVE_API rve_status rve_checkpoint(rve_memory *memory);
/* Returns when the background has sealed, linked, compacted and recompressed all it means to. */
RVE_API rve_status rve_settle(rve_memory *memory);

/* What a check found; all it points to lives as long as it does. */
typedef struct rve_check_report {
  uint32_t ok;                 /* not 0: every checksum holds */
  uint32_t damaged_count, note_count;
  uint32_t reserved;           /* 0 */
  uint64_t lost;               /* records that cannot be read */
  uint64_t holes;              /* stretches of acknowledged log found damaged */
  const char *const *damaged;  /* one sentence each: what, where */
  const char *const *notes;
} rve_check_report;

/* Verifies every checksum of an open memory; not 0 `deep`: audits its graphs too. Damage is what
 * the report is about, and no error of the call. */
RVE_API rve_status rve_check(rve_memory *memory, uint32_t deep, rve_check_report **report);
/* The same of a file that need not open. Never writes. */
RVE_API rve_status rve_check_file(const char *path, rve_check_report **report);
/* NULL is allowed. */
RVE_API void rve_check_report_free(rve_check_report *report);

#ifdef __cplusplus
}
#endif
#endif /* RVE_H */
