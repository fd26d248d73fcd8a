/* SPDX-License-Identifier: MIT */
#include "vaultfs/auth.h"
