/* The network where bilens is built without libcurl (BILENS_HUB=OFF): it says so. Names and the cache work
 * all the same. */
#include "format/hub/hub_private.h"
#include "base/error.h"

bool bl_hub_online(const bl_hub_job *job, bl_hub_snapshot *snapshot, bl_error *err) {
    (void)snapshot;
    return bl_fail(err, BL_ERR_UNSUPPORTED,
                   "%s is not in the cache %s, and this bilens was built without libcurl: install its "
                   "development files (Debian: "
                   "libcurl4-openssl-dev libssl-dev) and build it again",
                   job->name, job->options->cache);
}
