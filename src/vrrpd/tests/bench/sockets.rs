//! Raw sockets of this program itself, in a host's namespace or the bridge's.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The calling thread stays in that namespace.
pub(crate) fn raw_socket_in(
    namespace: &str,
    family: libc::c_int,
    protocol: libc::c_int,
) -> io::Result<OwnedFd> {
    let namespace = File::open(namespace)?;
    // SAFETY: the descriptor is open; this thread alone moves.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })?;
    // SAFETY: no pointers.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// An interface of the namespace that the thread is in.
pub(crate) fn index_of(interface: &CStr) -> libc::c_int {
    // SAFETY: a string that ends with zero.
    unsafe { libc::if_nametoindex(interface.as_ptr()) }.cast_signed()
}

pub(crate) fn set<T>(socket: &OwnedFd, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let pointer = std::ptr::from_ref(value).cast();
    // SAFETY: the value lives through the call and has the length that is told.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, pointer, length::<T>()) })?;
    Ok(())
}

pub(crate) fn length<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("small")
}

pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
