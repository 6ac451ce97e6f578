/* What the model is: its configuration and its tensors. */
#include "report/html.h"
#include "report/plot.h"
#include "base/visible.h"

static void put_settings(bl_buffer *out, const bl_doc_setting *settings, size_t n) {
    bl_buffer_text(out, "<dl class=\"settings\">\n");
    for (size_t i = 0; i < n; i++) {
        bl_buffer_text(out, "<div><dt>");
        bl_visible_html(out, settings[i].key);
        bl_buffer_text(out, "</dt><dd>");
        bl_visible_html(out, settings[i].value);
        bl_buffer_text(out, "</dd></div>\n");
    }
    bl_buffer_text(out, "</dl>\n");
}

static void put_tensors(bl_buffer *out, const bl_doc_info *info) {
    bl_buffer_print(out,
                    "<details><summary>%zu tensor%s</summary><div class=\"scroll\"><table class=\"tensors\">"
                    "<thead><tr><th>Tensor</th><th>Shape</th><th>Dtype</th></tr></thead><tbody>\n",
                    info->n_tensors, info->n_tensors == 1 ? "" : "s");
    for (size_t i = 0; i < info->n_tensors; i++) {
        const bl_doc_tensor *tensor = &info->tensors[i];
        bl_buffer_text(out, "<tr><td>");
        bl_visible_html(out, tensor->name);
        bl_buffer_text(out, "</td><td>");
        for (size_t k = 0; k < tensor->n_dims; k++)
            bl_buffer_print(out, "%s%llu", k > 0 ? " \xC3\x97 " : "", (unsigned long long)tensor->shape[k]);
        bl_buffer_text(out, "</td><td>");
        bl_visible_html(out, tensor->dtype);
        bl_buffer_text(out, "</td></tr>\n");
    }
    bl_buffer_text(out, "</tbody></table></div></details>\n");
}

void bl_html_model(bl_buffer *out, const bl_doc *doc) {
    const bl_doc_info *info = doc->info;
    char parameters[40];
    bl_buffer_text(out, "<p class=\"prose\"><b>");
    bl_visible_html(out, bl_doc_short_name(info->model));
    bl_buffer_text(out,
                   info->generation ? "</b>: a checkpoint of the generation " : "</b>: a model of the kind ");
    bl_visible_html(out, info->generation ? info->generation : info->kind);
    bl_buffer_print(out, " with %s parameters.</p>\n", bl_grouped(parameters, info->parameters));
    if (info->n_facts > 0) {
        put_settings(out, info->facts, info->n_facts);
        bl_buffer_text(out, "<details><summary>config.json</summary>\n");
        put_settings(out, info->settings, info->n_settings);
        bl_buffer_text(out, "</details>\n");
    } else {
        put_settings(out, info->settings, info->n_settings);
    }
    put_tensors(out, info);
}
