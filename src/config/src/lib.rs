//! Text to a configuration that cannot hold a bad value, or an error that names its place.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod limits;
mod model;

pub use model::*;
