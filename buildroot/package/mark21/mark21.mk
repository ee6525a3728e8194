################################################################################
#
# mark21
#
################################################################################

MARK21_TOP = $(realpath $(BR2_EXTERNAL_MARK21_PATH)/..)
MARK21_VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' $(MARK21_TOP)/Cargo.toml | head -n 1)
MARK21_SITE = $(MARK21_TOP)
MARK21_SITE_METHOD = local
# A file that is gone here must go there, too; what the build made stays. What has changed
# gets the time of the copy: its own may be before the last build, and Cargo goes by it.
MARK21_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --checksum --no-times --delete --exclude /target --exclude /vendor \
	--exclude /.cargo --exclude '/.stamp*' --exclude '/.files-list*' --exclude '/.br_*' \
	--exclude '*.img'
MARK21_LICENSE = MIT or Apache-2.0
MARK21_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE

# A local site is only copied, so that the infrastructure's own vendoring at download
# time never runs. The lock file carries a digest of every crate; this step needs the
# network (or crates that Cargo already has), the build does not.
define MARK21_VENDOR
	cd $(@D) && mkdir -p .cargo && \
		$(TARGET_MAKE_ENV) $(PKG_CARGO_ENV) \
		cargo vendor --quiet --locked --versioned-dirs vendor > .cargo/config.toml
endef
MARK21_PRE_CONFIGURE_HOOKS += MARK21_VENDOR

# lld, as it comes with Rust, folds functions of the same code, which GNU ld cannot; a Rust that
# has none (built from source) links with GNU ld, to a file of 66 kB more.
MARK21_LLD = $(wildcard $(HOST_DIR)/lib/rustlib/$(RUSTC_HOST_NAME)/bin/gcc-ld)

# The infrastructure sets the release profile by environment. What ships is what the
# workspace's own profile says; buildroot/check compares these lines with it.
MARK21_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL="z" \
	CARGO_PROFILE_RELEASE_LTO="fat" \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS="1" \
	CARGO_PROFILE_RELEASE_PANIC="abort" \
	CARGO_PROFILE_RELEASE_STRIP="true" \
	RUSTFLAGS="--remap-path-prefix=$(@D)=/mark21 $(if $(MARK21_LLD),-Clink-arg=-fuse-ld=lld -Clink-arg=-B$(MARK21_LLD))"

MARK21_CARGO_BUILD_OPTS = -p mark21 -p vrrpd

# cargo install takes no workspace with two programs to install.
MARK21_PROGRAMS = $(@D)/target/$(RUSTC_TARGET_NAME)/release
define MARK21_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 755 $(MARK21_PROGRAMS)/mark21 $(TARGET_DIR)/usr/bin/mark21
	$(INSTALL) -D -m 755 $(MARK21_PROGRAMS)/vrrpd $(TARGET_DIR)/usr/sbin/vrrpd
	ln -sf ../bin/mark21 $(TARGET_DIR)/usr/sbin/mark21d
endef

# The sources that are archived with the licences: without what was built here, which may be
# gigabytes, and with every crate.
mark21-legal-info: RSYNC_VCS_EXCLUSIONS += --exclude /target

define MARK21_SAVE_CRATES
	$(TAR) -C $(MARK21_DIR) --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -czf \
		$(MARK21_REDIST_SOURCES_DIR)/crates.tar.gz vendor
endef
MARK21_POST_LEGAL_INFO_HOOKS += MARK21_SAVE_CRATES

$(eval $(cargo-package))
