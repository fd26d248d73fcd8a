/* SPDX-License-Identifier: MIT */
#include "vaultfs/api.h"
