/* SPDX-License-Identifier: MIT */
#include "framing.h"

#include <microhttpd.h>
#include <strings.h>

struct framing {
    unsigned said;   /* how often the head says where the body ends */
    bool is_foreign; /* by an encoding other than "chunked" */
};

static enum MHD_Result count(void *context, enum MHD_ValueKind kind,
                             const char *name, const char *value)
{
    struct framing *framing = context;

    if (strcasecmp(name, "Content-Length") == 0) {
        framing->said++;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        framing->said++;
        framing->is_foreign |= strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

bool vf_framing_is_plain(struct MHD_Connection *connection)
{
    struct framing framing = {0};

    MHD_get_connection_values(connection, MHD_HEADER_KIND, count, &framing);
    return framing.said <= 1 && !framing.is_foreign;
}
