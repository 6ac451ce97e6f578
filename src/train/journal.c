/* A run's log and checkpoint, for every kind of run.
 *
 * log.jsonl is appended to step by step; a checkpoint remembers how long it was, and a resumed run cuts it
 * back to there. So whatever the instant at which a run dies, checkpoint and log agree, and what comes after
 * is computed again, to the same bits. */
#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "format/json.h"
#include "train/trainer.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Rank 0 after a resumed checkpoint: what the user should know about it. */
static void tell_about_resuming(bl_trainer *t, bool there) {
    int threads = bl_threads();
    if (!there) {
        bl_trainer_note(t, "there is no checkpoint yet: starting from the first step");
        return;
    }
    bl_trainer_note(t, "resuming after step %llu", (unsigned long long)t->state.step);
    if (t->state.threads && (t->state.threads != threads || t->state.ranks != t->ranks.size))
        bl_trainer_note(
            t,
            "the checkpoint was written with %d threads on %d ranks, the run goes on with %d on %d: "
            "sums are rounded in another order, so the result is not the same to the last bit",
            t->state.threads, t->state.ranks, threads, t->ranks.size);
}

bool bl_journal_restore(bl_trainer *t, const bl_train_arrays *arrays, bl_error *err) {
    size_t bytes = arrays->total * sizeof(float);
    bool ok = true;
    if (t->ranks.rank == 0) {
        ok = bl_directory_open(t, err);
        bool there = ok && t->options->resume && bl_file_exists(t->checkpoint_path);
        if (there) ok = bl_checkpoint_read(t->checkpoint_path, t->description, &t->state, arrays, err);
        ok = ok && bl_directory_cut_log(t, err);
        if (ok && t->options->resume) tell_about_resuming(t, there);
        t->state.threads = bl_threads();
        t->state.ranks = t->ranks.size;
    }
    if (!bl_ranks_agree(&t->ranks, ok, err)) return false;
    return bl_ranks_share(&t->ranks, &t->state, sizeof t->state, err) &&
           bl_ranks_share(&t->ranks, arrays->weights, bytes, err) &&
           bl_ranks_share(&t->ranks, arrays->m, bytes, err) &&
           bl_ranks_share(&t->ranks, arrays->v, bytes, err);
}

bool bl_journal_failed(const bl_trainer *t, bl_error *err) {
    return bl_fail(err, BL_ERR_IO, "%s: writing failed: %s; the last checkpoint is whole", t->log_path,
                   strerror(errno));
}

bool bl_journal_line(bl_trainer *t, json_t *line, bl_error *err) {
    char *text = bl_json_text(line, JSON_COMPACT | JSON_REAL_PRECISION(17), err);
    bool ok = text != NULL;
    if (ok && t->ranks.rank == 0 && (fprintf(t->log, "%s\n", text) < 0 || fflush(t->log) != 0))
        ok = bl_journal_failed(t, err);
    free(text);
    json_decref(line);
    return ok;
}

bool bl_journal_checkpoint(bl_trainer *t, const bl_train_arrays *arrays, bl_error *err) {
    bool ok = true;
    if (t->ranks.rank == 0) {
        off_t size = -1;
        ok = fflush(t->log) == 0 && fdatasync(fileno(t->log)) == 0 &&
             (size = lseek(fileno(t->log), 0, SEEK_END)) >= 0;
        if (!ok) bl_journal_failed(t, err);
        t->state.log_bytes = (uint64_t)(size < 0 ? 0 : size);
        ok = ok && bl_checkpoint_write(t->checkpoint_path, t->description, &t->state, arrays, err);
        if (ok)
            bl_trainer_report(t, &(bl_train_event){.kind = BL_TRAIN_CHECKPOINT,
                                                   .step = t->state.step,
                                                   .steps = t->steps,
                                                   .text = t->checkpoint_path});
    }
    return bl_ranks_agree(&t->ranks, ok, err);
}
