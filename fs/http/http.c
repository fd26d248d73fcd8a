/* SPDX-License-Identifier: MIT */
#include "vaultfs/http.h"
