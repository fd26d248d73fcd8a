/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include <pthread.h>
#include <unistd.h>

struct stage stage;
int64_t now_ms;
void (*pause_hook)(void);
struct vf_key stage_creation;

int64_t __wrap_vf_clock_monotonic_ms(void);
int64_t __wrap_vf_clock_monotonic_ms(void)
{
    return now_ms;
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *condition,
                                  pthread_mutex_t *lock,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition,
                                  pthread_mutex_t *lock,
                                  const struct timespec *until)
{
    if (pause_hook != NULL) {
        pthread_mutex_unlock(lock);
        pause_hook();
        pthread_mutex_lock(lock);
        return 0;
    }
    now_ms = (int64_t)until->tv_sec * 1000 + until->tv_nsec / 1000000;
    return ETIMEDOUT;
}

void stage_open(const char *dialect)
{
    const struct vf_api_options options = {.dialect = dialect,
                                           .state_directory = stage.directory,
                                           .base_url = "https://api.example"};

    fake_auth_reset();
    assert_int_equal(
        vf_api_new(&options, NULL, fake_auth_handle(), &stage.api, NULL), 0);
    stage.service = vf_api_service(stage.api);
    stage.ops = stage.service.ops;
}

void stage_close(void)
{
    vf_api_free(stage.api);
}

int stage_set_up(void **state)
{
    (void)snprintf(stage.directory, sizeof(stage.directory),
                   "/tmp/vf-test-state-XXXXXX");
    if (mkdtemp(stage.directory) == NULL)
        return -1;
    now_ms = 1000000;
    pause_hook = NULL;
    stage_creation.is_old = false;
    vf_uuid4(stage_key);
    stage_open(*state != NULL ? *state : "qoder");
    return 0;
}

int stage_tear_down(void **state)
{
    char command[128];

    stage_close();
    (void)snprintf(command, sizeof(command), "rm -r %s", stage.directory);
    return system(command);
}

static int keep(int result, struct vf_object *object, struct vf_object *ret)
{
    if (result == 0 && ret != NULL)
        *ret = *object;
    else if (result == 0)
        vf_object_done(object);
    return result;
}

int list_vaults(enum vf_list which, const char *cursor, struct vf_page *ret,
                struct vf_error *err)
{
    const struct vf_list_query query = {
        .which = which, .cursor = cursor, .deadline_ms = now_ms + DEADLINE_MS};

    return stage.ops->list_vaults(stage.service.self, &query, ret, err);
}

int list_credentials(enum vf_list which, const char *cursor,
                     struct vf_page *ret, struct vf_error *err)
{
    const struct vf_list_query query = {
        .which = which, .cursor = cursor, .deadline_ms = now_ms + DEADLINE_MS};

    return stage.ops->list_credentials(stage.service.self, "v1", &query, ret,
                                       err);
}

int list_code(struct vf_error *err)
{
    struct vf_page page;
    int result = list_vaults(VF_LIST_ACTIVE, NULL, &page, err);

    if (result == 0)
        vf_page_done(&page);
    return result;
}

int create_vault(const struct vf_vault_spec *spec, struct vf_object *ret,
                 struct vf_page *ret_credentials, struct vf_error *err)
{
    struct vf_object object;
    struct vf_page page;
    int result =
        stage.ops->create_vault(stage.service.self, spec, &stage_creation,
                                now_ms + DEADLINE_MS, &object, &page, err);

    if (result == 0 && ret_credentials != NULL)
        *ret_credentials = page;
    else if (result == 0)
        vf_page_done(&page);
    return keep(result, &object, ret);
}

int create(const char *name, const struct vf_spec *spec, struct vf_object *ret,
           struct vf_error *err)
{
    struct vf_object object;
    int result = stage.ops->create_credential(
        stage.service.self, "v1", name, spec, &stage_creation,
        now_ms + DEADLINE_MS, &object, err);

    return keep(result, &object, ret);
}

int create_bearer(const char *value, struct vf_error *err)
{
    char url[] = "https://a/b", protocol[] = "sse";
    struct vf_spec spec = {.type = VF_AUTH_STATIC_BEARER,
                           .mcp_server_url = url,
                           .protocol = protocol,
                           .value = secret_of(value)};
    int result = create("git hub.json", &spec, NULL, err);

    vf_secret_unref(spec.value);
    return result;
}

int update(const char *name, const struct vf_spec *spec, const char *current,
           struct vf_object *ret, struct vf_error *err)
{
    struct vf_object object;
    int result = stage.ops->update_credential(
        stage.service.self, "v1", "c1", name, spec, current,
        current != NULL ? strlen(current) : 0, now_ms + DEADLINE_MS, &object,
        err);

    return keep(result, &object, ret);
}

int rename_to(const char *name, const char *current, struct vf_object *ret,
              struct vf_error *err)
{
    struct vf_object object;
    int result = stage.ops->rename_credential(
        stage.service.self, "v1", "c1", name, current, strlen(current),
        now_ms + DEADLINE_MS, &object, err);

    return keep(result, &object, ret);
}

int archive(struct vf_error *err)
{
    return stage.ops->archive_credential(stage.service.self, "v1", "c1",
                                         now_ms + DEADLINE_MS, err);
}

int delete_vault(struct vf_error *err)
{
    return stage.ops->delete_vault(stage.service.self, "v1",
                                   now_ms + DEADLINE_MS, err);
}

struct vf_spec *parse_spec(const char *text, const char *shown)
{
    struct vf_spec *spec = NULL;

    assert_int_equal(vf_spec_parse(text, strlen(text), shown,
                                   shown != NULL ? strlen(shown) : 0, &spec,
                                   NULL),
                     0);
    return spec;
}

struct vf_vault_spec *parse_vault_spec(const char *text)
{
    struct vf_vault_spec *spec = NULL;

    assert_int_equal(
        vf_vault_spec_parse(text, strlen(text), NULL, 0, &spec, NULL), 0);
    return spec;
}

struct vf_secret *secret_of(const char *text)
{
    struct vf_secret *secret;

    assert_int_equal(vf_secret_from(text, strlen(text), &secret, NULL), 0);
    return secret;
}

bool is_uuid4(const char *text)
{
    return strlen(text) == 36 && text[8] == '-' && text[14] == '4' &&
           strchr("89ab", text[19]) != NULL;
}

void assert_sent(unsigned number, enum vf_http_method method, const char *path,
                 const char *body)
{
    const struct fake_request *request = fake_http_request(number);

    assert_int_equal(request->method, method);
    assert_string_equal(request->path, path);
    assert_string_equal(request->body, body);
}
