# SPDX-License-Identifier: MIT
# Changes the product in COUNT places, one at a time, and sees which the unit tests notice.
COUNT ?= 50
SEED ?= 1
DIRS ?= virtq blk aio engine

mutation:
	@python3 -B tests/mutation/run.py $(COUNT) $(SEED) $(DIRS)

.PHONY: mutation
