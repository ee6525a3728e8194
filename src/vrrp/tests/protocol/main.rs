//! The crate as its caller sees it: octets and time in, octets and deadlines out.

mod captures;
mod codec;
mod convergence;
mod fuzz;
mod golden;
mod groups;
mod hostile;
mod lan;
mod loss;
mod peers;
mod rng;
