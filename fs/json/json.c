/* SPDX-License-Identifier: MIT */
#include "vaultfs/json.h"
