/* A robot's memory in C: stores 1,000 embeddings, finds one again, forgets some, and prints what
 * is left.
 *
 *   robot PATH      creates PATH, or goes on with it
 *
 * Exits 1, with the library's own sentence, if anything is not as it should be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rve/rve.h"

#define DIMENSIONS 64u
#define ROWS 1000u

static void check(rve_status status, const char *what) {
  if (status == RVE_OK) return;
  fprintf(stderr, "%s: %s: %s\n", what, rve_status_name(status), rve_last_error());
  exit(1);
}

static void expect(int condition, const char *what) {
  if (condition) return;
  fprintf(stderr, "not as expected: %s\n", what);
  exit(1);
}

/* Stands in for an embedding: the same numbers for the same row, any row unlike the others. */
static void embed(uint32_t row, float *vector) {
  uint32_t state = row * 2654435761u + 1u;
  for (uint32_t i = 0; i < DIMENSIONS; ++i) {
    state = state * 1664525u + 1013904223u;
    vector[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
  }
}

static void store(rve_memory *memory) {
  float *matrix = malloc(sizeof(float) * ROWS * DIMENSIONS);
  uint64_t *ids = malloc(sizeof(uint64_t) * ROWS);
  expect(matrix != NULL && ids != NULL, "memory for the rows");
  for (uint32_t row = 0; row < ROWS; ++row) {
    embed(row, matrix + (size_t)row * DIMENSIONS);
    ids[row] = row; /* Given ids replace: a second run stores nothing twice. */
  }
  rve_insert_options options;
  rve_insert_options_init(&options);
  options.ids = ids;
  options.source = "robot-7/lidar";
  uint64_t lsn = 0;
  check(rve_insert(memory, matrix, ROWS, &options, NULL, &lsn), "insert");
  printf("stored %u vectors, durable at log position %llu\n", ROWS, (unsigned long long)lsn);
  free(ids);
  free(matrix);
}

static uint32_t nearest(rve_memory *memory, uint32_t row, int64_t *ids) {
  float vector[DIMENSIONS];
  float scores[5];
  uint32_t count = 0;
  embed(row, vector);
  rve_query_options options;
  rve_query_options_init(&options);
  options.k = 5;
  options.source = "robot-7/lidar";
  check(rve_query(memory, vector, &options, ids, scores, &count), "query");
  printf("nearest to row %u:", row);
  for (uint32_t i = 0; i < count; ++i) {
    printf(" %lld (%.3f)", (long long)ids[i], (double)scores[i]);
  }
  printf("\n");
  return count;
}

static void forget_some(rve_memory *memory) {
  uint64_t ids[10];
  for (uint64_t i = 0; i < 10; ++i) ids[i] = 500 + i;
  uint64_t gone = 0;
  check(rve_forget(memory, ids, 10, &gone), "forget");
  expect(gone == 10, "ten records are gone");
  rve_record *record = NULL;
  check(rve_get(memory, 500, &record), "get");
  expect(record == NULL, "record 500 is gone");
  check(rve_get(memory, 499, &record), "get");
  expect(record != NULL && record->dimensions == DIMENSIONS, "record 499 is there");
  expect(strcmp(record->source, "robot-7/lidar") == 0, "its source is there");
  rve_record_free(record);
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: robot PATH\n");
    return 2;
  }
  rve_options options;
  rve_options_init(&options);
  options.dimensions = DIMENSIONS;
  options.metric = RVE_METRIC_COSINE;
  rve_memory *memory = NULL;
  check(rve_open(argv[1], &options, &memory), "open");

  store(memory);
  int64_t ids[5];
  expect(nearest(memory, 503, ids) == 5 && ids[0] == 503, "a row finds itself first");
  forget_some(memory);
  expect(nearest(memory, 503, ids) == 5 && ids[0] != 503, "a forgotten row is found no more");

  rve_statistics stats;
  stats.bytes = sizeof stats;
  check(rve_stats(memory, &stats), "stats");
  expect(stats.live == ROWS - 10, "990 records are left");
  printf("%llu vectors in %llu bytes of file\n", (unsigned long long)stats.live,
         (unsigned long long)stats.file_bytes);
  check(rve_close(memory), "close");
  return 0;
}
