// SPDX-License-Identifier: MIT
#ifndef POLLUX_CLI_VERSION_H
#define POLLUX_CLI_VERSION_H

#define POLLUX_VERSION "0.2.0"

#endif
