#include "serve/jobs.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include <pthread.h>
#include <stdlib.h>

#define MOST_WAITING 256
#define MOST_THREADS 2

static const size_t threads_of[BL_EFFORTS] = {
    2, 1, 1}; /* a computation has all cores; two at once would only be in each other's way */

typedef struct queue {
    bl_jobs *jobs;
    bl_job *first, **last;
    size_t waiting, n_threads;
    pthread_t threads[MOST_THREADS];
    pthread_cond_t changed;
} queue;

struct bl_jobs {
    pthread_mutex_t lock;
    queue queues[BL_EFFORTS];
    bool stop;
    int computing; /* threads */
};

static void *work(void *context) {
    queue *q = context;
    bl_jobs *jobs = q->jobs;
    bl_set_threads(jobs->computing); /* OpenMP's number of threads is each thread's own */
    pthread_mutex_lock(&jobs->lock);
    for (;;) {
        bl_job *job = q->first;
        if (!job && jobs->stop) break;
        if (!job) {
            pthread_cond_wait(&q->changed, &jobs->lock);
            continue;
        }
        q->first = job->next;
        if (!q->first) q->last = &q->first;
        q->waiting--;
        pthread_mutex_unlock(&jobs->lock);
        job->run(job);
        pthread_mutex_lock(&jobs->lock);
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

bl_jobs *bl_jobs_new(bl_error *err) {
    bl_jobs *jobs = bl_alloc_zero(1, sizeof *jobs, err);
    if (!jobs) return NULL;
    bool ok = true;
    pthread_mutex_init(&jobs->lock, NULL);
    jobs->computing = bl_threads();
    for (size_t i = 0; i < BL_EFFORTS; i++) {
        queue *q = &jobs->queues[i];
        q->jobs = jobs;
        q->last = &q->first;
        pthread_cond_init(&q->changed, NULL);
    }
    for (size_t i = 0; i < BL_EFFORTS; i++)
        for (queue *q = &jobs->queues[i]; ok && q->n_threads < threads_of[i]; q->n_threads += ok)
            ok = pthread_create(&q->threads[q->n_threads], NULL, work, q) == 0;
    if (ok) return jobs;
    bl_jobs_free(jobs);
    return bl_fail_null(err, BL_ERR_MEMORY, "no threads can be started to answer requests");
}

bool bl_jobs_add(bl_jobs *jobs, bl_effort effort, bl_job *job) {
    queue *q = &jobs->queues[effort];
    pthread_mutex_lock(&jobs->lock);
    bool ok = !jobs->stop && q->waiting < MOST_WAITING;
    if (ok) {
        job->next = NULL;
        *q->last = job;
        q->last = &job->next;
        q->waiting++;
        pthread_cond_signal(&q->changed);
    }
    pthread_mutex_unlock(&jobs->lock);
    return ok;
}

void bl_jobs_stop(bl_jobs *jobs) {
    pthread_mutex_lock(&jobs->lock);
    jobs->stop = true;
    for (size_t i = 0; i < BL_EFFORTS; i++) pthread_cond_broadcast(&jobs->queues[i].changed);
    pthread_mutex_unlock(&jobs->lock);
    for (size_t i = 0; i < BL_EFFORTS; i++)
        for (queue *q = &jobs->queues[i]; q->n_threads > 0;) pthread_join(q->threads[--q->n_threads], NULL);
}

void bl_jobs_free(bl_jobs *jobs) {
    if (!jobs) return;
    bl_jobs_stop(jobs);
    for (size_t i = 0; i < BL_EFFORTS; i++) pthread_cond_destroy(&jobs->queues[i].changed);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}
