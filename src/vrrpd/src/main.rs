//! VRRP for Linux.
fn main() {}
