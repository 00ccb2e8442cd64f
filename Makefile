# SPDX-License-Identifier: GPL-2.0-or-later
# A thin front for meson. `make tune` takes a bare Debian machine to a tuned disk;
# `make` alone only builds, and asks no package manager.
.PHONY: all tune test install clean
.NOTPARALLEL:

# Where `make tune` measures.
DIRECTORY ?= .

# Asked first, as meson has four lines to say when there is nothing to do.
all: build/build.ninja
	@ninja -C build -n 2>/dev/null | grep -q 'no work to do' || meson compile -C build

build/build.ninja:
	@command -v meson >/dev/null || { \
		echo 'meson is not installed: run `make tune`, or `scripts/install-packages build run`' >&2; exit 2; }
	@meson setup build || { \
		echo 'hint: if a dependency is missing: scripts/install-packages build' >&2; exit 2; }

tune:
	@scripts/install-packages build run
	@scripts/fetch-kernel
	@$(MAKE) --no-print-directory all
	@build/virt-disktune tune --directory '$(DIRECTORY)'

test:
	@scripts/install-packages build run test
	@scripts/fetch-kernel
	@scripts/run-tests

install: all
	@meson install -C build --no-rebuild

clean:
	rm -rf build build-sanitized
