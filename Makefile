# Thin on purpose: each line calls the program that does the work.

SHELL  := /bin/bash
SUDO   := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# Cargo has job slots of its own, and make's are closed to what it starts.
CARGO  := env -u MAKEFLAGS -u MFLAGS cargo
OUT    := $(or $(CARGO_TARGET_DIR),target)
PROGRAM := $(OUT)/release/mark21
IMAGE  ?= $(OUT)/mark21.img
CONFIG ?=
BUILDROOT ?=
KERNEL ?=
LOCAL ?=
image-sources = $(if $(BUILDROOT),--buildroot $(BUILDROOT)) $(if $(KERNEL),--kernel $(KERNEL))
# For an image that was named, and not for the default.
on-image = $(if $(filter command% environment%,$(origin IMAGE)),env MARK21_IMAGE=$(abspath $(IMAGE)))
NAME   ?=

.DEFAULT_GOAL := help

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

deps: ## Install the Debian packages that are missing (as root or with sudo)
	@image/deps

build: ## Build the programs that ship
	$(CARGO) build --release --locked -p mark21 -p vrrpd

image-quick: deps build ## Build mark21.img from Debian packages (CONFIG=file puts a configuration in)
	image/build --program $(PROGRAM) --out $(IMAGE) $(if $(CONFIG),--config $(CONFIG))

image: deps ## Build mark21.img from source (BUILDROOT=directory, CONFIG=file)
	buildroot/build "$(BUILDROOT)" --output $(OUT)/buildroot $(if $(CONFIG),--config $(CONFIG)) $(if $(LOCAL),--local $(LOCAL))

image-check: ## Check the tree that builds it (BUILDROOT=directory, KERNEL=directory)
	buildroot/check $(image-sources)
	buildroot/check-test $(image-sources)
	image/assemble-test

demo: deps build ## See the main job work: a director boots and carries FTP
	$(SUDO) tests/run demo

lab: deps build ## A director, clients and servers to play with, a shell on each
	$(SUDO) tests/run lab

pages: ## Man pages and shell completions of mark21, into target/pages
	$(CARGO) run --quiet --locked -p mark21-console --example pages -- $(OUT)/pages

check: image-check ## Format, lints, unit tests, documentation; no machine is started
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) test --locked --workspace
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" $(CARGO) doc --locked --workspace --no-deps --quiet

scenarios: deps build ## Every scenario on booted images (IMAGE=file: on that one)
	$(SUDO) $(on-image) tests/run test

sizes: deps build ## A release's parts against image/size-budget
	image/build --program $(PROGRAM) --out $(OUT)/image/release.img --root-out $(OUT)/image/root.squashfs
	image/check-size $(OUT)/image/root.squashfs

test: ## Everything: check, sizes, then scenarios
	$(MAKE) --no-print-directory --jobs 2 --output-sync=line check sizes
	$(MAKE) --no-print-directory scenarios

soak: deps build ## Every scenario with full counts, for hours
	$(SUDO) env MARK21_SOAK=1 tests/run test
	TIMES=20 $(CARGO) test --release --locked -p vrrp
	src/vrrp/fuzz/run 600
	tests/old-kernel

bench: deps build ## Figures beside ipvsadm, keepalived and nft (NAME=.. for one; IMAGE=file: of that one)
	$(SUDO) $(on-image) tests/run bench $(NAME)

clean: ## Remove what was built
	$(SUDO) rm -rf $(OUT)

.PHONY: help deps build image-quick image image-check demo lab pages check scenarios sizes test soak bench clean
