/* SPDX-License-Identifier: MIT */
#include "vaultfs/api.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* The documented table, range by range; later rows win. */
static const struct {
    int first;
    int last;
    int code;
} rows[] = {
    {100, 299, EBADMSG},    {300, 399, EPROTO},       {400, 499, EINVAL},
    {500, 599, EREMOTEIO},  {401, 401, EKEYREJECTED}, {403, 403, EACCES},
    {404, 404, ENOENT},     {405, 405, EOPNOTSUPP},   {408, 408, ETIMEDOUT},
    {409, 409, EBUSY},      {412, 412, EBUSY},        {413, 413, EFBIG},
    {423, 423, EBUSY},      {429, 429, EBUSY},        {431, 431, EFBIG},
    {501, 501, EOPNOTSUPP},
};

static int documented(int status)
{
    int code = EBADMSG;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (status >= rows[i].first && status <= rows[i].last)
            code = rows[i].code;
    return code;
}

static void every_status_has_its_documented_errno(void **state)
{
    for (int status = -1; status < 700; status++) {
        int code = documented(status);

        assert_int_equal(vf_api_errno(status, VF_API_READ), code);
        assert_int_equal(vf_api_errno(status, VF_API_CHANGE), code);
        assert_int_equal(vf_api_errno(status, VF_API_UPDATE), code);
        assert_int_equal(vf_api_errno(status, VF_API_CREATE),
                         status == 409 ? EEXIST : code);
    }
}

static void no_status_collapses_to_eio(void **state)
{
    for (int status = -1; status < 700; status++) {
        assert_int_not_equal(vf_api_errno(status, VF_API_CREATE), EIO);
        assert_true(vf_api_errno(status, VF_API_CREATE) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_documented_errno),
        cmocka_unit_test(no_status_collapses_to_eio),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
