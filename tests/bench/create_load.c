/* SPDX-License-Identifier: MIT
 *
 * create_load URL TOKEN_FILE CLIENTS COUNT [VAULTS]
 *
 * So many clients, each with a connection that it keeps, create so many bearer
 * credentials, each with a URL of its own, as the file system would: with the
 * file's name in the metadata and an Idempotency-Key. Vaults, 20 unless told,
 * are made first and not measured; credentials go to them in turn. URL is
 * unix:/SOCKET or http://HOST:PORT. Prints
 * {"count": N, "failures": N, "seconds": S, "p50_ms": S, "p99_ms": S}.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define PREFIX "/api/v1/cloud"
#define VAULTS 20
#define ID_SIZE 64

struct load {
    const char *origin; /* what goes before a path */
    const char *socket; /* NULL: TCP */
    char authorization[300];
    unsigned long run; /* random: keys of two runs differ */
    size_t clients, count, vaults;
    char (*ids)[ID_SIZE]; /* of the vaults */
    double *times_ms;     /* of each create */
    atomic_size_t next, failures;
};

/* A connection with the request that is repeated over it. */
struct client {
    struct load *load;
    CURL *curl;
    struct curl_slist *headers;
    char reply[2048]; /* its beginning */
    size_t reply_size;
};

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static size_t take(char *data, size_t size, size_t count, void *context)
{
    struct client *client = context;
    size_t room = sizeof(client->reply) - 1 - client->reply_size;
    size_t kept = count < room ? count : room;

    memcpy(client->reply + client->reply_size, data, kept);
    client->reply_size += kept;
    client->reply[client->reply_size] = '\0';
    return count;
}

static bool client_init(struct client *client, struct load *load)
{
    *client = (struct client){.load = load, .curl = curl_easy_init()};
    if (client->curl == NULL)
        return false;
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
    if (load->socket != NULL)
        curl_easy_setopt(client->curl, CURLOPT_UNIX_SOCKET_PATH, load->socket);
    return true;
}

static void client_done(struct client *client)
{
    curl_easy_cleanup(client->curl);
}

/* Whether it was created. */
static bool post(struct client *client, const char *path, const char *key,
                 const char *body)
{
    char url[300];
    long status = 0;
    struct curl_slist *headers =
        curl_slist_append(NULL, client->load->authorization);

    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, key);
    headers = curl_slist_append(headers, "Expect:");
    (void)snprintf(url, sizeof(url), "%s" PREFIX "%s", client->load->origin,
                   path);
    client->reply_size = 0;
    curl_easy_setopt(client->curl, CURLOPT_URL, url);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
    CURLcode code = curl_easy_perform(client->curl);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    return code == CURLE_OK && status >= 200 && status < 300;
}

static bool create_vault(struct client *client, size_t number)
{
    struct load *load = client->load;
    char key[80], body[100];

    (void)snprintf(key, sizeof(key), "Idempotency-Key: %016lx-v%zu", load->run,
                   number);
    (void)snprintf(body, sizeof(body), "{\"display_name\":\"vault-%04zu\"}",
                   number);
    return post(client, "/vaults", key, body) &&
           sscanf(client->reply, "{\"id\":\"%63[^\"]\"", load->ids[number]) ==
               1;
}

static bool create_credential(struct client *client, size_t number)
{
    struct load *load = client->load;
    char path[100], key[80], body[400];

    (void)snprintf(path, sizeof(path), "/vaults/%s/credentials",
                   load->ids[number % load->vaults]);
    (void)snprintf(key, sizeof(key), "Idempotency-Key: %016lx-%zu", load->run,
                   number);
    (void)snprintf(body, sizeof(body),
                   "{\"auth\":{\"type\":\"static_bearer\",\"mcp_server_url\":"
                   "\"https://mcp-%zu.example.com/sse\",\"token\":"
                   "\"no-secret-%022zu\"},"
                   "\"metadata\":{\"vaultfs.name\":\"server-%zu.json\"}}",
                   number, number, number);
    return post(client, path, key, body);
}

static void *run_client(void *context)
{
    struct load *load = context;
    struct client client;
    size_t number;

    if (!client_init(&client, load))
        return NULL; /* the others do its part */
    while ((number = atomic_fetch_add(&load->next, 1)) < load->count) {
        double start_ms = now_ms();

        if (!create_credential(&client, number))
            atomic_fetch_add(&load->failures, 1);
        load->times_ms[number] = now_ms() - start_ms;
    }
    client_done(&client);
    return NULL;
}

/* The seconds that all clients took together. */
static double run_clients(struct load *load)
{
    pthread_t *threads = calloc(load->clients, sizeof(*threads));
    size_t started = 0;
    double start_ms = now_ms();

    while (threads != NULL && started < load->clients &&
           pthread_create(&threads[started], NULL, run_client, load) == 0)
        started++;
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return started == load->clients && load->next >= load->count
               ? (now_ms() - start_ms) / 1e3
               : -1;
}

static bool create_vaults(struct load *load)
{
    struct client client;
    size_t number = 0;

    if (!client_init(&client, load))
        return false;
    while (number < load->vaults && create_vault(&client, number))
        number++;
    if (number < load->vaults)
        (void)fprintf(stderr, "create_load: no vault: %s\n", client.reply);
    client_done(&client);
    return number == load->vaults;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print(struct load *load, double seconds)
{
    qsort(load->times_ms, load->count, sizeof(*load->times_ms), compare);
    (void)printf("{\"count\": %zu, \"failures\": %zu, \"seconds\": %.3f, "
                 "\"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
                 load->count, (size_t)load->failures, seconds,
                 load->times_ms[load->count / 2],
                 load->times_ms[load->count * 99 / 100]);
}

static bool read_token(struct load *load, const char *path)
{
    char token[256];
    FILE *file = fopen(path, "re");
    bool is_read = file != NULL && fscanf(file, "%255s", token) == 1;

    if (file != NULL)
        (void)fclose(file);
    if (is_read)
        (void)snprintf(load->authorization, sizeof(load->authorization),
                       "Authorization: Bearer %s", token);
    else
        (void)fprintf(stderr, "create_load: no token in %s\n", path);
    return is_read;
}

static bool parse(int argc, char **argv, struct load *load)
{
    if (argc < 5 || argc > 6)
        return false;
    bool is_unix = strncmp(argv[1], "unix:", 5) == 0;
    load->socket = is_unix ? argv[1] + 5 : NULL;
    load->origin = is_unix ? "http://localhost" : argv[1];
    load->clients = strtoul(argv[3], NULL, 10);
    load->count = strtoul(argv[4], NULL, 10);
    load->vaults = argc == 6 ? strtoul(argv[5], NULL, 10) : VAULTS;
    return load->clients > 0 && load->count > 0 && load->vaults > 0;
}

int main(int argc, char **argv)
{
    struct load load = {0};
    double seconds = -1;

    if (!parse(argc, argv, &load)) {
        (void)fprintf(stderr, "usage: create_load unix:SOCKET|URL TOKEN_FILE "
                              "CLIENTS COUNT [VAULTS]\n");
        return 1;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    load.ids = calloc(load.vaults, sizeof(*load.ids));
    load.times_ms = calloc(load.count, sizeof(*load.times_ms));
    if (load.ids != NULL && load.times_ms != NULL &&
        getrandom(&load.run, sizeof(load.run), 0) == sizeof(load.run) &&
        read_token(&load, argv[2]) && create_vaults(&load))
        seconds = run_clients(&load);
    if (seconds >= 0)
        print(&load, seconds);
    free(load.ids);
    free(load.times_ms);
    curl_global_cleanup();
    return seconds >= 0 && load.failures == 0 ? 0 : 1;
}
