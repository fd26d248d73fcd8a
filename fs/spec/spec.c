/* SPDX-License-Identifier: MIT */
#include "vaultfs/spec.h"
