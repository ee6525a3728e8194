//! mark21d: boots the box, serves the interface, keeps the kernel right.
