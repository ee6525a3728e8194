//! Until the service is proven mark21d goes before all else that starts with the box: with the
//! greatest share of the processor for its session, which `rootfs/usr/lib/mark21/supervisor` takes.

use std::fs;

/// The nice value of the session (sched(7), "The autogroup feature").
const SHARE: &str = "/proc/self/autogroup";

/// mark21d, and what it starts, are as any other again.
pub(crate) fn end() {
    // A kernel that shares among threads alone has no such file, and nothing was taken there.
    fs::write(SHARE, "0").unwrap_or_default();
}
