//! The multi-call file.
fn main() {}
