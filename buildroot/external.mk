# The workspace needs a newer Rust than the long-term Buildroot release brings: the same
# package, downloaded from the same place, in the version of rust-version in Cargo.toml
# (buildroot/check compares them). Its hashes are in patches/rust-bin/rust-bin.hash; only
# its build directory keeps the name that it had before this file is read.
RUST_BIN_VERSION = 1.95.0
HOST_RUST_BIN_DL_VERSION = $(RUST_BIN_VERSION)

# The overlay's /etc/passwd has the bus's user, and the bus starts no services, which is
# what its set-user-ID helper is for.
DBUS_USERS =
DBUS_PERMISSIONS =
# Nobody but root runs what needs root: the supervisor does it for the admin user.
BUSYBOX_PERMISSIONS =

# Buildroot sets root's password in a regular /etc/shadow before it copies the overlay. In a
# tree that was finished once, that file is the overlay's link, which leads nowhere here.
define MARK21_PLAIN_SHADOW
	if [ -L $(TARGET_DIR)/etc/shadow ]; then \
		rm $(TARGET_DIR)/etc/shadow && echo 'root:*:::::::' > $(TARGET_DIR)/etc/shadow; \
	fi
endef
TARGET_FINALIZE_HOOKS := MARK21_PLAIN_SHADOW $(TARGET_FINALIZE_HOOKS)

# The overlay's time server has a user and folders of its own, those of the quick build.
OPENNTPD_USERS =
OPENNTPD_CONF_OPTS += --with-privsep-user=ntpd --localstatedir=/var/lib/openntpd
# 6.8 takes adjtimex's word that a clock is not right yet for a failure, and so never calls one
# right (openntpd-portable, issue 65; mended after it). By adjtime it does.
OPENNTPD_CONF_ENV += CFLAGS="$(TARGET_CFLAGS) -UHAVE_ADJTIMEX"

# image/assemble makes GRUB's cores itself: it needs the program and the modules.
define MARK21_KEEP_GRUB
	rm -rf $(BINARIES_DIR)/grub
	mkdir -p $(BINARIES_DIR)/grub
	$(INSTALL) -m 755 $(HOST_DIR)/bin/grub-mkimage $(BINARIES_DIR)/grub/grub-mkimage
	$(foreach tuple,$(GRUB2_TUPLES-y),\
		mkdir $(BINARIES_DIR)/grub/$(tuple); \
		cd $(@D)/build-$(tuple)/grub-core && \
			$(INSTALL) -m 644 *.mod *.lst $(wildcard $(@D)/build-$(tuple)/grub-core/*.img) \
			$(BINARIES_DIR)/grub/$(tuple)$(sep)\
	)
endef
GRUB2_POST_INSTALL_IMAGES_HOOKS += MARK21_KEEP_GRUB

include $(sort $(wildcard $(BR2_EXTERNAL_MARK21_PATH)/package/*/*.mk))
