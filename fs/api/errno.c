/* SPDX-License-Identifier: MIT */
#include "vaultfs/api.h"

#include <errno.h>

static const struct {
    int status;
    int code;
} codes[] = {
    {401, EKEYREJECTED}, {403, EACCES}, {404, ENOENT}, {405, EOPNOTSUPP},
    {408, ETIMEDOUT},    {409, EBUSY},  {412, EBUSY},  {413, EFBIG},
    {423, EBUSY},        {429, EBUSY},  {431, EFBIG},  {501, EOPNOTSUPP},
};

int vf_api_errno(int status, enum vf_api_intent intent)
{
    if (status == 409 && intent == VF_API_CREATE)
        return EEXIST;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].status == status)
            return codes[i].code;
    switch (status / 100) {
    case 3:
        return EPROTO;
    case 4:
        return EINVAL;
    case 5:
        return EREMOTEIO;
    default:
        return EBADMSG;
    }
}
