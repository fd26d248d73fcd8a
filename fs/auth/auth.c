/* SPDX-License-Identifier: MIT
 *
 * Generations. Many requests are in flight with one token when it ends, and all
 * of them come back refused. Each knows the generation of the token it was sent
 * with: the first to come asks the source, the others wait for the answer, and
 * who comes late, with a generation that is over, has its answer already. The
 * source is asked without the lock, so that nobody who only wants the current
 * token waits for a slow one.
 */
#include "vaultfs/auth.h"

#include "environment.h"
#include "source.h"
#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vf_auth {
    const struct vf_auth_source *source;
    char *place;       /* what the source reads */
    char *description; /* for people */
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool is_asking;          /* guarded by lock */
    unsigned generation;     /* guarded by lock */
    struct vf_secret *token; /* guarded by lock; its bytes never change */
};

/* Trim the newline; refuse what cannot be a token. A byte that no header may
 * carry is most often a whole file given by mistake. */
static int check_token(struct vf_secret *token, const char *description,
                       struct vf_error *err)
{
    const char *bytes = vf_secret_data(token);
    size_t size = vf_secret_size(token);

    if (size > 0 && bytes[size - 1] == '\n')
        size--;
    if (size > 0 && bytes[size - 1] == '\r')
        size--;
    vf_secret_truncate(token, size);
    if (size == 0)
        return vf_error_set(err, EINVAL, "there is no token in %s",
                            description);
    if (size > VF_AUTH_TOKEN_MAX)
        return vf_error_set(err, EINVAL,
                            "what is in %s is longer than %d bytes: that is no "
                            "token",
                            description, VF_AUTH_TOKEN_MAX);
    for (size_t i = 0; i < size; i++)
        if (bytes[i] <= 0x20 || bytes[i] >= 0x7F)
            return vf_error_set(err, EINVAL,
                                "byte %zu of the token in %s is a space, a "
                                "control character or not ASCII: a token is "
                                "one line without spaces",
                                i, description);
    return 0;
}

static int ask_source(const struct vf_auth *auth, struct vf_secret **ret,
                      struct vf_error *err)
{
    struct vf_secret *token;
    int result = auth->source->read(auth->place, &token, err);

    if (result < 0)
        return result;
    result = check_token(token, auth->description, err);
    if (result < 0) {
        vf_secret_unref(token);
        return result;
    }
    *ret = token;
    return 0;
}

static int not_configured(const struct vf_auth_options *options,
                          struct vf_error *err)
{
    struct vf_buf names = VF_BUF_INIT;

    for (size_t i = 0;
         options->default_env != NULL && options->default_env[i] != NULL; i++)
        vf_buf_printf(&names, "%s%s", i > 0 ? " or " : ", or set ",
                      options->default_env[i]);
    int result = vf_error_set(
        err, ENOKEY,
        "no access token: give --token-file FILE or --token-env NAME%s",
        names.size > 0 ? names.data : "");
    if (err != NULL)
        vf_error_copy(err->type, sizeof(err->type), "auth_not_configured");
    vf_buf_free(&names);
    return result;
}

/* The first row of the table that is configured. */
static int find_source(const struct vf_auth_options *options,
                       struct vf_auth *auth, struct vf_error *err)
{
    const struct vf_auth_source *source = vf_auth_sources;

    for (; source->kind != NULL; source++) {
        int result = source->find(options, &auth->place);

        if (result < 0)
            return vf_error_set(err, -result, "cannot find the %s",
                                source->kind);
        if (auth->place != NULL)
            break;
    }
    if (source->kind == NULL)
        return not_configured(options, err);
    auth->source = source;
    if (asprintf(&auth->description, "%s %s", source->kind, auth->place) < 0) {
        auth->description = NULL;
        return vf_error_set(err, ENOMEM, "no memory");
    }
    return 0;
}

int vf_auth_new(const struct vf_auth_options *options, struct vf_auth **ret,
                struct vf_error *err)
{
    struct vf_auth *auth = calloc(1, sizeof(*auth));

    if (auth == NULL)
        return vf_error_set(err, ENOMEM, "no memory");
    pthread_mutex_init(&auth->lock, NULL);
    pthread_cond_init(&auth->answered, NULL);
    int result = find_source(options, auth, err);
    if (result == 0)
        result = ask_source(auth, &auth->token, err);
    vf_auth_wipe_variables(options);
    if (result < 0) {
        vf_auth_free(auth);
        return result;
    }
    *ret = auth;
    return 0;
}

void vf_auth_free(struct vf_auth *auth)
{
    if (auth == NULL)
        return;
    vf_secret_unref(auth->token);
    pthread_cond_destroy(&auth->answered);
    pthread_mutex_destroy(&auth->lock);
    free(auth->description);
    free(auth->place);
    free(auth);
}

void vf_auth_token(struct vf_auth *auth, struct vf_secret **ret,
                   unsigned *ret_generation)
{
    pthread_mutex_lock(&auth->lock);
    *ret = vf_secret_ref(auth->token);
    *ret_generation = auth->generation;
    pthread_mutex_unlock(&auth->lock);
}

static bool is_same_token(const struct vf_secret *a, const struct vf_secret *b)
{
    return vf_secret_size(a) == vf_secret_size(b) &&
           memcmp(vf_secret_data(a), vf_secret_data(b), vf_secret_size(a)) == 0;
}

/*
 * Ask without the lock, as the only one who does. Takes over the lock as it
 * finds it: held.
 */
static int ask_again(struct vf_auth *auth, struct vf_error *err)
{
    struct vf_secret *token = NULL;
    struct vf_error reason = {0};

    auth->is_asking = true;
    pthread_mutex_unlock(&auth->lock);
    int result = ask_source(auth, &token, &reason);
    pthread_mutex_lock(&auth->lock);
    auth->is_asking = false;
    pthread_cond_broadcast(&auth->answered);

    if (result < 0)
        return vf_error_set(err, EKEYREJECTED,
                            "the access token was refused, and its source "
                            "cannot be read again: %s",
                            reason.message);
    if (is_same_token(token, auth->token)) {
        vf_secret_unref(token);
        return vf_error_set(err, EKEYREJECTED,
                            "the access token was refused: put a new one into "
                            "the %s",
                            auth->description);
    }
    vf_secret_unref(auth->token);
    auth->token = token;
    auth->generation++;
    return 0;
}

int vf_auth_refused(struct vf_auth *auth, unsigned generation,
                    struct vf_error *err)
{
    bool has_waited = false;
    int result = 0;

    if (!auth->source->can_change)
        return vf_error_set(err, EKEYREJECTED,
                            "the access token was refused; the %s is read only "
                            "at the start: mount again with a new one",
                            auth->description);
    pthread_mutex_lock(&auth->lock);
    while (auth->is_asking && auth->generation == generation) {
        has_waited = true;
        pthread_cond_wait(&auth->answered, &auth->lock);
    }
    if (auth->generation == generation)
        result = has_waited ? vf_error_set(err, EKEYREJECTED,
                                           "the access token of the %s was "
                                           "refused",
                                           auth->description)
                            : ask_again(auth, err);
    pthread_mutex_unlock(&auth->lock);
    return result;
}

const char *vf_auth_source(const struct vf_auth *auth)
{
    return auth->description;
}
