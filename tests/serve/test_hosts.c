/* Under which names the server answers, where it listens; parameters of requests. */
#include "support.h"
#include "serve/hosts.h"
#include "serve/page.h"
#include "serve/request.h"

static void check(const bl_hosts *hosts, bool wanted, const char *const *names) {
    for (; *names; names++)
        if (bl_hosts_allow(hosts, *names) != wanted)
            fail_msg("Host '%s' is %s", *names, wanted ? "refused" : "allowed");
}

static void test_names(void **state) {
    (void)state;
    static const char *const own[] = {"127.0.0.1", "127.0.0.1:8470", "localhost", "LocalHost:9000",
                                      "[::1]",     "[::1]:8470",     NULL};
    static const char *const foreign[] = {"",
                                          "evil.example",
                                          "evil.example:8470",
                                          "localhost.evil.example",
                                          "127.0.0.1.evil.example",
                                          "127.0.0.2",
                                          "0.0.0.0",
                                          "::1",
                                          "[::2]",
                                          "[::1",
                                          "[::1]x",
                                          "[::1]:",
                                          "[",
                                          "[]",
                                          "127.0.0.1:",
                                          "127.0.0.1:x",
                                          "127.0.0.1:123456",
                                          "127.0.0.1:65536",
                                          ":8470",
                                          "0",
                                          "user@localhost",
                                          "localhost ",
                                          " localhost",
                                          "localhost/",
                                          "2130706433",
                                          "[evil.example]",
                                          "192.168.1.5",
                                          NULL};
    static const char *const numbers[] = {"192.168.1.5", "192.168.1.5:8470", "[fe80::1]:1", "127.0.0.1",
                                          NULL};
    static const char *const rebound[] = {"evil.example", "192.168.1.5.evil.example", "[evil.example]", NULL};
    static const char *const named[] = {"machine.example", "MACHINE.example:1", "localhost", NULL};
    static const char *const unnamed[] = {"192.168.1.5", "other.example", "[fe80::1]", NULL};
    const bl_hosts loopback = {0}, everywhere = {.name = "0.0.0.0", .any_number = true},
                   one = {.name = "machine.example"};
    check(&loopback, true, own);
    check(&loopback, false, foreign);
    check(&everywhere, true, numbers);
    check(&everywhere, false, rebound);
    check(&one, true, named);
    check(&one, false, unnamed);
    char longest[400];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_false(bl_hosts_allow(&everywhere, longest));
}

static void test_listen(void **state) {
    (void)state;
    int sockets[2], again[2];
    bool v6[2];
    unsigned port = 0, taken;
    bl_hosts hosts;
    bl_error err = {0};
    size_t n = bl_listen(NULL, &port, sockets, v6, &hosts, &err);
    assert_true(n >= 1 && port > 0 && !v6[0]);
    assert_string_equal(hosts.name, "");
    taken = port;
    assert_int_equal(bl_listen(NULL, &taken, again, v6, &hosts, &err), 0);
    assert_error(err, BL_ERR_INPUT, "is taken by another program");
    for (size_t i = 0; i < n; i++) close(sockets[i]);
    port = 70000;
    assert_int_equal(bl_listen(NULL, &port, sockets, v6, &hosts, &err), 0);
    assert_error(err, BL_ERR_USAGE, "port 70000");
    port = 0;
    n = bl_listen("127.0.0.1", &port, sockets, v6, &hosts, &err);
    assert_int_equal(n, 1);
    assert_false(hosts.any_number);
    close(sockets[0]);
    port = 0;
    n = bl_listen("0.0.0.0", &port, sockets, v6, &hosts, &err);
    assert_int_equal(n, 1);
    assert_true(hosts.any_number);
    close(sockets[0]);
}

static void test_parameters(void **state) {
    (void)state;
    bl_request r = {0};
    bl_error err = {0};
    size_t at = 0, count;
    static const char query[] = "token=%22+a%2C&minus=b&&minus&minus==c&=x", body[] = "layer=7";
    assert_true(bl_request_add(&r, query, strlen(query), &err) &&
                bl_request_add(&r, body, strlen(body), &err));
    assert_string_equal(bl_request_text(&r, "token"), "\" a,");
    assert_string_equal(bl_request_next(&r, "minus", &at), "b");
    assert_string_equal(bl_request_next(&r, "minus", &at), "");
    assert_string_equal(bl_request_next(&r, "minus", &at), "=c");
    assert_null(bl_request_next(&r, "minus", &at));
    assert_string_equal(bl_request_text(&r, ""), "x");
    assert_true(bl_request_count(&r, "layer", 0, 7, &count, &err));
    assert_int_equal(count, 7);
    assert_false(bl_request_count(&r, "layer", 0, 6, &count, &err));
    assert_false(bl_request_check(&r, "token minus* layer", &err));
    assert_error(err, BL_ERR_USAGE, "unknown parameter ''");
    assert_false(bl_request_add(&r, "a=b", 3, &err)); /* two is all */
    bl_request_free(&r);
    assert_true(bl_request_add(&r, "token=a&minus=b&minus=c", 23, &err));
    assert_true(bl_request_check(&r, "token minus* layer", &err));
    assert_false(bl_request_check(&r, "token minus layer", &err));
    assert_false(bl_request_check(&r, "toke minus*", &err));
    assert_false(bl_request_check(&r, "", &err));
    bl_request_free(&r);
}

static void test_page(void **state) {
    (void)state;
    const bl_page_file *page = bl_page_find("/");
    assert_non_null(page);
    assert_ptr_equal(page, bl_page_find("/index.html"));
    assert_non_null(memmem(page->data, page->size, "<!doctype html>", 15));
    assert_non_null(bl_page_find("/site.js"));
    assert_true(page->etag[0] == '"' && page->etag[strlen(page->etag) - 1] == '"');
    static const char *const lost[] = {
        "", "index.html", "/../index.html", "//index.html", "/index.html/", "/web/index.html", "/.", NULL};
    for (size_t i = 0; lost[i]; i++) assert_null(bl_page_find(lost[i]));
    assert_string_equal(bl_page_type("index.html"), "text/html; charset=utf-8");
    assert_string_equal(bl_page_type("a/b.js"), "text/javascript; charset=utf-8");
    assert_string_equal(bl_page_type("js"), "application/octet-stream");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_listen),
                                       cmocka_unit_test(test_parameters), cmocka_unit_test(test_page)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
