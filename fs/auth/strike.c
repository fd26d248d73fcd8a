/* SPDX-License-Identifier: MIT */
#include "strike.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "vaultfs/secret.h"
#include "vaultfs/text.h"

#define PART_MIN 8
#define WORD_MIN 20
#define MARK "[...]"

/* Bytes of text that stand for the wanted byte; 0: what is there stands for
 * another. Where is_encoded, a % or a backslash is first taken for the sign of
 * an encoding, else for itself. */
static size_t stands_for(const char *text, size_t size, char wanted,
                         bool is_encoded)
{
    if (is_encoded && text[0] == '\\' && size >= 2 && text[1] == wanted)
        return 2;
    if (is_encoded && text[0] == '%' && size >= 3) {
        int high = vf_hex_value(text[1]), low = vf_hex_value(text[2]);

        if (high >= 0 && low >= 0 && (char)(high << 4 | low) == wanted)
            return 3;
    }
    return text[0] == wanted ? 1 : 0;
}

/* Bytes at the start of text that come from the secret, from one of its bytes
 * on; 0 when fewer than part_min of the secret's do. */
static size_t run_from(const char *text, size_t size, const char *secret,
                       size_t secret_size, size_t part_min, bool is_encoded)
{
    size_t used = 0, matched = 0;

    while (used < size && matched < secret_size) {
        size_t step =
            stands_for(text + used, size - used, secret[matched], is_encoded);

        if (step == 0)
            break;
        used += step;
        matched++;
    }
    return matched >= part_min ? used : 0;
}

static size_t longest_run(const char *text, size_t size,
                          const struct vf_secret *secret)
{
    const char *data = secret != NULL ? vf_secret_data(secret) : NULL;
    size_t secret_size = secret != NULL ? vf_secret_size(secret) : 0;
    size_t longest = 0;
    size_t part_min = secret_size < PART_MIN ? secret_size : PART_MIN;

    for (size_t i = 0; i < secret_size && i + part_min <= secret_size; i++) {
        for (int is_encoded = 0; is_encoded < 2; is_encoded++) {
            size_t run = run_from(text, size, data + i, secret_size - i,
                                  part_min, is_encoded != 0);

            if (run > longest)
                longest = run;
        }
    }
    return longest;
}

static bool is_of_word(char byte)
{
    return isalnum((unsigned char)byte) ||
           (byte != '\0' && strchr("_+=~-", byte));
}

/* Bytes of the word that begins here, if it looks like a token: long, and with
 * a digit or with capitals behind small letters. */
static size_t token_like_run(const char *text, size_t size)
{
    bool has_digit = false, has_hump = false;
    size_t run = 0;

    for (; run < size && is_of_word(text[run]); run++) {
        has_digit |= isdigit((unsigned char)text[run]) != 0;
        has_hump |= run > 0 && isupper((unsigned char)text[run]) &&
                    islower((unsigned char)text[run - 1]);
    }
    return run >= WORD_MIN && (has_digit || has_hump) ? run : 0;
}

static size_t run_to_strike(const char *text, size_t size, size_t at,
                            const struct vf_secret *secret)
{
    size_t run = longest_run(text + at, size - at, secret);
    bool begins_word = at == 0 || !is_of_word(text[at - 1]);
    size_t word = begins_word ? token_like_run(text + at, size - at) : 0;

    return run > word ? run : word;
}

static void put_struck(struct vf_buf *shown, const char *text, size_t size,
                       const struct vf_secret *secret)
{
    size_t shown_size = size < VF_AUTH_STRIKE_MAX ? size : VF_AUTH_STRIKE_MAX;
    size_t kept = 0, at = 0;

    while (at < shown_size) {
        size_t run = run_to_strike(text, size, at, secret);

        if (run == 0) {
            at++;
            continue;
        }
        vf_buf_put_escaped(shown, text + kept, at - kept);
        vf_buf_puts(shown, MARK);
        at += run;
        kept = at;
    }
    if (kept < shown_size)
        vf_buf_put_escaped(shown, text + kept, shown_size - kept);
}

void vf_auth_strike_copy(char *field, size_t field_size, const char *text,
                         size_t size, const struct vf_secret *secret)
{
    struct vf_buf shown = VF_BUF_INIT;

    put_struck(&shown, text, size, secret);
    vf_error_copy(field, field_size,
                  shown.size > 0 && !shown.is_broken ? shown.data : "");
    vf_buf_free(&shown);
}
