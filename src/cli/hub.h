/* The hub as the environment describes it, and MODEL as a name on it. */
#ifndef BL_CLI_HUB_H
#define BL_CLI_HUB_H
#include "cli/options.h"

/* What the options point into. */
typedef struct hub_settings {
    bl_hub_options options;
    char *cache, *token;
} hub_settings;

/* HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME; HF_ENDPOINT; HF_TOKEN, HF_TOKEN_PATH and the token's file;
 * HF_HUB_OFFLINE; the certificates of SSL_CERT_FILE; a progress bar. Free with hub_settings_free, whatever is
 * returned. */
bool hub_settings_read(hub_settings *settings, bool quiet, bl_error *err);
void hub_settings_free(hub_settings *settings);

/* True if `text` is a hub name and no directory of that name is there. */
bool is_hub_model(const char *text);
/* c->model from the cache, or from the hub where the cache lacks it. */
bl_model *load_hub_model(common *c, bl_error *err);
#endif
