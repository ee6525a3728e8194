//! Holds programs and threads to one processor each.

use std::io;

use crate::sockets::check;

/// Where one program is by itself.
pub(crate) const ALONE: usize = 0;
/// Where the other is meanwhile.
pub(crate) const OTHER: usize = 1;

pub(crate) fn are_two() -> bool {
    std::thread::available_parallelism().is_ok_and(|count| count.get() > OTHER)
}

/// Holds a process, or with 0 the calling thread, to one processor.
pub(crate) fn hold(pid: u32, processor: usize) -> io::Result<()> {
    // SAFETY: plain data.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: there are no more processors than the set has room for.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: the set has the size that is told.
    check(unsafe { libc::sched_setaffinity(pid.cast_signed(), size_of_val(&set), &raw const set) })?;
    Ok(())
}
