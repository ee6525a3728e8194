//! The kernel's IPVS generic netlink family, typed.
