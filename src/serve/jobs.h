/* Work in other threads: a bounded queue for each effort, each with its own threads. */
#ifndef BL_SERVE_JOBS_H
#define BL_SERVE_JOBS_H
#include "serve/explorer.h"

/* Embedded in what is to be worked on. */
typedef struct bl_job {
    void (*run)(struct bl_job *job);
    struct bl_job *next;
} bl_job;

typedef struct bl_jobs bl_jobs;
/* Each thread computes with as many threads as the calling one. */
bl_jobs *bl_jobs_new(bl_error *err);
/* Queues a job; false when the queue is full or everything is being stopped: then it never runs. */
bool bl_jobs_add(bl_jobs *jobs, bl_effort effort, bl_job *job);
/* No more jobs; those that are queued still run, and are waited for. */
void bl_jobs_stop(bl_jobs *jobs);
void bl_jobs_free(bl_jobs *jobs);
#endif
