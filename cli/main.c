// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "cli/version.h"

int main(void)
{
    puts("pollux " POLLUX_VERSION);
    return 0;
}
