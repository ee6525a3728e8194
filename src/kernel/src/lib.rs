//! Observe and apply: netlink, sysctl, modules, nft.
