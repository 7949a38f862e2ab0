// SPDX-License-Identifier: MIT
/* Choices that several commands offer, in the form that option tables take. */
#ifndef POLLUX_CLI_CHOICES_H
#define POLLUX_CLI_CHOICES_H

const char *choice_policy(unsigned i);
const char *choice_policy_about(unsigned i);
const char *choice_engine(unsigned i);
const char *choice_engine_about(unsigned i);
const char *choice_errno(unsigned i); /* of faults to inject */
int choice_errno_number(unsigned i);

/**
 * choice_index - which one is @name? It must be one of them
 */
unsigned choice_index(const char *(*choice)(unsigned i), const char *name);

#endif
