//! VRRP (RFC 9568, and RFC 3768 on the wire) without I/O, clock or heap.
